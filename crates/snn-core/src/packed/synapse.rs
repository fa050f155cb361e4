//! Weights as the kernels read them, with the error that they make.

use std::sync::OnceLock;

use ndarray::ArrayD;

use super::{
    isa::Isa,
    kernel::{self, Sums, TILE},
    layout::{GROUP, LANES},
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
    digits: usize,
    exact: OnceLock<Exact>,
    oracle: OnceLock<ReferenceSynapse<f64>>,
    lookup: OnceLock<Product>,
    /// For counts up to [`SMALL`], and up to 255.
    integer: [OnceLock<Product>; 2],
}

/// Counts that residual streams rarely exceed: the fewer, the finer the
/// weights that cannot overflow.
pub(super) const SMALL: u32 = 16;

impl PackedSynapse {
    pub(super) fn new(parts: &SynapseParts, digits: usize) -> Self {
        Self {
            parts: parts.clone(),
            digits,
            exact: OnceLock::new(),
            oracle: OnceLock::new(),
            lookup: OnceLock::new(),
            integer: [OnceLock::new(), OnceLock::new()],
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

    /// The product with spikes.
    pub(super) fn lookup(&self) -> &Product {
        self.lookup.get_or_init(|| {
            let (weights, bias) = self.exact().folded(self.parts.unit());
            Product::lookup(&weights, bias, self.width(), self.digits)
        })
    }

    /// The product with counts up to `max`, at most 255.
    pub(super) fn integer(&self, max: u32) -> &Product {
        let large = max > SMALL;
        self.integer[usize::from(large)].get_or_init(|| {
            let (weights, bias) = self.exact().folded(self.parts.unit());
            let max = if large { u32::from(u8::MAX) } else { SMALL };
            Product::integer(&weights, bias, self.width(), self.digits, max)
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
                let taps = taps(parts.map);
                let shape = [parts.map.outputs(), parts.map.fan_in() / taps, taps];
                let published = stage.weight.reshaped(&shape);
                let weights = match &stage.quantizer {
                    None => Rows::Single(by_taps(&published)),
                    Some(lsq) => {
                        let wide = published.mapv(f64::from);
                        let wide = match wide.into_dimensionality() {
                            Ok(wide) => wide,
                            Err(e) => unreachable!("three axes: {e}"),
                        };
                        Rows::Double(by_taps(&quantized(&wide, Some(lsq)).into_owned().into_dyn()))
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
        let (inputs, outputs, taps) = (parts.map.inputs(), parts.map.outputs(), taps(parts.map));
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

    /// The current of output `n` for an input row `x`, laid out as the weights
    /// and multiplied by the unit of its counts.
    pub(super) fn current(&self, isa: Isa, n: usize, x: &[f64]) -> f64 {
        let row = n * self.width..(n + 1) * self.width;
        let mut sum = match &self.weights {
            Rows::Single(weights) => kernel::dot_f32(isa, x, &weights[row]),
            Rows::Double(weights) => kernel::dot_f64(isa, x, &weights[row]),
        };
        if let Some(bias) = &self.bias {
            sum += bias[n];
        }
        self.norms.iter().fold(sum, |x, norm| norm.normalise(x, n))
    }

    /// Weights and bias of the whole map, for counts worth `unit`.
    fn folded(&self, unit: f64) -> (Vec<f64>, Vec<f64>) {
        let outputs = match &self.weights {
            Rows::Single(weights) => weights.len() / self.width,
            Rows::Double(weights) => weights.len() / self.width,
        };
        let through = |x: f64, n: usize| self.norms.iter().fold(x, |x, norm| norm.normalise(x, n));
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

fn taps(map: Map) -> usize {
    match map {
        Map::Linear { .. } => 1,
        Map::Conv2d { window, .. } => window.size * window.size,
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

/// Weights in the form of one of the kernels: `current = scale sums + bias`,
/// wrong by at most `error`.
#[derive(Debug)]
pub(super) struct Product {
    form: Form,
    digits: usize,
    groups: usize,
    /// What the sums start from, `[outputs]`, filled up to whole tiles.
    offset: Vec<i32>,
    /// Worth of one unit of the sums.
    pub(super) scale: Vec<f32>,
    /// Current of silence.
    pub(super) bias: Vec<f32>,
    /// Greatest difference of a current from the definition.
    pub(super) error: Vec<f32>,
    /// No current is greater in magnitude.
    pub(super) magnitude: Vec<f32>,
}

#[derive(Debug)]
enum Form {
    /// `[tiles][groups][TILE][digits]` tables of 16 bytes.
    Lookup(Vec<[u8; 16]>),
    /// `[tiles][groups][TILE][digits]` groups of weights.
    Integer { weights: Vec<[i8; GROUP]>, max: u32 },
}

impl Product {
    /// Tables of the sums that four spikes of a group can select.
    fn lookup(weights: &[f64], bias: Vec<f64>, width: usize, digits: usize) -> Self {
        let groups = width / GROUP;
        let outputs = bias.len();
        let mut form = vec![[0u8; 16]; outputs.div_ceil(TILE) * groups * TILE * digits];
        let mut product = Self::empty(digits, groups, outputs);
        for (n, row) in weights.chunks_exact(width).enumerate() {
            let sums: Vec<[f64; 16]> = row.as_chunks::<GROUP>().0.iter().map(selections).collect();
            let low = |sums: &[f64; 16]| sums.iter().copied().fold(f64::INFINITY, f64::min);
            let high = |sums: &[f64; 16]| sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let ranges = || sums.iter().map(|sums| high(sums) - low(sums));
            let widest = ranges().fold(0.0, f64::max);
            // Entries of `digits` bytes, whose sum must fit 31 bits.
            let fit = f64::from(i32::MAX) / (ranges().sum::<f64>() / widest + groups as f64 + 1.0);
            let levels = (256f64.powi(digits as i32) - 1.0).min(fit).floor();
            let scale = if widest > 0.0 { widest / levels } else { 1.0 };
            let (mut offset, mut error) = (0i64, 0.0);
            for (g, sums) in sums.iter().enumerate() {
                let entry = |sum: f64| ((sum - low(sums)) / scale).round() as i64;
                let silent = entry(sums[0]);
                offset -= silent;
                error += sums
                    .iter()
                    .map(|&sum| ((entry(sum) - silent) as f64 * scale - sum).abs())
                    .fold(0.0, f64::max);
                let at = (((n / TILE) * groups + g) * TILE + n % TILE) * digits;
                for (d, table) in form[at..at + digits].iter_mut().enumerate() {
                    *table = sums.map(|sum| (entry(sum) >> (8 * d)) as u8);
                }
            }
            let reach = sums.iter().map(|s| high(s).max(-low(s))).sum();
            product.set(n, offset as i32, scale, bias[n], error, reach);
        }
        product.form = Form::Lookup(form);
        product
    }

    /// Weights as integers of `digits` signed bytes.
    fn integer(weights: &[f64], bias: Vec<f64>, width: usize, digits: usize, max: u32) -> Self {
        let groups = width / GROUP;
        let outputs = bias.len();
        let mut form = vec![[0i8; GROUP]; outputs.div_ceil(TILE) * groups * TILE * digits];
        let mut product = Self::empty(digits, groups, outputs);
        for (n, row) in weights.chunks_exact(width).enumerate() {
            let greatest = row.iter().fold(0f64, |a, w| a.max(w.abs()));
            let total: f64 = row.iter().map(|w| w.abs()).sum();
            let most = 127.0 * (0..digits).map(|d| 256f64.powi(d as i32)).sum::<f64>();
            let sum = f64::from(max) * (total / greatest + width as f64 / most);
            let levels = most.min(f64::from(i32::MAX) / sum).floor();
            let scale = if greatest > 0.0 { greatest / levels } else { 1.0 };
            let mut error = 0.0;
            for (k, w) in row.iter().enumerate() {
                let mut level = (w / scale).round_ties_even() as i32;
                error += (f64::from(level) * scale - w).abs() * f64::from(max);
                let at = (((n / TILE) * groups + k / GROUP) * TILE + n % TILE) * digits;
                for weights in &mut form[at..at + digits] {
                    let digit = level as u8 as i8; // the lowest byte as a signed digit
                    weights[k % GROUP] = digit;
                    level = (level - i32::from(digit)) >> 8;
                }
            }
            product.set(n, 0, scale, bias[n], error, total * f64::from(max));
        }
        product.form = Form::Integer { weights: form, max };
        product
    }

    fn empty(digits: usize, groups: usize, outputs: usize) -> Self {
        let padded = outputs.div_ceil(TILE) * TILE;
        let zeros = || vec![0.0; padded];
        Self {
            form: Form::Lookup(Vec::new()),
            digits,
            groups,
            offset: vec![0; padded],
            scale: zeros(),
            bias: zeros(),
            error: zeros(),
            magnitude: zeros(),
        }
    }

    /// `reach`: the greatest magnitude of the current without its bias.
    fn set(&mut self, n: usize, offset: i32, scale: f64, bias: f64, error: f64, reach: f64) {
        let magnitude = reach + error + bias.abs();
        self.offset[n] = offset;
        self.scale[n] = scale as f32;
        self.bias[n] = bias as f32;
        // Beside the rounding of weights: that of scale, bias, conversion, product and sum.
        self.error[n] = round_up(error + 6.0 * UNIT * magnitude);
        self.magnitude[n] = round_up(magnitude);
    }

    /// Sums of tile `tile` for the rows of a panel of spikes.
    pub(super) fn look_up(&self, isa: Isa, tile: usize, panel: &[u8], sums: &mut Sums) {
        let Form::Lookup(tables) = &self.form else { unreachable!("spikes are looked up") };
        let len = self.groups * TILE * self.digits;
        let tables = &tables[tile * len..(tile + 1) * len];
        self.start(tile, sums);
        match self.digits {
            1 => kernel::lut::<1>(isa, panel, tables, sums),
            2 => kernel::lut::<2>(isa, panel, tables, sums),
            _ => kernel::lut::<3>(isa, panel, tables, sums),
        }
    }

    /// Sums of tile `tile` for the rows of a panel of counts.
    pub(super) fn multiply(&self, isa: Isa, tile: usize, panel: &[[u8; GROUP]], sums: &mut Sums) {
        let Form::Integer { weights, max } = &self.form else {
            unreachable!("counts are multiplied")
        };
        let len = self.groups * TILE * self.digits;
        let weights = &weights[tile * len..(tile + 1) * len];
        self.start(tile, sums);
        match self.digits {
            1 => kernel::dense::<1>(isa, panel, *max as u8, weights, sums),
            2 => kernel::dense::<2>(isa, panel, *max as u8, weights, sums),
            _ => kernel::dense::<3>(isa, panel, *max as u8, weights, sums),
        }
    }

    fn start(&self, tile: usize, sums: &mut Sums) {
        for (n, sums) in sums.iter_mut().enumerate() {
            *sums = [self.offset[tile * TILE + n]; LANES];
        }
    }
}

/// Half the distance of 1 to the next 32-bit float.
pub(super) const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// The next 32-bit float that is not less.
pub(super) fn round_up(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) < x { near.next_up() } else { near }
}

/// Sums of the weights that each of the sixteen nibbles selects.
fn selections(weights: &[f64; GROUP]) -> [f64; 16] {
    std::array::from_fn(|nibble| {
        weights.iter().enumerate().filter(|(i, _)| nibble >> i & 1 == 1).map(|(_, w)| w).sum()
    })
}
