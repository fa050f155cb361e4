//! Spikes and counts as they lie in memory: blocks of 64 rows, channels in
//! groups of four, rows in vector lanes.
//!
//! A row is one position of one sample. Rows are cut into blocks of [`LANES`].
//! A tensor is `[blocks][groups][T][64]` entries; the entry of a row holds the
//! four channels of a group, as a nibble (spikes) or four bytes (counts). Rows
//! past the last and channels past the last are zero.

use std::{ops::Range, sync::Arc};

use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;

use crate::tensor;

/// Rows of a block.
pub(crate) const LANES: usize = 64;
/// Channels of a group.
pub(crate) const GROUP: usize = 4;

/// How a tensor `[T, B, positions..., C]` is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) shape: Vec<usize>,
    pub(crate) steps: usize,
    pub(crate) rows: usize,
    pub(crate) channels: usize,
}

impl Geometry {
    pub(crate) fn new(shape: &[usize]) -> Self {
        let [steps, middle @ .., channels] = shape else {
            panic!("a signal is [T, ..., C], found {shape:?}")
        };
        let rows = middle.iter().product();
        Self { shape: shape.to_vec(), steps: *steps, rows, channels: *channels }
    }

    pub(crate) fn blocks(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    pub(crate) fn groups(&self) -> usize {
        self.channels.div_ceil(GROUP)
    }

    /// Entries of a block, all steps.
    pub(crate) fn block_len(&self) -> usize {
        self.groups() * self.steps * LANES
    }

    /// Entries of the whole tensor.
    pub(crate) fn len(&self) -> usize {
        self.blocks() * self.block_len()
    }

    /// Where the entries of a block and group at step `t` start.
    pub(crate) fn start(&self, t: usize, block: usize, group: usize) -> usize {
        ((block * self.groups() + group) * self.steps + t) * LANES
    }

    /// Place of the entry of `row` and group `group` at step `t`.
    pub(crate) fn entry(&self, t: usize, row: usize, group: usize) -> usize {
        self.start(t, row / LANES, group) + row % LANES
    }

    /// Entries of values `[T, rows, C]`; `entry` makes one of up to four channels.
    fn gather<T: Sync, E: Copy + Send + Sync>(
        &self,
        values: &[T],
        blank: E,
        entry: impl Fn(&[T]) -> E + Sync,
    ) -> Vec<E> {
        let (steps, rows, channels) = (self.steps, self.rows, self.channels);
        let mut entries = vec![blank; self.len()];
        let blocks = entries.par_chunks_mut(self.block_len().max(1));
        blocks.enumerate().for_each(|(block, entries)| {
            for t in 0..steps {
                for row in block * LANES..((block + 1) * LANES).min(rows) {
                    let values = &values[(t * rows + row) * channels..][..channels];
                    for (group, values) in values.chunks(GROUP).enumerate() {
                        entries[(group * steps + t) * LANES + row % LANES] = entry(values);
                    }
                }
            }
        });
        entries
    }

    /// The values `[T, rows, C]` of entries; `value(entry, c)` is that of channel `c` of a group.
    fn scatter<T: Copy + Default + Send, E: Copy + Sync>(
        &self,
        entries: &[E],
        value: impl Fn(E, usize) -> T + Sync,
    ) -> Vec<T> {
        let mut values = vec![T::default(); self.steps * self.rows * self.channels];
        let rows = values.par_chunks_mut(self.channels.max(1)).with_min_len(LANES);
        rows.enumerate().for_each(|(i, values)| {
            let first = self.entry(i / self.rows, i % self.rows, 0);
            let entries = entries[first..].iter().step_by(self.steps * LANES);
            for (values, &entry) in values.chunks_mut(GROUP).zip(entries) {
                values.iter_mut().enumerate().for_each(|(c, to)| *to = value(entry, c));
            }
        });
        values
    }

    /// The same rows and channels under other positions; `None` if rows would
    /// change.
    pub(crate) fn renamed(&self, shape: &[usize]) -> Option<Self> {
        let other = Self::new(shape);
        let same =
            (other.steps, other.rows, other.channels) == (self.steps, self.rows, self.channels);
        same.then_some(other)
    }
}

/// Spikes: nibbles `[blocks][groups][T][64]`, four channels each, the first in
/// the lowest bit.
#[derive(Clone, Debug)]
pub struct Spikes {
    pub(crate) geometry: Geometry,
    pub(crate) nibbles: Arc<Vec<u8>>,
}

impl Spikes {
    pub(crate) fn silent(geometry: &Geometry) -> Vec<u8> {
        vec![0; geometry.len()]
    }

