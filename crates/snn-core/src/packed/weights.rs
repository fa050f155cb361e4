//! Weights in the forms that kernels read, with the error that they make.

use std::sync::{Arc, OnceLock};

use super::{
    isa::{Isa, Level},
    kernel::{
        self, Aligned, Block, Bytes, CHANNELS, Corners, DEPTH, Events, Matrices, Membranes, QUAD,
        SPAN, Sums, TILE, Table, WORTH, Words, Worth,
    },
    layout::{GROUP, LANES},
};

/// Most bits of counts that are looked up.
pub(super) const PLANES: u32 = 2;

/// Weights in the form of one of the kernels: `current = scale sums + bias`.
#[derive(Debug)]
pub(super) struct Product {
    form: Form,
    digits: usize,
    groups: usize,
    /// What the sums start from, `[outputs]`, filled up to whole tiles.
    offset: Vec<i32>,
    /// Worth of one unit of the sums.
    scale: Vec<f32>,
    /// Current of silence.
    bias: Vec<f32>,
    /// Greatest difference of a current from the definition, and greatest
    /// magnitude without bias, where no input exceeds one.
    error: Vec<f64>,
    reach: Vec<f64>,
    /// Greatest difference that one entry or weight makes.
    each: Vec<f64>,
    /// What [`bounds`](Self::bounds) gave for the first greatest input that was asked for.
    known: OnceLock<(u32, Arc<Bounds>)>,
}

#[derive(Debug)]
enum Form {
    /// `[tiles][quads]`, see [`tabulate`](kernel::tabulate): one of the two may be empty.
    Lookup { words: Vec<Words>, bytes: Vec<Bytes> },
    /// `[tiles][groups][TILE][digits]` groups of weights.
    Integer(Vec<[i8; GROUP]>),
    /// `[spans][chunks of DEPTH groups][channels or digits]`.
    Blocks(Vec<Block>),
    /// `[spans of SPAN channels][inputs]`, of one byte.
    Narrow(Vec<Aligned<[i16; SPAN]>>),
    /// The same, as fine as sums allow.
    Wide(Vec<Aligned<[i32; SPAN]>>),
}

impl Product {
    /// What tables of the sums that four spikes of a group can select are made of.
    pub(super) fn lookup(weights: &[f64], bias: Vec<f64>, width: usize, digits: usize) -> Self {
        let groups = (width / GROUP).next_multiple_of(QUAD);
        let mut product = Self::empty(digits, groups, &bias);
        let quads = groups / QUAD;
        let len = product.scale.len() / TILE * quads;
        let mut words = vec![Words::default(); if digits > 1 { len } else { 0 }];
        let mut bytes = vec![Bytes::default(); if digits == 2 { 0 } else { len }];
        for (n, row) in weights.chunks_exact(width).enumerate() {
            let (row, _) = row.as_chunks::<GROUP>();
            let range = |group: &[f64; GROUP]| group.iter().map(|w| w.abs()).sum::<f64>();
            let widest = row.iter().map(range).fold(0.0, f64::max);
            let reach = reach(row.as_flattened());
            // Entries of `digits` bytes; their sum over all bits of counts must fit 31 bits.
            let most = if digits < 3 { (1 << PLANES) - 1 } else { 1 };
            let sum = reach / widest + width as f64 / widest_entry(digits);
            let fit = f64::from(i32::MAX / most) / sum;
            let levels = widest_entry(digits).min(fit).floor();
            let scale = unit(widest, levels);
            let rounded = Rounded::new(row.as_flattened(), scale);
            let mut lowest = 0i32;
            for (g, &levels) in rounded.levels.as_chunks::<GROUP>().0.iter().enumerate() {
                let (quad, group) = ((n / TILE) * quads + g / QUAD, g % QUAD);
                let (n, part) = (n % TILE, if digits == 3 { WORTH[2] } else { 0 });
                // The highest bytes have a sign; what is below them has none.
                let high = levels.map(|level| level >> part);
                let base: i32 = high.iter().map(|level| -level.min(&0)).sum();
                lowest = lowest.wrapping_sub(base << part);
                match digits {
                    2 => words[quad].set(n, group, high.map(|x| x as u16), base as u16),
                    _ => bytes[quad].set(n, group, high.map(|x| x as u8), base as u8),
                }
                if digits == 3 {
                    let low = levels.map(|level| level as u16 & ((1 << part) - 1));
                    words[quad].set(n, group, low, 0);
                }
            }
            product.set(n, lowest, scale, [rounded.error, rounded.each, reach]);
        }
        product.form = Form::Lookup { words, bytes };
        product
    }

