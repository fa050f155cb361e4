//! Synapses, prepared for what they read.

use std::sync::OnceLock;

use ndarray::ArrayD;

use super::{
    isa::Isa,
    kernel::{self, Column, TILE, Weight},
    layout::{GROUP, LANES},
    panel::Entry,
    tables::Factor,
    weights::Product,
};
use crate::{
    backend::{Mode, SynapseParts},
    map::Map,
    reference::{Norm, ReferenceSynapse, quantized},
};

/// A synapse, prepared for every kind of input that it may meet; what a kind
/// needs is made when the first such input comes.
#[derive(Debug)]
pub struct PackedSynapse {
    pub(super) parts: SynapseParts,
    exact: OnceLock<Exact>,
    oracle: OnceLock<ReferenceSynapse<f64>>,
    /// For each number of digits.
    lookup: [OnceLock<Product>; DIGITS],
    /// Likewise, for counts up to [`SMALL`], and up to 255.
    integer: [[OnceLock<Product>; 2]; DIGITS],
    /// Likewise for matrix registers, and spikes.
    blocks: [[OnceLock<Product>; 3]; DIGITS],
    /// Of one byte or finer, for spikes and for small counts.
    rows: [[OnceLock<Product>; 2]; 2],
}

/// Most bytes of a table entry or weight.
const DIGITS: usize = 3;

/// Counts that residual streams rarely exceed: the fewer, the finer the
/// weights that cannot overflow.
pub(super) const SMALL: u32 = 16;

impl PackedSynapse {
    pub(super) fn new(parts: &SynapseParts) -> Self {
        Self {
            parts: parts.clone(),
            exact: OnceLock::new(),
            oracle: OnceLock::new(),
            lookup: Default::default(),
            integer: Default::default(),
            blocks: Default::default(),
            rows: Default::default(),
        }
    }

    pub(super) fn map(&self) -> Map {
        self.parts.map
    }

    /// Whether the kernels know this map: they see all channels at once.
    pub(super) fn has_kernel(&self) -> bool {
        !matches!(self.map(), Map::Conv2d { groups: 2.., .. })
    }

    /// The definition, in 64-bit floats.
    pub(super) fn oracle(&self) -> &ReferenceSynapse<f64> {
        self.oracle.get_or_init(|| ReferenceSynapse::new(&self.parts))
    }

    pub(super) fn exact(&self) -> &Exact {
        self.exact.get_or_init(|| Exact::new(&self.parts))
    }

    /// The product with spikes, in tables of `digits` bytes.
    pub(super) fn lookup(&self, digits: usize) -> &Product {
        self.lookup[digits - 1].get_or_init(|| {
            let (weights, bias) = self.exact().folded(self.parts.unit());
            Product::lookup(&weights, bias, self.width(), digits)
        })
    }

    /// The product with counts up to `max`, at most 255, in weights of `digits`
    /// bytes.
    pub(super) fn integer(&self, max: u32, digits: usize) -> &Product {
        let large = max > SMALL;
        self.integer[digits - 1][usize::from(large)].get_or_init(|| {
            let (weights, bias) = self.exact().folded(self.parts.unit());
            let max = if large { u32::from(u8::MAX) } else { SMALL };
            Product::integer(&weights, bias, self.width(), digits, max)
        })
    }

    /// The product with counts up to `max`, at most 255, in matrix registers.
    pub(super) fn blocks(&self, max: u32, digits: usize) -> &Product {
        let most = [1, SMALL, u32::from(u8::MAX)];
        let kind = most.iter().filter(|&&most| max > most).count();
        self.blocks[digits - 1][kind].get_or_init(|| {
            let (weights, bias) = self.exact().folded(self.parts.unit());
            Product::blocks(&weights, bias, self.width(), digits, most[kind])
        })
    }

    /// The product with spikes, or counts up to [`SMALL`], event by event.
    pub(super) fn rows(&self, max: u32, narrow: bool) -> &Product {
        self.rows[usize::from(narrow)][usize::from(max > 1)].get_or_init(|| {
            let (weights, bias) = self.exact().folded(self.parts.unit());
            let max = if max > 1 { SMALL } else { 1 };
            Product::rows(&weights, bias, self.width(), narrow, max)
        })
    }

    /// Weights of one output, channels filled up to whole groups.
    fn width(&self) -> usize {
        self.exact().width
    }
}

/// The synapse for one row and output in 64-bit floats, in the order of
/// operations of the reference but for that of the sum.
#[derive(Debug)]
pub(super) struct Exact {
    /// Weights of one output: `[taps][groups][4]`.
    pub(super) width: usize,
    weights: Rows,
    bias: Option<Vec<f64>>,
    norms: Vec<Norm<f64>>,
}

