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
    layout::{GROUP, Geometry, LANES, Spikes, array},
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
    /// `[heads][blocks]`.
    sums: OnceLock<Vec<Vec<Integers>>>,
}

/// Whole numbers `[T][d][64]`, in as many bits as they need.
#[derive(Debug)]
pub(super) enum Integers {
    Bytes(Vec<[u8; LANES]>),
    Short(Vec<[u16; LANES]>),
    Long(Vec<[i32; LANES]>),
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
        let mut nibbles = Spikes::silent(geometry);
        let of_unit = geometry.steps * self.width() / TILE * LANES;
        let mut heads: Vec<Vec<&mut [u8]>> = (0..self.heads).map(|_| Vec::new()).collect();
        for (unit, out) in nibbles.chunks_exact_mut(of_unit.max(1)).enumerate() {
            heads[unit % self.heads].push(out);
        }
        // Heads do not wait for each other.
        heads.into_par_iter().enumerate().for_each(|(head, blocks)| {
            let tables = self.tables::<u8>(&self.key_values(head));
            let blocks = blocks.into_par_iter().enumerate();
            blocks.for_each_init(Vec::new, |sums, (block, out)| {
                sums.clear();
                sums.resize(geometry.steps * self.width(), [0; LANES]);
                self.select((block, head), &tables, sums);
                kernel::fire_counted(self.isa, neuron, sums, out.as_chunks_mut().0);
            });
        });
        Spikes { geometry: geometry.clone(), nibbles: nibbles.into() }
    }

    /// The sums, worked out once.
    fn sums(&self) -> &[Vec<Integers>] {
        self.sums.get_or_init(|| (0..self.heads).into_par_iter().map(|h| self.of_head(h)).collect())
    }

    /// The sums of a head, block by block, in no more bits than they need.
    fn of_head(&self, head: usize) -> Vec<Integers> {
        let counts = self.key_values(head);
        // No sum of a channel exceeds that of all its counts, no entry four times the greatest.
        // Most are sure to fit 16 bits, which are added up eight at a time.
        let narrow = self.most() <= usize::from(u16::MAX);
        let of_channel = |counts: &[u16]| match narrow {
            true => u32::from(counts.iter().fold(0, |sum: u16, &n| sum.wrapping_add(n))),
            false => counts.iter().map(|&n| u32::from(n)).sum(),
        };
        let channels = counts.iter().flat_map(|counts| counts.chunks_exact(self.width()));
        let sum = channels.map(of_channel).max().unwrap_or(0);
        let greatest = counts.iter().flatten().fold(0, |greatest, &n| n.max(greatest));
        let (entry, byte) = (GROUP as u32 * u32::from(greatest), u32::from(u8::MAX));
        if sum <= byte {
            self.selected(head, &self.tables::<u8>(&counts), Integers::Bytes)
        } else if sum <= u16::MAX.into() && entry <= byte {
            self.selected(head, &self.tables::<u8>(&counts), Integers::Short)
        } else if sum <= u16::MAX.into() {
            self.selected(head, &self.tables::<u16>(&counts), Integers::Short)
        } else {
            // Digit by digit.
            let [low, high] = [0, 8].map(|shift| {
                let digit = |counts: &Vec<u16>| counts.iter().map(|n| n >> shift & 255).collect();
                let digits: Vec<Vec<u16>> = counts.iter().map(digit).collect();
                self.selected(head, &self.tables::<u16>(&digits), |sums: Vec<[u16; LANES]>| sums)
            });
            let sum = |(low, high): ([u16; LANES], [u16; LANES])| {
                std::array::from_fn(|i| i32::from(low[i]) + (i32::from(high[i]) << 8))
            };
            let blocks = low.into_iter().zip(high);
            blocks.map(|(l, h)| Integers::Long(l.into_iter().zip(h).map(sum).collect())).collect()
        }
    }

    /// What `make` makes of the sums of each block of a head.
    fn selected<T: Entry, S: Sum<T>, I: Send>(
        &self,
        head: usize,
        tables: &[Vec<[T; 16]>],
        make: impl Fn(Vec<[S; LANES]>) -> I + Sync,
    ) -> Vec<I> {
        let of_block = |block| {
            let mut sums = vec![[S::default(); LANES]; self.geometry().steps * self.width()];
            self.select((block, head), tables, &mut sums);
            make(sums)
        };
        (0..self.geometry().blocks()).into_par_iter().map(of_block).collect()
    }

    /// Puts the sums in memory.
    pub(super) fn store(&self) {
        self.sums();
    }

    /// The sums of a tile of channels in a block, step by step.
    pub(super) fn tile(&self, block: usize, tile: usize) -> impl Iterator<Item = Sums> {
        let (steps, width) = (self.geometry().steps, self.width());
        let (head, first) = (tile * TILE / width, tile * TILE % width);
        let sums = &self.sums()[head][block];
        (0..steps).map(move |t| {
            let start = t * width + first;
            std::array::from_fn(|n| match sums {
                Integers::Bytes(sums) => sums[start + n].map(i32::from),
                Integers::Short(sums) => sums[start + n].map(i32::from),
                Integers::Long(sums) => sums[start + n],
            })
        })
    }

    /// The sums of a block and head, `[T][d][64]`; `tables` are made of the
    /// [`key_values`](Self::key_values) of the head.
    fn select<T: Entry, S: Sum<T>>(
        &self,
        (block, head): (usize, usize),
        tables: &[Vec<[T; 16]>],
        sums: &mut [[S; LANES]],
    ) {
        let q = &self.qkv[0];
        let (width, tokens) = (self.width(), tokens(&q.geometry));
        for (sample, lanes) in of_samples(block, q.geometry.rows, tokens) {
            let tables = tables[sample].chunks_exact(width * width / GROUP);
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

    /// `V^T K` of each step, `[d][d]`, for the samples of a head.
    fn key_values(&self, head: usize) -> Vec<Vec<u16>> {
        let [_, k, v] = &self.qkv;
        let (tokens, width) = (tokens(self.geometry()), self.width());
        let of_sample = |sample: usize| {
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
        (0..self.geometry().shape[1]).into_par_iter().map(of_sample).collect()
    }

    /// Tables of the counts of each sample.
    fn tables<T: Entry>(&self, counts: &[Vec<u16>]) -> Vec<Vec<[T; 16]>> {
        counts.par_iter().map(|counts| kernel::subsets(self.isa, counts)).collect()
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
                    let place = t * width + c % width;
                    let sum = match &sums[c / width][row / LANES] {
                        Integers::Bytes(sums) => i32::from(sums[place][row % LANES]),
                        Integers::Short(sums) => i32::from(sums[place][row % LANES]),
                        Integers::Long(sums) => sums[place][row % LANES],
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