    /// Weights as integers of `digits` signed bytes.
    pub(super) fn integer(
        weights: &[f64],
        bias: Vec<f64>,
        width: usize,
        digits: usize,
        max: u32,
    ) -> Self {
        let groups = (width / GROUP).next_multiple_of(QUAD);
        let mut form = vec![[0i8; GROUP]; bias.len().div_ceil(TILE) * groups * TILE * digits];
        let mut product = Self::empty(digits, groups, &bias);
        product.round(weights, width, max, greatest(digits), |n, k, level| {
            let at = (((n / TILE) * groups + k / GROUP) * TILE + n % TILE) * digits;
            for (weights, digit) in form[at..at + digits].iter_mut().zip(signed_bytes(level)) {
                weights[k % GROUP] = digit;
            }
        });
        product.form = Form::Integer(form);
        product
    }

    /// The same, laid out for matrix registers.
    pub(super) fn blocks(
        weights: &[f64],
        bias: Vec<f64>,
        width: usize,
        digits: usize,
        max: u32,
    ) -> Self {
        let groups = (width / GROUP).next_multiple_of(DEPTH);
        let mut product = Self::empty(digits, groups, &bias);
        let (chunks, span) = (groups / DEPTH, product.span());
        let len = bias.len().div_ceil(span) * chunks * product.of_chunk();
        let mut form: Vec<Block> = vec![[[[0; GROUP]; DEPTH]; CHANNELS]; len];
        let of_chunk = product.of_chunk();
        product.round(weights, width, max, greatest(digits), |n, k, level| {
            let (g, i) = (k / GROUP, k % GROUP);
            let chunk = (n / span) * chunks + g / DEPTH;
            let first = chunk * of_chunk + n % span / CHANNELS;
            for (block, digit) in form[first..first + digits].iter_mut().zip(signed_bytes(level)) {
                block[n % CHANNELS][g % DEPTH][i] = digit;
            }
        });
        product.form = Form::Blocks(form);
        product
    }

    /// Rows of weights that events add, of one byte or as fine as their sums allow.
    pub(super) fn rows(
        weights: &[f64],
        bias: Vec<f64>,
        width: usize,
        narrow: bool,
        max: u32,
    ) -> Self {
        let mut product = Self::empty(1, width / GROUP, &bias);
        let len = bias.len().div_ceil(SPAN) * width;
        let at = |n: usize, k: usize| (n / SPAN * width + k, n % SPAN);
        product.form = if narrow {
            let mut rows = vec![Aligned([0; SPAN]); len];
            product.round(weights, width, max, greatest(1), |n, k, level| {
                let (row, n) = at(n, k);
                rows[row][n] = level as i16;
            });
            Form::Narrow(rows)
        } else {
            let mut rows = vec![Aligned([0; SPAN]); len];
            product.round(weights, width, max, f64::from(i32::MAX), |n, k, level| {
                let (row, n) = at(n, k);
                rows[row][n] = level;
            });
            Form::Wide(rows)
        };
        product
    }

    /// Output channels that matrix registers work out at once.
    pub(super) const fn span(&self) -> usize {
        if self.digits == 1 { 2 * CHANNELS } else { CHANNELS }
    }

