//! What a backend is: what its tensors are and how the operations run.

use ndarray::ArrayD;

use crate::{
    encode::ttfs::{MaskedTtfs, Quantizer, TtfsError},
    map::{Map, Response, Window},
    neuron::{IntegerNeuron, Neuron},
    quant::LogCode,
    tensor,
    weights::{BatchNorm, Tensor},
};

/// Runs the operations of spiking transformers on tensors of its own.
///
/// A system is written once, generic over this trait. Axes are
/// `[T, B, positions..., C]`. The three tensor types are what makes a network
/// spike-driven in the eyes of the compiler: only [`Backend::fire`] leads from
/// `Real` to `Spikes` (and [`Backend::quantize`] to `Counts`), and adding
/// spikes honestly gives `Counts`.
///
/// # Panics
/// Operations panic on shapes that do not fit: a model checks its
/// configuration and its weights before any of them runs.
pub trait Backend: Sized {
    /// Membranes, currents, logits.
    type Real: Signal<Self>;
    /// Zeros and ones.
    type Spikes: Signal<Self>;
    /// Sums of spikes, levels of integer neurons.
    type Counts: Signal<Self>;
    /// A learnable tensor that stands alone.
    type Param;
    /// Weighted maps with their BatchNorms, prepared for this backend.
    type Synapse;
    /// A masked time-to-first-spike code, prepared for this backend.
    type Coder;

    /// Name and precision, as reports print it: `reference-f64`.
    fn name(&self) -> String;

    // Borders.

