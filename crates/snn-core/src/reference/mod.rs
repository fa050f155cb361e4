//! The oracle: dense arrays, obvious code, no tricks.

mod fire;
mod matmul;
mod pool;
mod quantizer;
mod synapse;

use std::{iter::Sum, marker::PhantomData, ops::AddAssign};

use ndarray::{Array2, ArrayD, Axis, Ix2, IxDyn, LinalgScalar, ScalarOperand, linalg};
use num_traits::Float;

pub(crate) use quantizer::quantized;
pub(crate) use synapse::Norm;
pub use synapse::ReferenceSynapse;

use crate::{
    backend::{Activation, Activity, Backend, CoderParts, Input, Mode, Signal, SynapseParts},
    encode::ttfs::MaskedTtfs,
    map::{Response, Window},
    neuron::{IntegerNeuron, Neuron},
    tensor::{Counts, Real, Spikes},
    weights::Tensor,
};

/// Runs every operation on dense arrays in `F`, `f32` or `f64`, as one reads it
/// in the papers.
///
/// Results do not depend on the number of threads: each frame `[t, b]` is
/// computed by one thread, in one order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference<F>(PhantomData<F>);

impl<F> Reference<F> {
    /// The backend; it holds nothing.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The two float types.
pub trait Scalar:
    Float + LinalgScalar + ScalarOperand + AddAssign + Sum + Send + Sync + std::fmt::Debug + 'static
{
    /// Name in reports.
    const NAME: &str;
    /// Rounds to this type.
    fn of(x: f64) -> Self;
    /// Exactly, as `f64`.
    fn wide(self) -> f64;
}

impl Scalar for f32 {
    const NAME: &str = "f32";
    fn of(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    const NAME: &str = "f64";
    fn of(x: f64) -> Self {
        x
    }
    fn wide(self) -> f64 {
        self
    }
}

macro_rules! signal {
    ($array:ty, $meaning:ident) => {
        impl<F: Scalar> Signal<Reference<F>> for $array {
            fn input(&self) -> Input<'_, Reference<F>> {
                Input::$meaning(self)
            }
            fn shape(&self) -> Vec<usize> {
                self.shape().to_vec()
            }
            fn reshape(&self, shape: &[usize]) -> Self {
                reshape(self, shape)
            }
            fn permute(&self, axes: &[usize]) -> Self {
                self.view().permuted_axes(IxDyn(axes)).as_standard_layout().into_owned()
            }
        }
    };
}

signal!(Real<F>, Real);
signal!(Spikes, Spikes);
signal!(Counts, Counts);

impl<F: Scalar> Backend for Reference<F> {
    type Real = Real<F>;
    type Spikes = Spikes;
    type Counts = Counts;
    type Param = ArrayD<F>;
    type Synapse = ReferenceSynapse<F>;
    type Coder = MaskedTtfs;

    fn name(&self) -> String {
        format!("reference-{}", F::NAME)
    }

    fn real(&self, values: &ArrayD<f32>) -> Real<F> {
        values.mapv(|v| F::of(f64::from(v)))
    }

    fn spikes(&self, values: &Spikes) -> Spikes {
        values.clone()
    }

    fn counts(&self, values: &Counts) -> Counts {
        values.clone()
    }

    fn read(&self, x: Input<'_, Self>) -> ArrayD<f64> {
        match x {
            Input::Real(x) => x.mapv(F::wide),
            Input::Spikes(x) => x.mapv(f64::from),
            Input::Counts(x) => x.mapv(f64::from),
        }
    }

    fn activity(&self, x: Input<'_, Self>) -> Vec<Activity> {
        fn steps<T: Copy>(x: &ArrayD<T>, value: impl Fn(T) -> f64) -> Vec<Activity> {
            let step = |x: ndarray::ArrayViewD<'_, T>| Activity {
                elements: x.len() as f64,
                nonzero: x.iter().filter(|&&v| value(v) != 0.0).count() as f64,
                sum: x.iter().map(|&v| value(v)).sum(),
            };
            x.axis_iter(Axis(0)).map(step).collect()
        }
        match x {
            Input::Real(x) => steps(x, F::wide),
            Input::Spikes(x) => steps(x, f64::from),
            Input::Counts(x) => steps(x, f64::from),
        }
    }

    fn param(&self, _name: &str, value: &Tensor) -> ArrayD<F> {
        self.real(&value.to_f32())
    }

    fn embed(&self, table: &ArrayD<F>, rows: &ArrayD<usize>) -> Real<F> {
        let flat: Vec<usize> = rows.iter().copied().collect();
        let shape = [rows.shape(), &table.shape()[1..]].concat();
        reshape(&table.select(Axis(0), &flat), &shape)
    }

    fn compare(&self, x: Input<'_, Self>, table: &ArrayD<F>, scale: f64) -> Real<F> {
        let x = match x {
            Input::Real(x) => x.clone(),
            Input::Spikes(x) => x.mapv(|s| F::of(f64::from(s))),
            Input::Counts(x) => x.mapv(|n| F::of(f64::from(n))),
        };
        let (rows, channels) = (table.shape()[0], table.shape()[1]);
        let positions = x.len() / channels.max(1);
        let mut products = Array2::zeros((positions, rows));
        let flat = reshape(&x, &[positions, channels]);
        let [flat, table] = [&flat, table].map(|x| match x.view().into_dimensionality::<Ix2>() {
            Ok(matrix) => matrix,
            Err(e) => panic!("a table is [rows, C], found {:?}: {e}", x.shape()),
        });
        linalg::general_mat_mul(F::of(scale), &flat, &table.t(), F::zero(), &mut products);
        let outer = &x.shape()[..x.ndim() - 1];
        reshape(&products.into_dyn(), &[outer, &[rows]].concat())
    }

