//! Integer neurons as spikes: the spike firing approximation (SFA).
//!
//! A network is trained with levels `0..=D` and runs on spikes: level `n` is
//! `n` spikes over `D` virtual steps, and the next synapse averages what it
//! makes of them. Source: Yao et al., *Scaling Spike-driven Transformer with
//! Efficient Spike Firing Approximation Training*, TPAMI 2025.

use ndarray::ArrayD;

use crate::{
    backend::{Activation, Activity, Backend, CoderParts, Input, Mode, Signal, SynapseParts},
    map::{Response, Window},
    neuron::{IntegerNeuron, Neuron, Reset},
    tensor,
    weights::Tensor,
};

/// The spikes that `levels` stand for, `[D, ...]`: level `n` spikes in the first
/// `n` of the `steps` virtual steps.
///
/// They are those of an integrate-and-fire neuron with soft reset whose
/// membrane starts at the level, and that hears nothing more.
pub fn unfold<B: Backend>(backend: &B, levels: &B::Counts, steps: u32) -> B::Spikes {
    let neuron = Neuron { reset: Reset::Soft, ..Neuron::integrate_and_fire() };
    let silence = ArrayD::zeros([&[steps as usize], &levels.shape()[..]].concat());
    let membrane = backend.scale(levels, 1.0);
    backend.fire(&neuron, None, &backend.real(&silence), Some(&membrane)).0
}

/// The levels that unfold to `spikes`, `[D, ...]`.
pub fn fold<B: Backend>(backend: &B, spikes: &B::Spikes) -> B::Counts {
    backend.sum_axis(&backend.widen(spikes), 0).reshape(&spikes.shape()[1..])
}

/// Runs networks of integer neurons as networks of spikes, on another backend:
/// what passes from an integer neuron to a synapse are the spikes of `D`
/// virtual steps, and every synapse computes at every step.
///
/// Levels are the same as in the integer network wherever sums of floats are.
/// It evaluates only: statistics of virtual steps are not those of levels.
///
/// # Panics
/// Synapses that read spikes of virtual steps do not run in [`Mode::Train`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Unfolded<B> {
    backend: B,
}

impl<B> Unfolded<B> {
    /// Runs on `backend`.
    pub const fn new(backend: B) -> Self {
        Self { backend }
    }

    /// The backend below.
    pub const fn below(&self) -> &B {
        &self.backend
    }
}

/// Currents, membranes, logits of the backend below.
pub struct Real<B: Backend>(B::Real);

/// Spikes of the backend below.
pub struct Spikes<B: Backend>(B::Spikes);

/// Counts of an [`Unfolded`] network.
pub enum Counts<B: Backend> {
    /// Levels, as their spikes `[D, T, ...]`.
    Steps(B::Spikes),
    /// Any other sum of spikes.
    Sums(B::Counts),
}

impl<B: Backend> Counts<B> {
    fn sums(&self, backend: &B) -> B::Counts {
        match self {
            Self::Steps(spikes) => fold(backend, spikes),
            Self::Sums(counts) => counts.clone(),
        }
    }
}

/// A synapse, and over how many virtual steps it averages.
pub struct Synapse<B: Backend> {
    prepared: B::Synapse,
    steps: Option<u32>,
}

macro_rules! signal {
    ($name:ident) => {
        impl<B: Backend> $name<B> {
            /// What the backend below computed.
            pub const fn new(below: B::$name) -> Self {
                Self(below)
            }

            /// As the backend below knows it.
            pub const fn below(&self) -> &B::$name {
                &self.0
            }
        }

        impl<B: Backend> Clone for $name<B> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }

        impl<B: Backend> Signal<Unfolded<B>> for $name<B> {
            fn input(&self) -> Input<'_, Unfolded<B>> {
                Input::$name(self)
            }
            fn shape(&self) -> Vec<usize> {
                self.0.shape()
            }
            fn reshape(&self, shape: &[usize]) -> Self {
                Self(self.0.reshape(shape))
            }
            fn permute(&self, axes: &[usize]) -> Self {
                Self(self.0.permute(axes))
            }
        }
    };
}

signal!(Real);
signal!(Spikes);

impl<B: Backend> Clone for Counts<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Steps(spikes) => Self::Steps(spikes.clone()),
            Self::Sums(counts) => Self::Sums(counts.clone()),
        }
    }
}