    /// Brings numbers in; any shape.
    fn real(&self, values: &ArrayD<f32>) -> Self::Real;
    /// Brings spikes in; any shape.
    fn spikes(&self, values: &tensor::Spikes) -> Self::Spikes;
    /// Brings counts in; any shape.
    fn counts(&self, values: &tensor::Counts) -> Self::Counts;
    /// Copies any tensor out, every value exactly.
    fn read(&self, x: Input<'_, Self>) -> ArrayD<f64>;
    /// How busy a tensor `[T, ...]` is, step by step.
    fn activity(&self, x: Input<'_, Self>) -> Vec<Activity>;

    // Learnable parts. `name` is the published tensor name.

    /// Keeps one learnable tensor.
    fn param(&self, name: &str, value: &Tensor) -> Self::Param;
    /// Keeps a tensor that published files carry and no computation reads, so
    /// that what is saved later is complete.
    fn keep(&self, _name: &str, _value: &Tensor) {}
    /// Rows of a table `[rows, C]`: numbers of rows of any shape give `[..., C]`.
    fn embed(&self, table: &Self::Param, rows: &ArrayD<usize>) -> Self::Real;
    /// `scale x table^T`, `[..., C]` to `[..., rows]`: compares `x` with every row.
    fn compare(&self, x: Input<'_, Self>, table: &Self::Param, scale: f64) -> Self::Real;
    /// The table with every row on the grid of so many bits, `round(w / s) s` with
    /// `s = max |row| / (2^(bits-1) - 1)`, ties to even. Backwards it is the identity.
    fn rounded(&self, table: &Self::Param, bits: u32) -> Self::Param;
    /// Prepares a synapse for use.
    fn synapse(&self, parts: &SynapseParts) -> Self::Synapse;
    /// Prepares a code for use.
    fn coder(&self, parts: &CoderParts) -> Self::Coder;

    // From signals to currents and back.

    /// The current that a synapse makes of `x`, shape as
    /// [`Map::output_shape`]. In [`Mode::Train`] its BatchNorm uses the
    /// statistics of this input.
    ///
    /// `repeats` says that `x` stands for that many equal time steps (a static
    /// image): the current is computed once and repeated along time, and
    /// batch statistics count every repetition.
    fn current(
        &self,
        synapse: &Self::Synapse,
        x: Input<'_, Self>,
        repeats: usize,
        mode: Mode,
    ) -> Self::Real;
    /// Runs a neuron over all steps of `x` (`[T, ...]`) from membrane `v`
    /// (`[...]`, at rest if `None`). `leak` is the learned `w` of a PLIF, a
    /// tensor of one element. Gives the spikes and the last membrane.
    fn fire(
        &self,
        neuron: &Neuron,
        leak: Option<&Self::Param>,
        x: &Self::Real,
        v: Option<&Self::Real>,
    ) -> (Self::Spikes, Self::Real);
    /// The level of an integer neuron, element by element.
    fn quantize(&self, neuron: &IntegerNeuron, x: &Self::Real) -> Self::Counts;

    /// The levels of a masked time-to-first-spike code, element by element, after its dead zone;
    /// and who spikes, once in its window. A backend that trains calibrates the code in its first
    /// pass in [`Mode::Train`].
    fn code(&self, coder: &Self::Coder, x: &Self::Real, mode: Mode)
    -> (Self::Counts, Self::Spikes);

    // On spikes.

    /// Max-pooling of `[T, B, H, W, C]`: on spikes, OR.
    fn max_pool(&self, x: &Self::Spikes, window: Window) -> Self::Spikes;
    /// Both spike. Axes of length 1 of `b` are repeated.
    fn mask(&self, a: &Self::Spikes, b: &Self::Spikes) -> Self::Spikes;
    /// Silence becomes a spike, a spike silence.
    fn complement(&self, x: &Self::Spikes) -> Self::Spikes;
    /// The spikes as counts of 0 or 1.
    fn widen(&self, x: &Self::Spikes) -> Self::Counts;

    // On counts.

    /// The residual of a spike-element-wise shortcut.
    fn add(&self, a: &Self::Counts, b: &Self::Spikes) -> Self::Counts;
    /// Sums one axis, which stays with length 1.
    fn sum_axis(&self, x: &Self::Counts, axis: usize) -> Self::Counts;
    /// `[..., n, m]` times `[..., m, p]`.
    fn matmul(&self, a: &Self::Counts, b: &Self::Counts) -> Self::Counts;
    /// Counts times a constant.
    fn scale(&self, x: &Self::Counts, by: f64) -> Self::Real;

    // On currents and membranes.

    /// `[..., n, m]` times `[..., m, p]`.
    fn matmul_real(&self, a: &Self::Counts, b: &Self::Real) -> Self::Real;
    /// Numbers times a constant.
    fn scale_real(&self, x: &Self::Real, by: f64) -> Self::Real;
    /// The residual of a membrane shortcut.
    fn add_real(&self, a: &Self::Real, b: &Self::Real) -> Self::Real;
    /// `x` times a learned `factor`, after `activation`. The shape of `factor`
    /// broadcasts against that of `x` from the last axis.
    fn scale_learned(
        &self,
        x: &Self::Real,
        factor: &Self::Param,
        activation: Activation,
    ) -> Self::Real;
    /// Max-pooling of `[T, B, H, W, C]`; padding is minus infinity.
    fn max_pool_real(&self, x: &Self::Real, window: Window) -> Self::Real;
    /// Adds up what each window of `[T, B, H, W, C]` sees.
    fn response_pool(&self, x: &Self::Real, window: Window, response: Response) -> Self::Real;
    /// `[T, B, positions..., C]` to `[T, B, C]`.
    fn mean_positions(&self, x: &Self::Real) -> Self::Real;
    /// `[T, ...]` to `[...]`.
    fn mean_time(&self, x: &Self::Real) -> Self::Real;
}

/// Whether BatchNorm uses stored statistics or those of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Stored statistics.
    Eval,
    /// Statistics of the input; a backend that trains also updates the stored.
    Train,
}

/// What is applied to a learned number before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `min(max(x, 0), 1)`.
    Clamp,
    /// `1 / ln(1 + exp(x))`: divides by a number that is learned and stays above zero.
    PerSoftplus,
}

/// What a synapse is made of: linear stages without a neuron between them. A
/// backend may fold them into one map.
#[derive(Clone, Debug)]
pub struct SynapseParts {
    /// Name for messages and reports.
    pub name: String,
    /// The map that all stages together are.
    pub map: Map,
    /// The integer neuron whose levels it reads, if it reads such.
    pub reads: Option<IntegerNeuron>,
    /// The stages, first to last; never empty.
    pub stages: Vec<StageParts>,
}

impl SynapseParts {
    /// What the input is multiplied by: the worth of one level.
    pub fn unit(&self) -> f64 {
        self.reads.map_or(1.0, |neuron| neuron.unit)
    }
}

/// One map with what follows it.
#[derive(Clone, Debug)]
pub struct StageParts {
    /// Published name of the weight, without `.weight`.
    pub name: String,
    /// What it computes.
    pub map: Map,
    /// Weight as published; reshapes to [`Map::weight_shape`].
    pub weight: std::sync::Arc<Tensor>,
    /// Quantiser of the weight.
    pub quantizer: Option<WeightQuantizer>,
    /// Bias `[outputs]`.
    pub bias: Option<std::sync::Arc<Tensor>>,
    /// BatchNorms over the outputs, applied one after the other.
    pub norms: Vec<BatchNorm>,
    /// Pixels added around the map, each with what the last BatchNorm makes of
    /// zero under its running statistics (after this pass updated them): a
    /// constant for the backward pass. So folding the stages is exact at the
    /// border too. Source: RepConv of Meta-SpikeFormer.
    pub border: usize,
}

/// How weights become few numbers.
#[derive(Clone, Debug)]
pub enum WeightQuantizer {
    /// Evenly spaced, with learned steps.
    Lsq(Lsq),
    /// Logarithmic, each row by its greatest weight. Backwards it is the identity.
    Log(LogCode),
}

/// What a masked time-to-first-spike code is made of; see [`crate::encode::ttfs`].
#[derive(Clone, Debug)]
pub struct CoderParts {
    /// Published name, without `.step`.
    pub name: String,
    /// What does not depend on the data.
    pub config: CoderConfig,
    /// Learned step `[]`; its sign means nothing.
    pub step: std::sync::Arc<Tensor>,
    /// Level of 0, `[]`.
    pub zero_point: std::sync::Arc<Tensor>,
    /// Mask level, `[]`.
    pub mask: std::sync::Arc<Tensor>,
    /// Training passes seen, `[]`: none means that the code is not calibrated.
    pub tracked: std::sync::Arc<Tensor>,
}

/// What a masked time-to-first-spike code does not learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoderConfig {
    /// Levels L.
    pub levels: u32,
    /// The dead zone in the end.
    pub dead_zone: u32,
    /// Training passes after which the dead zone grows by one, from 0 on; 0 has it whole from the
    /// start.
    pub widen_every: u64,
    /// Training passes after which the mask level is looked for again.
    pub refresh_every: u64,
}

