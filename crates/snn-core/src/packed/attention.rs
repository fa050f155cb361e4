//! Linear attention on packed spikes: `Q (K^T V)`, head by head.
//!
//! The first product counts, for two channels, the tokens where both spike: the
//! bits of a channel over 64 tokens are a word. The second adds up, for each query,
//! the counts of the channels that spike; it goes straight into the neurons that
//! follow where a byte holds all that they tell apart, else to memory.

use std::{ops::Range, sync::OnceLock};

use ndarray::ArrayD;
use rayon::prelude::*;

use super::{
    isa::Isa,
    kernel::{self, Counted, Entry, Sum, Sums, TILE, View},
    layout::{GROUP, Geometry, LANES, Spikes, array, collect},
    spikes::of_samples,
};

/// Channels of a head at most: so many byte digits sum in 16 bits.
const WIDTH: usize = 256;

/// `scale Q (K^T V)` per time step, sample and head, where [`fits`] says so.
#[derive(Debug)]
pub(super) struct Attention {
    isa: Isa,
    qkv: [Spikes; 3],
    heads: usize,
    pub(super) scale: f64,
    sums: OnceLock<Integers>,
}

/// Whole numbers, `[blocks][heads]` of `[T][d][64]`, in as many bits as they need.
#[derive(Debug)]
pub(super) enum Integers {
    Bytes(Vec<Vec<[u8; LANES]>>),
    Short(Vec<Vec<[u16; LANES]>>),
    Long(Vec<Vec<[i32; LANES]>>),
}

/// Whether an [`Attention`] can be of these: equal shapes, heads of whole groups and not
/// too wide, and tokens that are counted in 16 bits.
pub(super) fn fits([q, k, v]: [&Spikes; 3], heads: usize) -> bool {
    let geometry = &q.geometry;
    let equal = *geometry == k.geometry && *geometry == v.geometry;
    let whole =
        heads > 0 && geometry.channels > 0 && geometry.channels.is_multiple_of(heads * GROUP);
    let narrow = geometry.channels <= heads * WIDTH;
    equal && whole && narrow && tokens(geometry) <= usize::from(u16::MAX)
}

/// Rows of a sample.
fn tokens(geometry: &Geometry) -> usize {
    geometry.rows / geometry.shape[1].max(1)
}

impl Attention {
    pub(super) fn new(isa: Isa, qkv: [&Spikes; 3], heads: usize, scale: f64) -> Self {
        Self { isa, qkv: qkv.map(Clone::clone), heads, scale, sums: OnceLock::new() }
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.qkv[0].geometry
    }

    /// No sum is greater.
    pub(super) fn most(&self) -> usize {
        self.width() * tokens(self.geometry())
    }

    /// Channels of a head.
    fn width(&self) -> usize {
        self.geometry().channels / self.heads
    }

    /// The spikes of neurons on the sums, from rest.
    pub(super) fn fire(&self, neuron: &Counted) -> Spikes {
        let geometry = self.geometry();
        let tables = self.tables::<u8>(&self.key_values(), |count| count);
        let fill = |sums: &mut Vec<[u8; LANES]>, unit, out: &mut [_]| {
            sums.fill([0; LANES]);
            self.select(unit, &tables, sums);
            kernel::fire_counted(self.isa, neuron, sums, out);
        };
        let groups = geometry.steps * self.width() / TILE;
        let nibbles = collect(self.units(), groups, [0; LANES], || self.silence(), fill);
        Spikes { geometry: geometry.clone(), nibbles: nibbles.into_flattened().into() }
    }

    /// The sums, worked out once, in no more bits than they need.
    fn sums(&self) -> &Integers {
        self.sums.get_or_init(|| {
            let counts = self.key_values();
            // No sum of a channel exceeds that of all its counts, no entry four times the greatest.
            let width = self.width();
            let of_channel = |counts: &[u16]| counts.iter().map(|&n| u32::from(n)).sum::<u32>();
            let of_head = |counts: &Vec<u16>| {
                let sum = counts.chunks_exact(width).map(of_channel).max().unwrap_or(0);
                [sum, GROUP as u32 * u32::from(counts.iter().copied().max().unwrap_or(0))]
            };
            let greater = |a: [u32; 2], b: [u32; 2]| [a[0].max(b[0]), a[1].max(b[1])];
            let [sum, entry] = counts.par_iter().map(of_head).reduce(|| [0; 2], greater);
            let byte = u32::from(u8::MAX);
            if sum <= byte {
                Integers::Bytes(self.selected(&self.tables::<u8>(&counts, |n| n)))
            } else if sum <= u16::MAX.into() && entry <= byte {
                Integers::Short(self.selected(&self.tables::<u8>(&counts, |n| n)))
            } else if sum <= u16::MAX.into() {
                Integers::Short(self.selected(&self.tables::<u16>(&counts, |n| n)))
            } else {
                // Digit by digit.
                let digits = [0, 8].map(|shift| self.tables::<u16>(&counts, |n| n >> shift & 255));
                let long = |unit| {
                    let [low, high] = digits.each_ref().map(|tables| {
                        let mut sums = self.silence();
                        self.select(unit, tables, &mut sums);
                        sums
                    });
                    let digits = low.iter().zip(&high);
                    let sum = |(low, high): (&[u16; LANES], &[u16; LANES])| {
                        std::array::from_fn(|i| i32::from(low[i]) + (i32::from(high[i]) << 8))
                    };
                    digits.map(sum).collect()
                };
                Integers::Long((0..self.units()).into_par_iter().map(long).collect())
            }
        })
    }

    /// Blocks and heads.
    fn units(&self) -> usize {
        self.geometry().blocks() * self.heads
    }