    /// Blocks of weights that meet a chunk of [`DEPTH`] groups: channels or digits.
    const fn of_chunk(&self) -> usize {
        if self.digits == 1 { 2 } else { self.digits }
    }

    /// Rounds weights `[outputs][width]` to integers of magnitude `most` at most, whose sums with
    /// counts up to `max` fit 31 bits, and hands them out: output, place in the row, integer.
    fn round(
        &mut self,
        weights: &[f64],
        width: usize,
        max: u32,
        most: f64,
        mut put: impl FnMut(usize, usize, i32),
    ) {
        for (n, row) in weights.chunks_exact(width).enumerate() {
            let greatest = row.iter().fold(0f64, |a, w| a.max(w.abs()));
            let total: f64 = row.iter().map(|w| w.abs()).sum();
            let sum = f64::from(max) * (total / greatest + width as f64 / most);
            let levels = most.min(f64::from(i32::MAX) / sum).floor();
            let scale = unit(greatest, levels);
            let rounded = Rounded::new(row, scale);
            for (k, &level) in rounded.levels.iter().enumerate() {
                put(n, k, level);
            }
            self.set(n, 0, scale, [rounded.error, rounded.each, reach(row)]);
        }
    }

    fn empty(digits: usize, groups: usize, bias: &[f64]) -> Self {
        let padded = bias.len().next_multiple_of(TILE);
        let mut narrow: Vec<f32> = bias.iter().map(|&bias| bias as f32).collect();
        narrow.resize(padded, 0.0);
        Self {
            form: Form::Lookup { words: Vec::new(), bytes: Vec::new() },
            digits,
            groups,
            offset: vec![0; padded],
            scale: vec![0.0; padded],
            bias: narrow,
            error: vec![0.0; padded],
            reach: vec![0.0; padded],
            each: vec![0.0; padded],
            known: OnceLock::new(),
        }
    }

    fn set(&mut self, n: usize, offset: i32, scale: f64, bounds: [f64; 3]) {
        self.offset[n] = offset;
        self.scale[n] = scale as f32;
        [self.error[n], self.each[n], self.reach[n]] = bounds;
    }

    /// What the currents can be where no input exceeds `max`.
    pub(super) fn bounds(&self, max: u32) -> Arc<Bounds> {
        let (first, known) = self.known.get_or_init(|| (max, self.bounds_for(max).into()));
        if max == *first { known.clone() } else { self.bounds_for(max).into() }
    }

    fn bounds_for(&self, max: u32) -> Bounds {
        let reach = |n: usize| f64::from(max) * (self.reach[n] + self.error[n]);
        let magnitude = |n: usize| reach(n) + f64::from(self.bias[n].abs());
        let each = self.each.iter().map(|&each| round_up(each)).collect();
        let most = |(&error, &each): (&f64, &f64)| match each > 0.0 {
            true => round_up(f64::from(max) * error / each * (1.0 + 1e-9)),
            false => 0.0,
        };
        let most = self.error.iter().zip(&self.each).map(most).collect();
        Bounds { each, most, ..self.bounds_of(magnitude, |_| 0.0) }
    }

    /// The same for any activity, where `greatest[n]` is the greatest magnitude
    /// that was computed.
    pub(super) fn bounds_seen(&self, max: u32, greatest: &[f32]) -> Bounds {
        let error = |n: usize| f64::from(max) * self.error[n];
        self.bounds_of(|n| (f64::from(greatest[n]) + error(n)) * (1.0 + 16.0 * UNIT), error)
    }