impl<B: Backend> Signal<Unfolded<B>> for Counts<B> {
    fn input(&self) -> Input<'_, Unfolded<B>> {
        Input::Counts(self)
    }

    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Steps(spikes) => spikes.shape()[1..].to_vec(),
            Self::Sums(counts) => counts.shape(),
        }
    }

    fn reshape(&self, shape: &[usize]) -> Self {
        match self {
            Self::Steps(spikes) => {
                Self::Steps(spikes.reshape(&[&spikes.shape()[..1], shape].concat()))
            }
            Self::Sums(counts) => Self::Sums(counts.reshape(shape)),
        }
    }

    fn permute(&self, axes: &[usize]) -> Self {
        match self {
            Self::Steps(spikes) => {
                let behind = axes.iter().map(|axis| axis + 1);
                let axes: Vec<usize> = std::iter::once(0).chain(behind).collect();
                Self::Steps(spikes.permute(&axes))
            }
            Self::Sums(counts) => Self::Sums(counts.permute(axes)),
        }
    }
}

impl<B: Backend> Backend for Unfolded<B> {
    type Real = Real<B>;
    type Spikes = Spikes<B>;
    type Counts = Counts<B>;
    type Param = B::Param;
    type Synapse = Synapse<B>;
    type Coder = B::Coder;

    fn name(&self) -> String {
        format!("{}-unfolded", self.backend.name())
    }

    fn real(&self, values: &ArrayD<f32>) -> Real<B> {
        Real(self.backend.real(values))
    }

    fn spikes(&self, values: &tensor::Spikes) -> Spikes<B> {
        Spikes(self.backend.spikes(values))
    }

    fn counts(&self, values: &tensor::Counts) -> Counts<B> {
        Counts::Sums(self.backend.counts(values))
    }

    fn read(&self, x: Input<'_, Self>) -> ArrayD<f64> {
        match x {
            Input::Real(x) => self.backend.read(x.0.input()),
            Input::Spikes(x) => self.backend.read(x.0.input()),
            Input::Counts(x) => self.backend.read(x.sums(&self.backend).input()),
        }
    }

    fn activity(&self, x: Input<'_, Self>) -> Vec<Activity> {
        match x {
            Input::Real(x) => self.backend.activity(x.0.input()),
            Input::Spikes(x) => self.backend.activity(x.0.input()),
            Input::Counts(x) => self.backend.activity(x.sums(&self.backend).input()),
        }
    }

    fn param(&self, name: &str, value: &Tensor) -> B::Param {
        self.backend.param(name, value)
    }

    fn keep(&self, name: &str, value: &Tensor) {
        self.backend.keep(name, value);
    }

    fn embed(&self, table: &B::Param, rows: &ArrayD<usize>) -> Real<B> {
        Real(self.backend.embed(table, rows))
    }

    fn compare(&self, x: Input<'_, Self>, table: &B::Param, scale: f64) -> Real<B> {
        let compare = |x| self.backend.compare(x, table, scale);
        Real(match x {
            Input::Real(x) => compare(x.0.input()),
            Input::Spikes(x) => compare(x.0.input()),
            Input::Counts(Counts::Sums(x)) => compare(x.input()),
            Input::Counts(Counts::Steps(x)) => {
                let steps = x.shape()[0] as f64;
                let mean = self.backend.mean_time(&compare(x.input()));
                self.backend.scale_real(&mean, steps)
            }
        })
    }

    fn rounded(&self, table: &B::Param, bits: u32) -> B::Param {
        self.backend.rounded(table, bits)
    }

    fn coder(&self, parts: &CoderParts) -> B::Coder {
        self.backend.coder(parts)
    }

    fn synapse(&self, parts: &SynapseParts) -> Synapse<B> {
        // A mean over D steps of spikes worth `D unit` each is a level times its unit.
        let spike =
            |n: IntegerNeuron| IntegerNeuron { levels: 1, unit: n.unit * f64::from(n.levels), ..n };
        let steps = parts.reads.map(|neuron| neuron.levels);
        let parts = SynapseParts { reads: parts.reads.map(spike), ..parts.clone() };
        Synapse { prepared: self.backend.synapse(&parts), steps }
    }

