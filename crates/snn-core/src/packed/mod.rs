//! The engine: spiking networks on an ordinary CPU, from bits.
//!
//! A layer's input is packed spikes or small counts, its output packed spikes:
//! synapse, BatchNorm and neuron are one pass over blocks of 64 rows, and the
//! current is never written to memory.
//!
//! - Spikes meet weights by table lookup: four spikes of a row are a nibble
//!   that selects one of sixteen precomputed sums, for 64 rows at once.
//! - Counts of few bits are looked up bit by bit; others meet weights as integers.
//! - Where spikes are rare, each adds a row of weights: silence costs nothing. Without vector
//!   instructions this is done everywhere; where spikes are many, those of four channels add one sum
//!   of rows.
//! - Where the CPU has matrix registers (AMX), spikes and counts meet weights there, as bytes.
//! - Real numbers, such as an image, meet weights in 64-bit floats.
//! - Tables and weights have so many bytes as the [`Precision`] says. In
//!   [`Precision::Exact`] every one comes with a bound on its error; a neuron
//!   whose membrane comes nearer to its threshold than the bound is worked out
//!   again in 64-bit floats. Every spike is then that of the network in 64-bit
//!   floats.
//! - Integer neurons and masked time-to-first-spike codes round currents to
//!   levels, which are small counts; they are certified in the same way, near
//!   the borders of two levels.
//! - Work is claimed in tiles of rows and channels; the result does not depend
//!   on the number of threads.
//!
//! What has no kernel (grouped convolutions) is computed as the
//! [`Reference`] does, in 64-bit floats.

mod attention;
mod events;
mod fire;
mod image;
mod isa;
mod kernel;
mod layout;
mod levels;
mod matrices;
mod panel;
mod plan;
mod real;
mod rough;
mod sink;
mod source;
mod spans;
mod spikes;
mod synapse;
mod tables;
mod weights;

use std::sync::Arc;

use ndarray::ArrayD;

pub use isa::{Isa, Level, VARIABLE as ISA_VARIABLE};
pub use layout::{Counts, Spikes};
pub use real::Real;
pub use synapse::PackedSynapse;

use attention::Attention;
use layout::CountForm;
use levels::Staircase;
use real::Kind;
use source::Source;

use crate::{
    backend::{Activation, Activity, Backend, CoderParts, Input, Mode, Signal, SynapseParts},
    encode::ttfs::MaskedTtfs,
    map::{Response, Window},
    neuron::{IntegerNeuron, Neuron},
    reference::Reference,
    tensor,
    weights::Tensor,
};

type Oracle = Reference<f64>;

const ORACLE: Oracle = Oracle::new();

/// What the engine promises of its spikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Every spike is that of the network computed in 64-bit floats, up to the
    /// rounding of those themselves.
    #[default]
    Exact,
    /// Currents as near as 32-bit floats bring them: tables or weights of three bytes.
    F32,
    /// Tables or weights of two bytes, or more where they are added event by event. A spike in a
    /// few ten thousand may flip.
    I16,
    /// Tables or weights of one byte. A spike in a few hundred may flip.
    I8,
}

impl Precision {
    /// Every precision, the most careful first.
    pub const ALL: [Self; 4] = [Self::Exact, Self::F32, Self::I16, Self::I8];

    /// Name, as commands and reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::F32 => "f32",
            Self::I16 => "i16",
            Self::I8 => "i8",
        }
    }

    /// Bytes of a table entry or weight, where the current goes straight into a
    /// neuron.
    const fn digits(self) -> usize {
        match self {
            Self::F32 => 3,
            Self::Exact | Self::I16 => 2,
            Self::I8 => 1,
        }
    }

    /// The same, where the current is added to a stream. There errors add up,
    /// and a neuron in doubt takes all that was added to be worked out again: the
    /// third byte costs less.
    const fn stream_digits(self) -> usize {
        match self {
            Self::Exact => 3,
            _ => self.digits(),
        }
    }
}

/// Runs networks from packed bits. It evaluates; it does not train.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    isa: Isa,
    precision: Precision,
}

impl Packed {
    /// The engine on the best instructions of this CPU.
    pub fn new(precision: Precision) -> Self {
        Self::with_isa(precision, Isa::best())
    }

    /// The engine on instructions of choice.
    pub const fn with_isa(precision: Precision, isa: Isa) -> Self {
        Self { isa, precision }
    }

    /// Brings numbers in, exactly; any shape.
    pub fn real_f64(&self, values: ArrayD<f64>) -> Real {
        Real::given(values)
    }