    fn bounds_of(&self, magnitude: impl Fn(usize) -> f64, more: impl Fn(usize) -> f64) -> Bounds {
        let outputs = 0..self.error.len();
        let error = |n: usize| {
            // Beside the rounding of weights: that of scale, bias, conversion, product and sum.
            let parts = magnitude(n) + f64::from(self.bias[n].abs());
            round_up(more(n) + 8.0 * UNIT * parts)
        };
        Bounds {
            error: outputs.clone().map(error).collect(),
            each: vec![0.0; self.error.len()],
            most: vec![0.0; self.error.len()],
            magnitude: outputs.map(|n| round_up(magnitude(n))).collect(),
        }
    }

    /// What the sums of a tile start from, for counts of `bits` bits.
    pub(super) fn start(&self, tile: usize, bits: usize) -> [i32; TILE] {
        let all = (1 << bits) - 1;
        std::array::from_fn(|n| self.offset[tile * TILE + n].wrapping_mul(all))
    }

    /// Groups of a chunk whose tables fit the first-level cache beside a panel.
    pub(super) fn chunk(&self, isa: Isa) -> usize {
        match (isa.level(), self.digits) {
            (_, 1) => 128,
            // Sums are made of parts of 16 bits after each chunk.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, 2) => 96,
            _ => 64,
        }
    }

    /// Scale and bias of a tile.
    pub(super) fn worth(&self, tile: usize) -> Worth {
        let of_tile = |x: &[f32]| std::array::from_fn(|n| x[tile * TILE + n]);
        (of_tile(&self.scale), of_tile(&self.bias))
    }

    /// Makes the tables for `groups` groups of a tile from `group` on, if spikes are looked up, and
    /// asks for what those behind them are made of. `tables` is as long as it needs to be.
    pub(super) fn tabulate(
        &self,
        isa: Isa,
        tile: usize,
        group: usize,
        groups: usize,
        tables: &mut Vec<Table>,
    ) {
        let Form::Lookup { words, bytes } = &self.form else { return };
        let (first, quads) = ((tile * self.groups + group) / QUAD, groups / QUAD);
        fn part<T>(memory: &[T], first: usize, quads: usize) -> &[T] {
            &memory[first.min(memory.len())..(first + quads).min(memory.len())]
        }
        tables.resize(quads * TILE * self.digits, Aligned([0; 16 * QUAD]));
        kernel::tabulate(isa, part(words, first, quads), part(bytes, first, quads), tables);
        kernel::prefetch(part(words, first + quads, quads));
        kernel::prefetch(part(bytes, first + quads, quads));
    }

    /// Adds to the sums of a tile, or to `start`, what spikes worth `2^bit` select from
    /// [`tables`](Self::tabulate).
    pub(super) fn look_up(
        &self,
        isa: Isa,
        tables: &[Table],
        (panel, bit): (&[u8], u32),
        start: Option<[i32; TILE]>,
        sums: &mut Sums,
    ) {
        match self.digits {
            1 => kernel::lut::<1>(isa, panel, tables, bit, start, sums),
            2 => kernel::lut::<2>(isa, panel, tables, bit, start, sums),
            _ => kernel::lut::<3>(isa, panel, tables, bit, start, sums),
        }
    }

    /// Adds to the sums of a tile, or to `start`, the products with counts up to `max`, for the groups
    /// of a panel from `group` on.
    pub(super) fn multiply(
        &self,
        isa: Isa,
        [tile, group]: [usize; 2],
        (panel, max): (&[[u8; GROUP]], u32),
        start: Option<[i32; TILE]>,
        sums: &mut Sums,
    ) {
        let Form::Integer(weights) = &self.form else { unreachable!("counts are multiplied") };
        let max = max.min(255) as u8;
        let of_group = TILE * self.digits;
        let first = (tile * self.groups + group) * of_group;
        let weights = &weights[first..first + panel.len() / LANES * of_group];
        match self.digits {
            1 => kernel::dense::<1>(isa, panel, max, weights, start, sums),
            2 => kernel::dense::<2>(isa, panel, max, weights, start, sums),
            _ => kernel::dense::<3>(isa, panel, max, weights, start, sums),
        }
    }