#[derive(Debug)]
enum Rows {
    /// As published: products with counts and their sums are exact in f64
    /// unless the weights of one output differ by a factor of a billion.
    Single(Vec<f32>),
    /// Quantised, or folded from several stages.
    Double(Vec<f64>),
}

impl Exact {
    fn new(parts: &SynapseParts) -> Self {
        match parts.stages.as_slice() {
            [stage] if stage.border == 0 => {
                let taps = parts.map.taps();
                let shape = [parts.map.outputs(), parts.map.fan_in() / taps, taps];
                let published = stage.weight.reshaped(&shape);
                let weights = match &stage.quantizer {
                    None => Rows::Single(by_taps(&published)),
                    Some(quantizer) => {
                        let wide = published.mapv(f64::from);
                        let wide = match wide.into_dimensionality() {
                            Ok(wide) => wide,
                            Err(e) => unreachable!("three axes: {e}"),
                        };
                        let wide = quantized(&wide, Some(quantizer)).into_owned();
                        Rows::Double(by_taps(&wide.into_dyn()))
                    }
                };
                let bias = stage.bias.as_ref().map(|bias| bias.to_f32().mapv(f64::from));
                Self {
                    width: taps * shape[1].div_ceil(GROUP) * GROUP,
                    weights,
                    bias: bias.map(|bias| bias.into_iter().collect()),
                    norms: stage.norms.iter().map(Norm::new).collect(),
                }
            }
            _ => Self::fold(parts),
        }
    }

    /// Several linear stages are one map: its weights are what it makes of each
    /// channel alone.
    fn fold(parts: &SynapseParts) -> Self {
        let (inputs, outputs, taps) = (parts.map.inputs(), parts.map.outputs(), parts.map.taps());
        let plain = SynapseParts { reads: None, ..parts.clone() };
        let synapse = ReferenceSynapse::<f64>::new(&plain);
        let size = taps.isqrt();
        // A window that keeps the size, on an image of its size: the middle
        // pixel alone shows every weight.
        let positions: &[usize] = if taps == 1 { &[1] } else { &[size, size] };
        let shape = |batch: usize, channels| [&[1, batch], positions, &[channels]].concat();
        let middle = taps / 2;
        let mut impulse = ArrayD::<f64>::zeros(shape(inputs, inputs));
        if let Some(values) = impulse.as_slice_mut() {
            for c in 0..inputs {
                values[(c * taps + middle) * inputs + c] = 1.0;
            }
        }
        let response = synapse.current(impulse, Mode::Eval);
        let rest = synapse.current(ArrayD::zeros(shape(1, inputs)), Mode::Eval);
        let (response, rest) = (flat(&response), flat(&rest));
        let bias: Vec<f64> = rest[middle * outputs..(middle + 1) * outputs].to_vec();
        let mut weights = ArrayD::<f64>::zeros(vec![outputs, inputs, taps]);
        for c in 0..inputs {
            for place in 0..taps {
                for (o, bias) in bias.iter().enumerate() {
                    // The output at `place` sees the middle at the opposite tap.
                    let seen = response[(c * taps + place) * outputs + o];
                    weights[[o, c, taps - 1 - place]] = seen - bias;
                }
            }
        }
        Self {
            width: taps * inputs.div_ceil(GROUP) * GROUP,
            weights: Rows::Double(by_taps(&weights)),
            bias: Some(bias),
            norms: Vec::new(),
        }
    }

    /// Makes currents of output `n` of the sums over its weights.
    fn through(&self, n: usize, sums: &mut [f64]) {
        if let Some(bias) = &self.bias {
            sums.iter_mut().for_each(|sum| *sum += bias[n]);
        }
        for norm in &self.norms {
            let normalise = norm.normalise(n);
            sums.iter_mut().for_each(|sum| *sum = normalise(*sum));
        }
    }

    /// The currents of a tile for panels of real numbers.
    pub(super) fn of_tile(
        &self,
        isa: Isa,
        tile: usize,
        panels: &[Vec<[f64; LANES]>],
    ) -> Vec<kernel::Exact> {
        let weight = |i: usize| match &self.weights {
            Rows::Single(weights) => weights.get(i).copied().map_or(0.0, f64::from),
            Rows::Double(weights) => weights.get(i).copied().unwrap_or(0.0),
        };
        let row = |k| std::array::from_fn(|n| weight((tile * TILE + n) * self.width + k));
        let weights: Vec<[f64; TILE]> = (0..self.width).map(row).collect();
        let outputs = tile * TILE..self.outputs().min((tile + 1) * TILE);
        let currents = |panel: &Vec<[f64; LANES]>| {
            let mut sums = kernel::multiply(isa, panel, &weights);
            for (n, sums) in outputs.clone().zip(&mut sums) {
                self.through(n, sums);
            }
            sums
        };
        panels.iter().map(currents).collect()
    }

