//! Networks without numbers.

use ndarray::ArrayD;

use crate::{
    backend::{Activation, Activity, Backend, CoderParts, Input, Mode, Signal, SynapseParts},
    map::{Map, Response, Window},
    neuron::{IntegerNeuron, Neuron},
    tensor,
    weights::Tensor,
};

/// Runs a network on shapes alone, in no time and no memory: counts the
/// parameters and dense operations of any size, and shows before a long
/// computation that its shapes fit.
///
/// Nothing is computed: every tensor is silent, [`Backend::read`] gives zeros.
///
/// ```
/// use ndarray::ArrayD;
/// use snn_core::{Backend, Builder, Outline, Pass, Stage, outline, probe::EnergyMeter};
///
/// let builder = Builder::zeros(&Outline);
/// let fc = builder.synapse(Stage::linear("fc", 50_000, 1_000))?;
/// let mut meter = EnergyMeter::new();
/// let x = outline::Real::new(&[1, 1, 50_000]);
/// let y = fc.forward(&mut Pass::new(&Outline).with_probe(&mut meter), &x);
/// assert_eq!(y, outline::Real::new(&[1, 1, 1_000]));
/// assert_eq!(meter.total().dense, 50e6);
/// assert_eq!(builder.finish()?.parameters(), 50_000_000);
/// # Ok::<(), snn_core::LoadError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline;

macro_rules! signal {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Vec<usize>);

        impl $name {
            /// The tensor with these axes.
            pub fn new(shape: &[usize]) -> Self {
                Self(shape.to_vec())
            }
        }

        impl Signal<Outline> for $name {
            fn input(&self) -> Input<'_, Outline> {
                Input::$name(self)
            }
            fn shape(&self) -> Vec<usize> {
                self.0.clone()
            }
            fn reshape(&self, shape: &[usize]) -> Self {
                let (found, expected) = (size(&self.0), size(shape));
                assert_eq!(found, expected, "{:?} does not reshape to {shape:?}", self.0);
                Self::new(shape)
            }
            fn permute(&self, axes: &[usize]) -> Self {
                let mut sorted = axes.to_vec();
                sorted.sort_unstable();
                let all: Vec<usize> = (0..self.0.len()).collect();
                assert_eq!(sorted, all, "axes {axes:?} of {:?}", self.0);
                Self(axes.iter().map(|&axis| self.0[axis]).collect())
            }
        }
    };
}

signal! {
    /// Currents, membranes, logits.
    Real
}
signal! {
    /// Spikes.
    Spikes
}
signal! {
    /// Counts.
    Counts
}

impl Backend for Outline {
    type Real = Real;
    type Spikes = Spikes;
    type Counts = Counts;
    type Param = Vec<usize>;
    type Synapse = Map;
    type Coder = ();

    fn name(&self) -> String {
        "outline".into()
    }

    fn real(&self, values: &ArrayD<f32>) -> Real {
        Real::new(values.shape())
    }

    fn spikes(&self, values: &tensor::Spikes) -> Spikes {
        Spikes::new(values.shape())
    }

    fn counts(&self, values: &tensor::Counts) -> Counts {
        Counts::new(values.shape())
    }

    fn read(&self, x: Input<'_, Self>) -> ArrayD<f64> {
        ArrayD::zeros(x.shape())
    }

    fn activity(&self, x: Input<'_, Self>) -> Vec<Activity> {
        let shape = x.shape();
        let elements = size(&shape[1..]) as f64;
        vec![Activity { elements, ..Activity::default() }; shape[0]]
    }

    fn param(&self, _name: &str, value: &Tensor) -> Vec<usize> {
        value.shape().to_vec()
    }

    fn embed(&self, table: &Vec<usize>, rows: &ArrayD<usize>) -> Real {
        Real([rows.shape(), &table[1..]].concat())
    }

    fn compare(&self, x: Input<'_, Self>, table: &Vec<usize>, _scale: f64) -> Real {
        let mut shape = x.shape();
        let channels = shape.pop();
        assert_eq!(channels, Some(table[1]), "channels of {shape:?} beside a table {table:?}");
        shape.push(table[0]);
        Real(shape)
    }

    fn rounded(&self, table: &Vec<usize>, _bits: u32) -> Vec<usize> {
        table.clone()
    }

    fn coder(&self, _parts: &CoderParts) {}