    /// Sums of the `at`-th [`span`](Self::span) of outputs for a panel that is the `turn`-th for
    /// them.
    pub(super) fn by_blocks(
        &self,
        matrices: &Matrices,
        at: usize,
        (panel, turn): (&[[u8; GROUP]], usize),
        sums: &mut Corners,
    ) {
        let Form::Blocks(blocks) = &self.form else { unreachable!("blocks were asked for") };
        let of_span = self.groups / DEPTH * self.of_chunk();
        let blocks = &blocks[at * of_span..(at + 1) * of_span];
        match self.of_chunk() {
            2 => matrices.multiply::<2>(panel, blocks, turn, sums),
            _ => matrices.multiply::<3>(panel, blocks, turn, sums),
        }
    }

    /// Sums of the `at`-th [`SPAN`] of outputs for the events of each panel.
    pub(super) fn by_events(
        &self,
        isa: Isa,
        at: usize,
        events: &Events,
        sums: &mut [[[i32; SPAN]; LANES]],
    ) {
        let inputs = self.groups * GROUP;
        let rows = at * inputs..(at + 1) * inputs;
        match &self.form {
            Form::Narrow(weights) => kernel::gather(isa, &weights[rows], events, sums),
            Form::Wide(weights) => kernel::gather(isa, &weights[rows], events, sums),
            _ => unreachable!("rows were asked for"),
        }
    }

    /// Currents of tile `tile` from the sums of the span that it belongs to.
    pub(super) fn currents_of_blocks(
        &self,
        matrices: &Matrices,
        tile: usize,
        sums: &Corners,
        currents: &mut Membranes,
    ) {
        let (scale, bias) = self.worth(tile);
        let of_span = tile % (self.span() / TILE);
        matrices.currents(sums, (of_span, self.digits), &scale, &bias, currents);
    }
}

/// What numbers can be, channel by channel, filled up to whole tiles.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bounds {
    /// Greatest difference from the definition.
    pub(super) error: Vec<f32>,
    /// More for each unit of activity of the input.
    pub(super) each: Vec<f32>,
    /// More activity than this adds no error.
    pub(super) most: Vec<f32>,
    /// Greatest magnitude.
    pub(super) magnitude: Vec<f32>,
}

/// The greatest integer of `digits` signed bytes none of which is -128.
fn greatest(digits: usize) -> f64 {
    127.0 * (0..digits).map(|d| 256f64.powi(d as i32)).sum::<f64>()
}

/// The signed bytes of an integer, the lowest first.
fn signed_bytes(mut level: i32) -> impl Iterator<Item = i8> {
    std::iter::repeat_with(move || {
        let digit = level as u8 as i8;
        level = (level - i32::from(digit)) >> 8;
        digit
    })
}

/// Half the distance of 1 to the next 32-bit float.
pub(super) const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// The next 32-bit float that is not less.
pub(super) fn round_up(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) < x { near.next_up() } else { near }
}

/// The widest range of a group's entries in tables of `digits` bytes, before each of its weights is
/// rounded, by less than a unit; see [`WORTH`].
fn widest_entry(digits: usize) -> f64 {
    let all = match digits {
        1 => 255,
        2 => 65535,
        // Each weight may bring the third byte down by one more than its part of it.
        _ => (255 - GROUP as i32) << WORTH[2],
    };
    f64::from(all - GROUP as i32)
}

/// The greatest magnitude of a sum of some of the weights.
fn reach(weights: &[f64]) -> f64 {
    let of_sign = |sign: f64| weights.iter().map(|w| (sign * w).max(0.0)).sum::<f64>();
    of_sign(1.0).max(of_sign(-1.0))
}

/// What one of `levels` is worth of what is `greatest`: anything if that is silence, or so little that
/// a part of it is none.
fn unit(greatest: f64, levels: f64) -> f64 {
    let unit = greatest / levels;
    if unit > 0.0 { unit } else { 1.0 }
}