    /// Packs an array `[T, ..., C]`.
    pub fn pack(spikes: &tensor::Spikes) -> Self {
        let geometry = Geometry::new(spikes.shape());
        let nibble = |values: &[bool]| {
            values.iter().rev().fold(0, |nibble, &spike| nibble << 1 | u8::from(spike))
        };
        let values = spikes.as_standard_layout();
        let nibbles = geometry.gather(values.as_slice().unwrap_or_default(), 0, nibble);
        Self { geometry, nibbles: Arc::new(nibbles) }
    }

    /// Shape, `[T, ..., C]`.
    pub fn shape(&self) -> &[usize] {
        &self.geometry.shape
    }

    /// The nibbles, `[blocks][groups][T]` of 64.
    pub(crate) fn tiles(&self) -> &[[u8; LANES]] {
        self.nibbles.as_chunks().0
    }

    /// The array that was packed.
    pub fn unpack(&self) -> tensor::Spikes {
        let values = self.geometry.scatter(&self.nibbles, |nibble, c| nibble >> c & 1 == 1);
        array(&self.geometry.shape, values)
    }

    /// The channels of every head as bits, `[T, B, heads, N, words]` of spikes
    /// `[T, B, positions..., C]`: bit `c % 64` of word `c / 64` is channel `c` of its head, and a
    /// head starts a fresh word.
    ///
    /// # Panics
    /// If `heads` does not divide the channels.
    pub fn words(&self, heads: usize) -> Vec<u64> {
        let Geometry { shape, steps, rows, channels } = &self.geometry;
        let layout = HeadWords::new(*channels, heads);
        let tokens = rows / shape[1].max(1);
        let mut words = vec![0; steps * rows * heads * layout.words];
        let parts = words.par_chunks_mut((tokens * layout.words).max(1)).enumerate();
        parts.for_each(|(part, words)| {
            let (frame, head) = (part / heads, part % heads);
            let (t, first) = (frame / shape[1], frame % shape[1] * tokens);
            let mut bytes = vec![[0; LANES]; BYTES * layout.words];
            let mut row = first;
            while row < first + tokens {
                let count = (LANES - row % LANES).min(first + tokens - row);
                bytes.fill([0; LANES]);
                layout.for_each(head, |group, lane, mask, bit| {
                    let nibbles = &self.nibbles[self.geometry.entry(t, row, group)..][..count];
                    for (byte, nibble) in bytes[bit / 8].iter_mut().zip(nibbles) {
                        *byte |= (nibble >> lane & mask) << (bit % 8);
                    }
                });
                let words = &mut words[(row - first) * layout.words..];
                for (w, bytes) in bytes.as_chunks().0.iter().enumerate() {
                    let words = words[w..].iter_mut().step_by(layout.words);
                    words.zip(transposed(bytes)).take(count).for_each(|(to, word)| *to = word);
                }
                row += count;
            }
        });
        words
    }