    fn rounded(&self, table: &ArrayD<F>, bits: u32) -> ArrayD<F> {
        let top = F::of(2f64.powi(bits as i32 - 1) - 1.0);
        let mut rounded = table.clone();
        for mut row in rounded.rows_mut() {
            let greatest = row.iter().fold(F::zero(), |a, w| a.max(w.abs()));
            let step = greatest / top;
            if step > F::zero() {
                row.mapv_inplace(|w| F::of((w / step).wide().round_ties_even()) * step);
            }
        }
        rounded
    }

    fn synapse(&self, parts: &SynapseParts) -> ReferenceSynapse<F> {
        ReferenceSynapse::new(parts)
    }

    fn coder(&self, parts: &CoderParts) -> MaskedTtfs {
        match parts.code() {
            Ok(code) => code,
            Err(e) => panic!("{}: {e}", parts.name),
        }
    }

    fn current(
        &self,
        synapse: &ReferenceSynapse<F>,
        x: Input<'_, Self>,
        repeats: usize,
        mode: Mode,
    ) -> Real<F> {
        let current = match x {
            Input::Real(x) => synapse.current(x.clone(), mode),
            Input::Spikes(x) => synapse.current(x.mapv(|s| F::of(f64::from(s))), mode),
            Input::Counts(x) => synapse.current(x.mapv(|n| F::of(f64::from(n))), mode),
        };
        if repeats == 1 {
            return current;
        }
        let views = vec![current.view(); repeats];
        ndarray::concatenate(Axis(0), &views)
            .unwrap_or_else(|e| unreachable!("equal shapes concatenate: {e}"))
    }

    fn fire(
        &self,
        neuron: &Neuron,
        leak: Option<&ArrayD<F>>,
        x: &Real<F>,
        v: Option<&Real<F>>,
    ) -> (Spikes, Real<F>) {
        fire::fire(neuron, leak.and_then(|w| w.first().copied()), x, v)
    }

    fn quantize(&self, neuron: &IntegerNeuron, x: &Real<F>) -> Counts {
        x.mapv(|x| neuron.level(x))
    }

    fn code(&self, coder: &MaskedTtfs, x: &Real<F>, _mode: Mode) -> (Counts, Spikes) {
        let levels = x.mapv(|x| coder.quantizer().level(x));
        let spikes = levels.mapv(|level| !coder.is_silent(level));
        (levels.mapv(|level| coder.settled(level)), spikes)
    }

    fn max_pool(&self, x: &Spikes, window: Window) -> Spikes {
        pool::max_pool(x, window, false, |a, b| a | b)
    }

    fn mask(&self, a: &Spikes, b: &Spikes) -> Spikes {
        a & b
    }

    fn complement(&self, x: &Spikes) -> Spikes {
        x.mapv(|spike| !spike)
    }

    fn widen(&self, x: &Spikes) -> Counts {
        x.mapv(u32::from)
    }

    fn add(&self, a: &Counts, b: &Spikes) -> Counts {
        a + &b.mapv(u32::from)
    }

    fn sum_axis(&self, x: &Counts, axis: usize) -> Counts {
        x.sum_axis(Axis(axis)).insert_axis(Axis(axis))
    }

    fn matmul(&self, a: &Counts, b: &Counts) -> Counts {
        matmul::matmul(a, b)
    }

    fn scale(&self, x: &Counts, by: f64) -> Real<F> {
        x.mapv(|n| F::of(f64::from(n)) * F::of(by))
    }

    fn matmul_real(&self, a: &Counts, b: &Real<F>) -> Real<F> {
        matmul::matmul(&a.mapv(|n| F::of(f64::from(n))), b)
    }

    fn scale_real(&self, x: &Real<F>, by: f64) -> Real<F> {
        x * F::of(by)
    }

    fn add_real(&self, a: &Real<F>, b: &Real<F>) -> Real<F> {
        a + b
    }

    fn scale_learned(&self, x: &Real<F>, factor: &ArrayD<F>, activation: Activation) -> Real<F> {
        let factor = factor.mapv(|w| match activation {
            Activation::Identity => w,
            Activation::Sigmoid => F::one() / (F::one() + (-w).exp()),
            Activation::Clamp => w.max(F::zero()).min(F::one()),
            // Written so that no power overflows.
            Activation::PerSoftplus => (w.max(F::zero()) + (-w.abs()).exp().ln_1p()).recip(),
        });
        x * &factor
    }

    fn max_pool_real(&self, x: &Real<F>, window: Window) -> Real<F> {
        pool::max_pool(x, window, F::neg_infinity(), F::max)
    }

    fn response_pool(&self, x: &Real<F>, window: Window, response: Response) -> Real<F> {
        pool::response_pool(x, window, response)
    }

    fn mean_positions(&self, x: &Real<F>) -> Real<F> {
        let shape = x.shape();
        let (frames, channels) = (shape[0] * shape[1], shape[shape.len() - 1]);
        let positions: usize = shape[2..shape.len() - 1].iter().product();
        let rows = reshape(x, &[frames, positions, channels]);
        let mean = rows.sum_axis(Axis(1)) / F::of(positions as f64);
        reshape(&mean, &[shape[0], shape[1], channels])
    }

    fn mean_time(&self, x: &Real<F>) -> Real<F> {
        x.sum_axis(Axis(0)) / F::of(x.shape()[0] as f64)
    }
}

/// The same elements, row by row, in another shape.
fn reshape<T: Clone>(x: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
    match x.to_shape(shape) {
        Ok(y) => y.to_owned(),
        Err(_) => panic!("{:?} does not reshape to {shape:?}", x.shape()),
    }
}