impl CoderConfig {
    /// The dead zone after so many training passes.
    pub fn zone(&self, passes: u64) -> u32 {
        let widened = passes.checked_div(self.widen_every);
        widened.map_or(self.dead_zone, |zone| self.dead_zone.min(zone.min(u32::MAX.into()) as u32))
    }
}

impl CoderParts {
    /// The code as it now is.
    ///
    /// # Errors
    /// [`TtfsError`] for a number out of range.
    pub fn code(&self) -> Result<MaskedTtfs, TtfsError> {
        let number = |tensor: &Tensor| match tensor {
            Tensor::F32(x) => x.first().map_or(0, |&x| x as i64),
            Tensor::I64(x) => x.first().copied().unwrap_or(0),
        };
        let step = self.step.to_f32().first().map_or(0.0, |s| s.abs()).max(f32::MIN_POSITIVE);
        // What does not fit is far out of range.
        let zero_point = number(&self.zero_point).try_into().unwrap_or(i32::MIN);
        let mask = number(&self.mask).try_into().unwrap_or(u32::MAX);
        let quantizer = Quantizer::new(self.config.levels, step, zero_point)?;
        let passes = number(&self.tracked).max(0) as u64;
        MaskedTtfs::new(quantizer, mask, self.config.zone(passes))
    }
}

/// Learned step size quantisation of weights, per output channel:
/// `round(clamp(w / a, -2^(bits-1), 2^(bits-1) - 1)) a`, ties to even. Source:
/// Esser et al., ICLR 2020.
#[derive(Clone, Debug)]
pub struct Lsq {
    /// Published name of the step sizes.
    pub name: String,
    /// Step sizes `[outputs]`.
    pub alpha: std::sync::Arc<Tensor>,
    /// Bits of a weight.
    pub bits: u32,
}

impl Lsq {
    /// Least and greatest level.
    pub fn range(&self) -> (f64, f64) {
        Self::levels(self.bits)
    }

    /// The step that all outputs start from: `2 mean |w| / sqrt(greatest level)`.
    pub fn initial_step(weight: &Tensor, bits: u32) -> f64 {
        let weight = weight.to_f32();
        let sum: f64 = weight.iter().map(|&w| f64::from(w.abs())).sum();
        2.0 * sum / weight.len() as f64 / Self::levels(bits).1.sqrt()
    }

    fn levels(bits: u32) -> (f64, f64) {
        let half = 2f64.powi(bits as i32 - 1);
        (-half, half - 1.0)
    }
}

/// Any tensor of a backend, by reference.
pub enum Input<'a, B: Backend> {
    /// Multiplications.
    Real(&'a B::Real),
    /// Additions.
    Spikes(&'a B::Spikes),
    /// As many additions as the count says.
    Counts(&'a B::Counts),
}

impl<B: Backend> Input<'_, B> {
    /// Lengths of the axes.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Real(x) => x.shape(),
            Self::Spikes(x) => x.shape(),
            Self::Counts(x) => x.shape(),
        }
    }
}

impl<B: Backend> Clone for Input<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Input<'_, B> {}

/// A tensor of a backend: what it means, and its axes.
pub trait Signal<B: Backend>: Clone {
    /// This tensor with its meaning.
    fn input(&self) -> Input<'_, B>;
    /// Lengths of the axes.
    fn shape(&self) -> Vec<usize>;
    /// The same elements, row by row, in another shape.
    fn reshape(&self, shape: &[usize]) -> Self;
    /// Axis `i` of the result is axis `axes[i]` of this.
    fn permute(&self, axes: &[usize]) -> Self;
}

/// What happened in a tensor at one time step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Activity {
    /// Elements.
    pub elements: f64,
    /// Elements that are not zero.
    pub nonzero: f64,
    /// Sum of all elements: the spikes, if they are spikes or counts.
    pub sum: f64,
}