    /// The spikes `[T, B, positions..., C]` that [`words`](Self::words) takes apart.
    ///
    /// # Panics
    /// If `heads` does not divide the channels, or there are not as many words.
    pub fn from_words(shape: &[usize], heads: usize, words: &[u64]) -> Self {
        let geometry = Geometry::new(shape);
        let (steps, rows) = (geometry.steps, geometry.rows);
        let layout = HeadWords::new(geometry.channels, heads);
        let tokens = rows / shape[1].max(1);
        assert_eq!(words.len(), steps * rows * heads * layout.words, "words of all heads");
        let mut nibbles = Self::silent(&geometry);
        let blocks = nibbles.par_chunks_mut(geometry.block_len().max(1)).enumerate();
        blocks.for_each(|(block, nibbles)| {
            let mut bytes = vec![[0; LANES]; BYTES * layout.words];
            for (t, head) in (0..steps).flat_map(|t| (0..heads).map(move |head| (t, head))) {
                let (mut row, end) = (block * LANES, ((block + 1) * LANES).min(rows));
                while row < end {
                    let (sample, token) = (row / tokens, row % tokens);
                    let count = (end - row).min(tokens - token);
                    let at = ((t * shape[1] + sample) * heads + head) * tokens + token;
                    let words = &words[at * layout.words..];
                    for (w, bytes) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
                        let words = words[w..].iter().step_by(layout.words).take(count);
                        spread_words(words.copied(), bytes);
                    }
                    layout.for_each(head, |group, lane, mask, bit| {
                        let start = (group * steps + t) * LANES + row % LANES;
                        let nibbles = &mut nibbles[start..start + count];
                        for (nibble, byte) in nibbles.iter_mut().zip(&bytes[bit / 8]) {
                            *nibble |= (byte >> (bit % 8) & mask) << lane;
                        }
                    });
                    row += count;
                }
            }
        });
        Self { geometry, nibbles: Arc::new(nibbles) }
    }
}

const WORD: usize = u64::BITS as usize;
/// Bytes of a word.
const BYTES: usize = WORD / 8;

/// The words of 64 rows, from their first bytes, their second bytes and so on.
fn transposed(bytes: &[[u8; LANES]; BYTES]) -> impl Iterator<Item = u64> {
    (0..LANES / 8).flat_map(|i| {
        transpose(bytes.each_ref().map(|bytes| u64::from_le_bytes(bytes.as_chunks().0[i])))
    })
}

/// The reverse of [`transposed`] for up to 64 rows.
fn spread_words(mut words: impl Iterator<Item = u64>, bytes: &mut [[u8; LANES]; BYTES]) {
    for i in 0..LANES / 8 {
        let eight = std::array::from_fn(|_| words.next().unwrap_or(0));
        for (bytes, eight) in bytes.iter_mut().zip(transpose(eight)) {
            bytes.as_chunks_mut().0[i] = eight.to_le_bytes();
        }
    }
}

/// Byte `j` of word `i` becomes byte `i` of word `j`.
fn transpose(mut words: [u64; 8]) -> [u64; 8] {
    for step in [4, 2, 1] {
        // Squares of `step` bytes off the diagonal change places.
        let keep = u64::MAX / ((1 << (8 * step)) + 1);
        for i in (0..8).filter(|i| i & step == 0) {
            let changed = (words[i] >> (8 * step) ^ words[i + step]) & keep;
            words[i] ^= changed << (8 * step);
            words[i + step] ^= changed;
        }
    }
    words
}

/// How the channels of heads lie in words.
struct HeadWords {
    width: usize,
    /// Words of a head.
    words: usize,
    /// Channels that are moved together: whole nibbles, where no head starts within one.
    step: usize,
}

impl HeadWords {
    fn new(channels: usize, heads: usize) -> Self {
        let whole = heads > 0 && channels.is_multiple_of(heads);
        assert!(whole, "{heads} heads do not divide {channels} channels");
        let width = channels / heads;
        let step = if width.is_multiple_of(GROUP) { GROUP } else { 1 };
        Self { width, words: width.div_ceil(WORD), step }
    }

    /// Calls `each(group, lane, mask, bit)` for all channels of a head: those of `mask` from `lane`
    /// of a nibble on are those from `bit` of the head on.
    #[inline(always)]
    fn for_each(&self, head: usize, mut each: impl FnMut(usize, usize, u8, usize)) {
        let mask = (1u8 << self.step) - 1;
        for bit in (0..self.width).step_by(self.step) {
            let channel = head * self.width + bit;
            each(channel / GROUP, channel % GROUP, mask, bit);
        }
    }
}

/// Counts: bytes `[blocks][groups][T][64][4]`, or wide where they exceed a byte.
#[derive(Clone, Debug)]
pub struct Counts {
    /// No count is greater.
    pub(crate) max: u32,
    pub(crate) form: CountForm,
}

#[derive(Clone, Debug)]
pub(crate) enum CountForm {
    Bits(Spikes),
    Bytes { geometry: Geometry, bytes: Arc<Vec<[u8; GROUP]>> },
    Wide(Arc<tensor::Counts>),
}