    fn outputs(&self) -> usize {
        match &self.weights {
            Rows::Single(weights) => weights.len() / self.width,
            Rows::Double(weights) => weights.len() / self.width,
        }
    }

    /// Asks for the weights of output `n`.
    pub(super) fn fetch(&self, n: usize) {
        let row = n * self.width..(n + 1) * self.width;
        match &self.weights {
            Rows::Single(weights) => kernel::prefetch(&weights[row]),
            Rows::Double(weights) => kernel::prefetch(&weights[row]),
        }
    }

    /// The currents of output `n` for row `lane` of panels `[T][len]` worth 1, 2, 4... times
    /// `unit`, step by step.
    pub(super) fn of_panels<E: Factor>(
        &self,
        isa: Isa,
        n: usize,
        lane: usize,
        unit: f64,
        (panels, len): (&[&[E]], usize),
    ) -> Vec<f64> {
        let row = n * self.width..(n + 1) * self.width;
        let mut sums = match &self.weights {
            Rows::Single(weights) => E::dot(isa, panels, len, lane, &weights[row]),
            Rows::Double(weights) => E::dot(isa, panels, len, lane, &weights[row]),
        };
        sums.iter_mut().for_each(|sum| *sum *= unit);
        self.through(n, &mut sums);
        sums
    }

    /// The current of output `n` for a row of input that sees `columns`, tap by
    /// tap, worth `unit` each.
    pub(super) fn current<'a, E: Entry + 'a>(
        &self,
        isa: Isa,
        n: usize,
        unit: f64,
        columns: impl ExactSizeIterator<Item = Option<Column<'a, E>>>,
    ) -> f64 {
        fn sum<'a, E: Entry + 'a, W: Weight>(
            isa: Isa,
            weights: &[W],
            columns: impl ExactSizeIterator<Item = Option<Column<'a, E>>>,
        ) -> f64 {
            let taps = weights.chunks_exact(weights.len() / columns.len());
            let seen = columns.zip(taps).filter_map(|(column, weights)| Some((column?, weights)));
            seen.map(|(column, weights)| kernel::dot(isa, column, weights)).sum()
        }
        let row = n * self.width..(n + 1) * self.width;
        let sum = match &self.weights {
            Rows::Single(weights) => sum(isa, &weights[row], columns),
            Rows::Double(weights) => sum(isa, &weights[row], columns),
        };
        let mut sum = [sum * unit];
        self.through(n, &mut sum);
        sum[0]
    }

    /// Weights and bias of the whole map, for counts worth `unit`.
    fn folded(&self, unit: f64) -> (Vec<f64>, Vec<f64>) {
        let outputs = self.outputs();
        let through = |x: f64, n: usize| self.norms.iter().fold(x, |x, norm| norm.normalise(n)(x));
        let bias = |n: usize| self.bias.as_ref().map_or(0.0, |bias| bias[n]);
        let shift: Vec<f64> = (0..outputs).map(|n| through(bias(n), n)).collect();
        let factor: Vec<f64> =
            (0..outputs).map(|n| self.norms.iter().map(|norm| norm.factor(n)).product()).collect();
        let weight = |i: usize| match &self.weights {
            Rows::Single(weights) => f64::from(weights[i]),
            Rows::Double(weights) => weights[i],
        };
        let scaled = |i| weight(i) * factor[i / self.width] * unit;
        ((0..outputs * self.width).map(scaled).collect(), shift)
    }
}

fn flat(x: &ArrayD<f64>) -> Vec<f64> {
    x.iter().copied().collect()
}

/// `[outputs, inputs, taps]` to `[outputs][taps][groups][4]`.
fn by_taps<T: Copy + Default>(weights: &ArrayD<T>) -> Vec<T> {
    let [outputs, inputs, taps] = *weights.shape() else {
        unreachable!("weights were reshaped to three axes")
    };
    let padded = inputs.div_ceil(GROUP) * GROUP;
    let mut rows = vec![T::default(); outputs * taps * padded];
    for ((o, i, tap), &w) in (0..outputs)
        .flat_map(|o| (0..inputs).flat_map(move |i| (0..taps).map(move |tap| (o, i, tap))))
        .zip(weights)
    {
        rows[(o * taps + tap) * padded + i] = w;
    }
    rows
}