    fn current(
        &self,
        synapse: &Synapse<B>,
        x: Input<'_, Self>,
        repeats: usize,
        mode: Mode,
    ) -> Real<B> {
        let Synapse { prepared, steps } = synapse;
        let current = |x| self.backend.current(prepared, x, repeats, mode);
        Real(match x {
            Input::Real(x) => current(x.0.input()),
            Input::Spikes(x) => current(x.0.input()),
            Input::Counts(Counts::Sums(x)) => current(x.input()),
            Input::Counts(Counts::Steps(x)) => {
                assert_eq!((mode, repeats), (Mode::Eval, 1), "spikes of virtual steps evaluate");
                let shape = x.shape();
                let read = steps.map(|steps| steps as usize);
                assert_eq!(read, Some(shape[0]), "virtual steps that a synapse averages");
                let merged = [&[shape[0] * shape[1]], &shape[2..]].concat();
                let y = current(x.reshape(&merged).input());
                let split = [&shape[..2], &y.shape()[1..]].concat();
                self.backend.mean_time(&y.reshape(&split))
            }
        })
    }

    fn fire(
        &self,
        neuron: &Neuron,
        leak: Option<&B::Param>,
        x: &Real<B>,
        v: Option<&Real<B>>,
    ) -> (Spikes<B>, Real<B>) {
        let (spikes, v) = self.backend.fire(neuron, leak, &x.0, v.map(|v| &v.0));
        (Spikes(spikes), Real(v))
    }

    fn quantize(&self, neuron: &IntegerNeuron, x: &Real<B>) -> Counts<B> {
        let levels = self.backend.quantize(neuron, &x.0);
        Counts::Steps(unfold(&self.backend, &levels, neuron.levels))
    }

    /// A code in time already is spikes; its levels stay sums.
    fn code(&self, coder: &B::Coder, x: &Real<B>, mode: Mode) -> (Counts<B>, Spikes<B>) {
        let (levels, spikes) = self.backend.code(coder, &x.0, mode);
        (Counts::Sums(levels), Spikes(spikes))
    }

    fn max_pool(&self, x: &Spikes<B>, window: Window) -> Spikes<B> {
        Spikes(self.backend.max_pool(&x.0, window))
    }

    fn mask(&self, a: &Spikes<B>, b: &Spikes<B>) -> Spikes<B> {
        Spikes(self.backend.mask(&a.0, &b.0))
    }

    fn complement(&self, x: &Spikes<B>) -> Spikes<B> {
        Spikes(self.backend.complement(&x.0))
    }

    fn widen(&self, x: &Spikes<B>) -> Counts<B> {
        Counts::Sums(self.backend.widen(&x.0))
    }

    fn add(&self, a: &Counts<B>, b: &Spikes<B>) -> Counts<B> {
        Counts::Sums(self.backend.add(&a.sums(&self.backend), &b.0))
    }

    fn sum_axis(&self, x: &Counts<B>, axis: usize) -> Counts<B> {
        Counts::Sums(self.backend.sum_axis(&x.sums(&self.backend), axis))
    }

    fn matmul(&self, a: &Counts<B>, b: &Counts<B>) -> Counts<B> {
        let [a, b] = [a, b].map(|x| x.sums(&self.backend));
        Counts::Sums(self.backend.matmul(&a, &b))
    }

    fn scale(&self, x: &Counts<B>, by: f64) -> Real<B> {
        Real(self.backend.scale(&x.sums(&self.backend), by))
    }

    fn matmul_real(&self, a: &Counts<B>, b: &Real<B>) -> Real<B> {
        Real(self.backend.matmul_real(&a.sums(&self.backend), &b.0))
    }

    fn scale_real(&self, x: &Real<B>, by: f64) -> Real<B> {
        Real(self.backend.scale_real(&x.0, by))
    }

    fn add_real(&self, a: &Real<B>, b: &Real<B>) -> Real<B> {
        Real(self.backend.add_real(&a.0, &b.0))
    }

    fn scale_learned(&self, x: &Real<B>, factor: &B::Param, activation: Activation) -> Real<B> {
        Real(self.backend.scale_learned(&x.0, factor, activation))
    }

    fn max_pool_real(&self, x: &Real<B>, window: Window) -> Real<B> {
        Real(self.backend.max_pool_real(&x.0, window))
    }

    fn response_pool(&self, x: &Real<B>, window: Window, response: Response) -> Real<B> {
        Real(self.backend.response_pool(&x.0, window, response))
    }

    fn mean_positions(&self, x: &Real<B>) -> Real<B> {
        Real(self.backend.mean_positions(&x.0))
    }

    fn mean_time(&self, x: &Real<B>) -> Real<B> {
        Real(self.backend.mean_time(&x.0))
    }
}