    /// What it promises.
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// `scale Q (K^T V)` per time step, sample and head, from bits; `None` where
    /// there is no kernel: for counts above one, unequal shapes, heads that are
    /// not whole groups of four channels or wider than 256, or more than 65,535
    /// tokens.
    ///
    /// `q`, `k`, `v`: `[T, B, positions..., C]`. Gives currents of that shape.
    pub fn linear_attention(
        &self,
        [q, k, v]: [&Counts; 3],
        heads: usize,
        scale: f64,
    ) -> Option<Real> {
        let (CountForm::Bits(q), CountForm::Bits(k), CountForm::Bits(v)) =
            (&q.form, &k.form, &v.form)
        else {
            return None;
        };
        let spikes = [q, k, v];
        attention::fits(spikes, heads).then(|| {
            let attention = Attention::new(self.isa, spikes, heads, scale);
            Real::new(attention.geometry().shape.clone(), Kind::Attention(attention))
        })
    }

    /// Works out numbers that are put off until somebody asks, if `x` is the product of
    /// an attention: it then is in memory, in the layout of this engine.
    pub fn store(&self, x: &Real) {
        if let Kind::Attention(attention) = &x.0.kind {
            attention.store();
        }
    }

    /// Its instructions.
    pub const fn isa(&self) -> Isa {
        self.isa
    }
}

impl Default for Packed {
    fn default() -> Self {
        Self::new(Precision::default())
    }
}

impl Backend for Packed {
    type Real = Real;
    type Spikes = Spikes;
    type Counts = Counts;
    type Param = ArrayD<f64>;
    type Synapse = Arc<PackedSynapse>;
    type Coder = MaskedTtfs;

    fn name(&self) -> String {
        format!("packed-{}", self.precision.name())
    }

    fn real(&self, values: &ArrayD<f32>) -> Real {
        Real::new(values.shape().to_vec(), Kind::Single(values.clone()))
    }

    fn spikes(&self, values: &tensor::Spikes) -> Spikes {
        Spikes::pack(values)
    }

    fn counts(&self, values: &tensor::Counts) -> Counts {
        Counts::pack(values)
    }

    fn read(&self, x: Input<'_, Self>) -> ArrayD<f64> {
        match x {
            Input::Real(x) => x.exact().clone(),
            Input::Spikes(x) => x.unpack().mapv(f64::from),
            Input::Counts(x) => x.unpack().mapv(f64::from),
        }
    }

    fn activity(&self, x: Input<'_, Self>) -> Vec<Activity> {
        match x {
            Input::Real(x) => ORACLE.activity(x.exact().input()),
            Input::Spikes(x) => {
                let elements = (x.geometry.rows * x.geometry.channels) as f64;
                let step = |sum| Activity { elements, nonzero: sum, sum };
                Self::busy(x).into_iter().map(step).collect()
            }
            Input::Counts(Counts { form: CountForm::Bits(x), .. }) => {
                self.activity(Input::Spikes(x))
            }
            Input::Counts(x) => ORACLE.activity(Signal::<Oracle>::input(&x.unpack())),
        }
    }

    fn param(&self, _name: &str, value: &Tensor) -> ArrayD<f64> {
        value.to_f32().mapv(f64::from)
    }

    fn embed(&self, table: &ArrayD<f64>, rows: &ArrayD<usize>) -> Real {
        Real::given(ORACLE.embed(table, rows))
    }

    fn compare(&self, x: Input<'_, Self>, table: &ArrayD<f64>, scale: f64) -> Real {
        let values = match x {
            Input::Real(x) => x.exact().clone(),
            Input::Spikes(x) => x.unpack().mapv(f64::from),
            Input::Counts(x) => x.unpack().mapv(f64::from),
        };
        Real::given(ORACLE.compare(Input::Real(&values), table, scale))
    }

    fn rounded(&self, table: &ArrayD<f64>, bits: u32) -> ArrayD<f64> {
        ORACLE.rounded(table, bits)
    }

    fn synapse(&self, parts: &SynapseParts) -> Arc<PackedSynapse> {
        Arc::new(PackedSynapse::new(parts))
    }

    fn coder(&self, parts: &CoderParts) -> MaskedTtfs {
        ORACLE.coder(parts)
    }

    /// # Panics
    /// In [`Mode::Train`]: this backend only evaluates.
    fn current(
        &self,
        synapse: &Arc<PackedSynapse>,
        x: Input<'_, Self>,
        repeats: usize,
        mode: Mode,
    ) -> Real {
        assert_eq!(mode, Mode::Eval, "the packed backend evaluates, it does not train");
        let source = match x {
            Input::Real(x) => Source::Real(x.clone()),
            Input::Spikes(x) => Source::Spikes(x.clone()),
            Input::Counts(x) => Source::Counts(x.clone()),
        };
        fire::current(synapse, source, repeats)
    }