    fn synapse(&self, parts: &SynapseParts) -> Map {
        for pair in parts.stages.windows(2) {
            assert_eq!(pair[0].map.outputs(), pair[1].map.inputs(), "stages of {}", parts.name);
        }
        parts.map
    }

    fn current(&self, synapse: &Map, x: Input<'_, Self>, repeats: usize, _mode: Mode) -> Real {
        let mut shape = synapse.output_shape(&x.shape());
        shape[0] *= repeats;
        Real(shape)
    }

    fn fire(
        &self,
        _neuron: &Neuron,
        _leak: Option<&Vec<usize>>,
        x: &Real,
        v: Option<&Real>,
    ) -> (Spikes, Real) {
        let membrane = Real::new(&x.0[1..]);
        assert!(v.is_none_or(|v| *v == membrane), "membranes {v:?} for currents {x:?}");
        (Spikes(x.0.clone()), membrane)
    }

    fn quantize(&self, _neuron: &IntegerNeuron, x: &Real) -> Counts {
        Counts(x.0.clone())
    }

    fn code(&self, _coder: &(), x: &Real, _mode: Mode) -> (Counts, Spikes) {
        (Counts(x.0.clone()), Spikes(x.0.clone()))
    }

    fn max_pool(&self, x: &Spikes, window: Window) -> Spikes {
        Spikes(pooled(&x.0, window))
    }

    fn mask(&self, a: &Spikes, b: &Spikes) -> Spikes {
        assert!(repeats_to(&b.0, &a.0), "{b:?} does not repeat to {a:?}");
        a.clone()
    }

    fn complement(&self, x: &Spikes) -> Spikes {
        x.clone()
    }

    fn widen(&self, x: &Spikes) -> Counts {
        Counts(x.0.clone())
    }

    fn add(&self, a: &Counts, b: &Spikes) -> Counts {
        assert_eq!(a.0, b.0, "terms of a sum");
        a.clone()
    }

    fn sum_axis(&self, x: &Counts, axis: usize) -> Counts {
        let mut shape = x.0.clone();
        shape[axis] = 1;
        Counts(shape)
    }

    fn matmul(&self, a: &Counts, b: &Counts) -> Counts {
        Counts(product(&a.0, &b.0))
    }

    fn scale(&self, x: &Counts, _by: f64) -> Real {
        Real(x.0.clone())
    }

    fn matmul_real(&self, a: &Counts, b: &Real) -> Real {
        Real(product(&a.0, &b.0))
    }

    fn scale_real(&self, x: &Real, _by: f64) -> Real {
        x.clone()
    }

    fn add_real(&self, a: &Real, b: &Real) -> Real {
        assert_eq!(a.0, b.0, "terms of a sum");
        a.clone()
    }

    fn scale_learned(&self, x: &Real, factor: &Vec<usize>, _activation: Activation) -> Real {
        let last = x.0.len().saturating_sub(factor.len());
        assert!(repeats_to(factor, &x.0[last..]), "factors {factor:?} for {x:?}");
        x.clone()
    }

    fn max_pool_real(&self, x: &Real, window: Window) -> Real {
        Real(pooled(&x.0, window))
    }

    fn response_pool(&self, x: &Real, window: Window, _response: Response) -> Real {
        Real(pooled(&x.0, window))
    }

    fn mean_positions(&self, x: &Real) -> Real {
        Real(vec![x.0[0], x.0[1], x.0[x.0.len() - 1]])
    }

    fn mean_time(&self, x: &Real) -> Real {
        Real::new(&x.0[1..])
    }
}

fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Whether axes of length 1 of `from` can be repeated to give `to`.
fn repeats_to(from: &[usize], to: &[usize]) -> bool {
    from.len() == to.len() && from.iter().zip(to).all(|(&from, &to)| from == 1 || from == to)
}

fn pooled(x: &[usize], window: Window) -> Vec<usize> {
    let [t, b, height, width, channels] = *x else {
        panic!("pooling takes [T, B, H, W, C], found {x:?}")
    };
    vec![t, b, window.outputs(height), window.outputs(width), channels]
}

fn product(a: &[usize], b: &[usize]) -> Vec<usize> {
    let ([outer_a @ .., n, inner_a], [outer_b @ .., inner_b, p]) = (a, b) else {
        panic!("a product of matrices takes two axes or more, found {a:?} and {b:?}")
    };
    assert!(inner_a == inner_b && outer_a == outer_b, "matrices {a:?} do not multiply {b:?}");
    [outer_a, &[*n, *p]].concat()
}