    /// The sums of a unit before anything is added.
    fn silence<S: Entry>(&self) -> Vec<[S; LANES]> {
        vec![[S::default(); LANES]; self.geometry().steps * self.width()]
    }

    /// The sums of all units.
    fn selected<T: Entry, S: Sum<T>>(&self, tables: &[Vec<[T; 16]>]) -> Vec<Vec<[S; LANES]>> {
        let of_unit = |unit| {
            let mut sums = self.silence();
            self.select(unit, tables, &mut sums);
            sums
        };
        (0..self.units()).into_par_iter().map(of_unit).collect()
    }

    /// Puts the sums in memory.
    pub(super) fn store(&self) {
        self.sums();
    }

    /// The sums of a tile of channels in a block, step by step.
    pub(super) fn tile(&self, block: usize, tile: usize) -> impl Iterator<Item = Sums> {
        let (steps, width) = (self.geometry().steps, self.width());
        let (head, first) = (tile * TILE / width, tile * TILE % width);
        let sums = self.sums();
        (0..steps).map(move |t| {
            let (unit, start) = (block * self.heads + head, t * width + first);
            std::array::from_fn(|n| match sums {
                Integers::Bytes(sums) => sums[unit][start + n].map(i32::from),
                Integers::Short(sums) => sums[unit][start + n].map(i32::from),
                Integers::Long(sums) => sums[unit][start + n],
            })
        })
    }

    /// The sums of a unit, a block and head: `[T][d][64]`; `tables` are made of its
    /// [`key_values`](Self::key_values).
    fn select<T: Entry, S: Sum<T>>(
        &self,
        unit: usize,
        tables: &[Vec<[T; 16]>],
        sums: &mut [[S; LANES]],
    ) {
        let q = &self.qkv[0];
        let (width, tokens) = (self.width(), tokens(&q.geometry));
        let (block, head) = (unit / self.heads, unit % self.heads);
        for (sample, lanes) in of_samples(block, q.geometry.rows, tokens) {
            let tables = tables[sample * self.heads + head].chunks_exact(width * width / GROUP);
            for ((t, sums), tables) in sums.chunks_exact_mut(width).enumerate().zip(tables) {
                kernel::select(self.isa, &self.view(q, t, (block, head), &lanes), tables, sums);
            }
        }
    }

    /// What some lanes of a block and head spike at step `t`.
    fn view<'a>(
        &self,
        x: &'a Spikes,
        t: usize,
        (block, head): (usize, usize),
        lanes: &Range<usize>,
    ) -> View<'a> {
        let groups = self.width() / GROUP;
        let first = x.geometry.start(t, block, head * groups) / LANES;
        let stride = x.geometry.steps;
        let tiles = &x.tiles()[first..first + (groups - 1) * stride + 1];
        let there = u64::MAX >> (LANES - lanes.len()) << lanes.start;
        View { tiles, stride, there }
    }

    /// `V^T K` of each step, `[d][d]`; `[samples][heads]` of these.
    fn key_values(&self) -> Vec<Vec<u16>> {
        let [_, k, v] = &self.qkv;
        let (tokens, width) = (tokens(self.geometry()), self.width());
        let of_head = |i: usize| {
            let (sample, head) = (i / self.heads, i % self.heads);
            let rows = sample * tokens..(sample + 1) * tokens;
            let (mut of_k, mut of_v) = (Vec::new(), Vec::new());
            let mut counts = vec![0; self.geometry().steps * width * width];
            for (t, counts) in counts.chunks_exact_mut(width * width).enumerate() {
                for (x, words) in [(k, &mut of_k), (v, &mut of_v)] {
                    words.clear();
                    for block in rows.start / LANES..rows.end.div_ceil(LANES) {
                        let view = self.view(x, t, (block, head), &lanes(block, &rows));
                        kernel::channel_words(self.isa, &view, words);
                    }
                }
                kernel::overlaps(self.isa, &of_v, &of_k, width, counts);
            }
            counts
        };
        (0..self.geometry().shape[1] * self.heads).into_par_iter().map(of_head).collect()
    }

    /// Tables of what `digit` makes of the counts of each head.
    fn tables<T: Entry>(
        &self,
        counts: &[Vec<u16>],
        digit: impl Fn(u16) -> u16 + Sync,
    ) -> Vec<Vec<[T; 16]>> {
        let of_head = |counts: &Vec<u16>| {
            let digits: Vec<u16> = counts.iter().map(|&n| digit(n)).collect();
            let mut tables = Vec::with_capacity(counts.len() / GROUP);
            kernel::subsets(self.isa, &digits, &mut tables);
            tables
        };
        counts.par_iter().map(of_head).collect()
    }

    /// Every number, exactly.
    pub(super) fn exact(&self) -> ArrayD<f64> {
        let geometry = self.geometry();
        let (steps, channels, width) = (geometry.steps, geometry.channels, self.width());
        let sums = self.sums();
        let mut exact = Vec::with_capacity(steps * geometry.rows * channels);
        for t in 0..steps {
            for row in 0..geometry.rows {
                for c in 0..channels {
                    let unit = row / LANES * self.heads + c / width;
                    let place = t * width + c % width;
                    let sum = match sums {
                        Integers::Bytes(sums) => i32::from(sums[unit][place][row % LANES]),
                        Integers::Short(sums) => i32::from(sums[unit][place][row % LANES]),
                        Integers::Long(sums) => sums[unit][place][row % LANES],
                    };
                    exact.push(f64::from(sum) * self.scale);
                }
            }
        }
        array(&geometry.shape, exact)
    }
}

/// The lanes of a block that rows lie in.
fn lanes(block: usize, rows: &Range<usize>) -> Range<usize> {
    let lane = |row: usize| row.clamp(block * LANES, (block + 1) * LANES) - block * LANES;
    lane(rows.start)..lane(rows.end)
}