impl Counts {
    /// Packs an array `[T, ..., C]`.
    pub fn pack(counts: &tensor::Counts) -> Self {
        let max = counts.iter().copied().max().unwrap_or(0);
        if max > u32::from(u8::MAX) {
            return Self { max, form: CountForm::Wide(Arc::new(counts.clone())) };
        }
        let geometry = Geometry::new(counts.shape());
        let four =
            |values: &[u32]| std::array::from_fn(|c| values.get(c).map_or(0, |&count| count as u8));
        let values = counts.as_standard_layout();
        let bytes = geometry.gather(values.as_slice().unwrap_or_default(), [0; GROUP], four);
        Self { max, form: CountForm::Bytes { geometry, bytes: Arc::new(bytes) } }
    }

    /// What they are made of, if they are spikes.
    pub fn spikes(&self) -> Option<&Spikes> {
        match &self.form {
            CountForm::Bits(spikes) => Some(spikes),
            _ => None,
        }
    }

    /// The array that was packed.
    pub fn unpack(&self) -> tensor::Counts {
        match &self.form {
            CountForm::Bits(spikes) => spikes.unpack().mapv(u32::from),
            CountForm::Wide(counts) => counts.as_ref().clone(),
            CountForm::Bytes { geometry, bytes } => {
                let values = geometry.scatter(bytes, |four, c| u32::from(four[c]));
                array(&geometry.shape, values)
            }
        }
    }

    /// The same rows and channels under other positions; `None` if rows would change.
    pub(crate) fn renamed(&self, shape: &[usize]) -> Option<Self> {
        let form = match &self.form {
            CountForm::Wide(counts) => {
                let mut counts = counts.as_ref().clone();
                if counts.len() != shape.iter().product::<usize>() {
                    return None;
                }
                counts = counts.to_shape(shape).ok()?.into_owned();
                CountForm::Wide(counts.into())
            }
            CountForm::Bits(spikes) => CountForm::Bits(Spikes {
                geometry: spikes.geometry.renamed(shape)?,
                nibbles: spikes.nibbles.clone(),
            }),
            CountForm::Bytes { geometry, bytes } => {
                CountForm::Bytes { geometry: geometry.renamed(shape)?, bytes: bytes.clone() }
            }
        };
        Some(Self { max: self.max, form })
    }

    /// Shape, `[T, ..., C]`.
    pub fn shape(&self) -> &[usize] {
        match &self.form {
            CountForm::Bits(spikes) => &spikes.geometry.shape,
            CountForm::Bytes { geometry, .. } => &geometry.shape,
            CountForm::Wide(counts) => counts.shape(),
        }
    }
}

/// The four bytes of a nibble, each 0 or 1.
pub(crate) const SPREAD: [[u8; GROUP]; 16] = {
    let mut spread = [[0; GROUP]; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let mut lane = 0;
        while lane < GROUP {
            spread[nibble][lane] = (nibble >> lane & 1) as u8;
            lane += 1;
        }
        nibble += 1;
    }
    spread
};

/// `pieces` of `len` items each, worked out in parallel and written once.
pub(crate) fn collect<T: Copy + Send + Sync>(
    pieces: usize,
    len: usize,
    blank: T,
    fill: impl Fn(usize, &mut [T]) + Sync + Send,
) -> Vec<T> {
    // Items are collected one by one: a piece is worked out when the first is asked for.
    let init = || (0..0, vec![blank; len]);
    let item = |(made, piece): &mut (Range<usize>, Vec<T>), i: usize| {
        if !made.contains(&i) {
            *made = i / len * len..(i / len + 1) * len;
            fill(i / len, piece);
        }
        piece[i - made.start]
    };
    (0..pieces * len).into_par_iter().with_min_len(len.max(1)).map_init(init, item).collect()
}

pub(crate) fn array<T>(shape: &[usize], values: Vec<T>) -> ArrayD<T> {
    match ArrayD::from_shape_vec(IxDyn(shape), values) {
        Ok(array) => array,
        Err(e) => unreachable!("lengths follow from the shape: {e}"),
    }
}