/// The weights of one output as multiples of a scale.
struct Rounded {
    levels: Vec<i32>,
    /// Greatest difference that they make in a sum of some of them, and that one makes.
    error: f64,
    each: f64,
}

impl Rounded {
    /// Rounds to the nearest levels, but for a few weights in the middle of two: as many as it takes
    /// that the sum of all weights stays. Inputs have no sign, so that their mean times what is
    /// missing of the sum would be missing of every current.
    fn new(weights: &[f64], scale: f64) -> Self {
        let mut levels: Vec<i32> =
            weights.iter().map(|w| (w / scale).round_ties_even() as i32).collect();
        let off = |(&level, w): (&i32, &f64)| f64::from(level) * scale - w;
        let mut offs: Vec<f64> = levels.iter().zip(weights).map(off).collect();
        let sum: f64 = offs.iter().sum();
        let (wrong, side) = ((sum.abs() / scale).round() as usize, sum.signum());
        if let Some(last) = wrong.checked_sub(1) {
            let mut order: Vec<usize> = (0..levels.len()).collect();
            let farthest = |&a: &usize, &b: &usize| {
                (side * offs[b]).total_cmp(&(side * offs[a])).then(a.cmp(&b))
            };
            order.select_nth_unstable_by(last, farthest);
            for &k in &order[..wrong] {
                levels[k] -= side as i32;
                offs[k] -= side * scale;
            }
        }
        let sum_of = |side: f64| offs.iter().map(|off| (side * off).max(0.0)).sum::<f64>();
        let each = offs.iter().fold(0f64, |each, off| each.max(off.abs()));
        // Errors add up where weights were rounded to the same side.
        Self { levels, error: f64::max(sum_of(1.0), sum_of(-1.0)), each }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_the_sum_and_moves_no_weight_by_a_unit() {
        let weights: Vec<f64> = (0..301).map(|i| f64::from(i * 37 % 101) / 16.0 - 2.9).collect();
        let sum: f64 = weights.iter().sum();
        let Rounded { levels, error, each } = Rounded::new(&weights, 0.75);
        let offs: Vec<f64> =
            levels.iter().zip(&weights).map(|(&level, w)| f64::from(level) * 0.75 - w).collect();
        let nearest = weights.iter().map(|w| (w / 0.75).round_ties_even() * 0.75).sum::<f64>();
        assert!((nearest - sum).abs() > 0.75, "the nearest levels would do");
        assert!(offs.iter().sum::<f64>().abs() <= 0.375 + 1e-9);
        assert!(each < 0.75 && offs.iter().all(|off| off.abs() <= each));
        let side = |side: f64| offs.iter().map(|off| (off * side).max(0.0)).sum::<f64>();
        assert!(side(1.0) <= error && side(-1.0) <= error);
    }

    #[test]
    fn weights_too_small_to_divide_are_within_their_error_of_silence() {
        let weights = [-f64::from_bits(3); 8];
        for product in [
            Product::lookup(&weights, vec![0.5], 8, 2),
            Product::integer(&weights, vec![0.5], 8, 2, 1),
        ] {
            assert!(product.error[0] >= 8.0 * f64::from_bits(3));
            assert_eq!(product.start(0, 1)[0], 0);
        }
    }

    #[test]
    fn bounds_are_those_of_the_greatest_input_that_is_asked_for() {
        let weights: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 11) - 4.3).collect();
        let made = || Product::lookup(&weights, vec![0.5; 5], 8, 2);
        let product = made();
        for max in [1, 7, 3, 1] {
            assert_eq!(product.bounds(max), made().bounds(max), "inputs up to {max}");
        }
        let [one, seven] = [1, 7].map(|max| product.bounds(max));
        assert!(
            (0..5).all(|n| seven.magnitude[n] > one.magnitude[n] && seven.most[n] > one.most[n])
        );
    }
}