    fn fire(
        &self,
        neuron: &Neuron,
        leak: Option<&ArrayD<f64>>,
        x: &Real,
        v: Option<&Real>,
    ) -> (Spikes, Real) {
        let w = leak.and_then(|w| w.first().copied());
        let spikes = match v {
            None => fire::fire(self, neuron, w, x),
            Some(v) => Spikes::pack(&ORACLE.fire(neuron, leak, x.exact(), Some(v.exact())).0),
        };
        let (current, start) = (x.clone(), v.cloned());
        let membrane = Kind::Membrane { neuron: *neuron, leak: w, current, start };
        (spikes, Real::new(x.0.shape[1..].to_vec(), membrane))
    }

    fn quantize(&self, neuron: &IntegerNeuron, x: &Real) -> Counts {
        levels::levels(self, x, Staircase::Neuron(neuron))
            .unwrap_or_else(|| Counts::pack(&ORACLE.quantize(neuron, x.exact())))
    }

    fn code(&self, coder: &MaskedTtfs, x: &Real, mode: Mode) -> (Counts, Spikes) {
        if let Some(levels) = levels::levels(self, x, Staircase::Code(coder))
            && let Some(spikes) = levels::spikes(&levels, coder)
        {
            return (levels, spikes);
        }
        let (levels, spikes) = ORACLE.code(coder, x.exact(), mode);
        (Counts::pack(&levels), Spikes::pack(&spikes))
    }

    fn max_pool(&self, x: &Spikes, window: Window) -> Spikes {
        spikes::max_pool(x, window)
    }

    fn mask(&self, a: &Spikes, b: &Spikes) -> Spikes {
        spikes::mask(a, b).unwrap_or_else(|| Spikes::pack(&ORACLE.mask(&a.unpack(), &b.unpack())))
    }

    fn complement(&self, x: &Spikes) -> Spikes {
        Spikes::pack(&ORACLE.complement(&x.unpack()))
    }

    fn widen(&self, x: &Spikes) -> Counts {
        Counts { max: 1, form: CountForm::Bits(x.clone()) }
    }

    fn add(&self, a: &Counts, b: &Spikes) -> Counts {
        spikes::add(a, b).unwrap_or_else(|| Counts::pack(&ORACLE.add(&a.unpack(), &b.unpack())))
    }

    fn sum_axis(&self, x: &Counts, axis: usize) -> Counts {
        Counts::pack(&ORACLE.sum_axis(&x.unpack(), axis))
    }

    fn matmul(&self, a: &Counts, b: &Counts) -> Counts {
        Counts::pack(&ORACLE.matmul(&a.unpack(), &b.unpack()))
    }

    fn scale(&self, x: &Counts, by: f64) -> Real {
        Real::new(x.shape().to_vec(), Kind::Scaled(x.clone(), by))
    }

    fn matmul_real(&self, a: &Counts, b: &Real) -> Real {
        Real::given(ORACLE.matmul_real(&a.unpack(), b.exact()))
    }

    fn scale_real(&self, x: &Real, by: f64) -> Real {
        Real::given(ORACLE.scale_real(x.exact(), by))
    }

    fn add_real(&self, a: &Real, b: &Real) -> Real {
        let shape = a.0.shape.clone();
        assert_eq!(shape, b.0.shape, "a shortcut adds equal shapes");
        Real::new(shape, Kind::Sum(a.clone(), b.clone()))
    }

    fn scale_learned(&self, x: &Real, factor: &ArrayD<f64>, activation: Activation) -> Real {
        Real::given(ORACLE.scale_learned(x.exact(), factor, activation))
    }

    fn max_pool_real(&self, x: &Real, window: Window) -> Real {
        let mut shape = x.0.shape.clone();
        shape[2] = window.outputs(shape[2]);
        shape[3] = window.outputs(shape[3]);
        Real::new(shape, Kind::Pool(x.clone(), window))
    }

    fn response_pool(&self, x: &Real, window: Window, response: Response) -> Real {
        Real::given(ORACLE.response_pool(x.exact(), window, response))
    }

    fn mean_positions(&self, x: &Real) -> Real {
        let shape = &x.0.shape;
        let shape = vec![shape[0], shape[1], shape[shape.len() - 1]];
        Real::new(shape, Kind::Mean(x.clone()))
    }

    fn mean_time(&self, x: &Real) -> Real {
        Real::given(ORACLE.mean_time(x.exact()))
    }
}
