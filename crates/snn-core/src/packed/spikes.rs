//! What happens to packed spikes and counts between synapses.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::{
    Packed,
    layout::{CountForm, Counts, GROUP, Geometry, LANES, Spikes, array},
    panel::Packer,
    real::{Kind, Real},
};
use crate::map::{Map, Window};

/// OR over windows.
pub(super) fn max_pool(x: &Spikes, window: Window) -> Spikes {
    let [t, b, height, width, channels] = *x.geometry.shape else {
        panic!("pooling takes [T, B, H, W, C], found {:?}", x.geometry.shape)
    };
    let (rows, columns) = (window.outputs(height), window.outputs(width));
    let geometry = Geometry::new(&[t, b, rows, columns, channels]);
    let every = window.stride(1);
    if window.stride > 1 && (every.outputs(height), every.outputs(width)) == (height, width) {
        // A window that keeps the size runs on whole vectors: then every so many are left out.
        return subsample(&max_pool(x, every), window.stride, geometry);
    }
    let map = Map::depthwise(channels, window);
    let packer = Packer::new(map, &x.nibbles, &x.geometry);
    let (groups, steps) = (geometry.groups(), geometry.steps);
    let mut nibbles = Spikes::silent(&geometry);
    nibbles.par_chunks_mut(geometry.block_len().max(1)).enumerate().for_each_init(
        Vec::new,
        |panels, (block, out)| {
            packer.pack(block, panels);
            for (t, panel) in panels.chunks_exact(packer.len()).enumerate() {
                for (i, seen) in panel.chunks_exact(LANES).enumerate() {
                    let start = (i % groups * steps + t) * LANES;
                    for (out, seen) in out[start..start + LANES].iter_mut().zip(seen) {
                        *out |= seen;
                    }
                }
            }
        },
    );
    Spikes { geometry, nibbles: nibbles.into() }
}

/// Every `stride`-th row and column.
fn subsample(x: &Spikes, stride: usize, geometry: Geometry) -> Spikes {
    let [from_height, from_width] = [x.geometry.shape[2], x.geometry.shape[3]];
    let [rows, columns] = [geometry.shape[2], geometry.shape[3]];
    let source = |row: usize| {
        let (sample, position) = (row / (rows * columns), row % (rows * columns));
        let (y, x) = (position / columns * stride, position % columns * stride);
        (sample * from_height + y) * from_width + x
    };
    let mut nibbles = Spikes::silent(&geometry);
    nibbles.par_chunks_mut(geometry.block_len().max(1)).enumerate().for_each(|(block, out)| {
        let lanes = geometry.rows.saturating_sub(block * LANES).min(LANES);
        let places: Vec<(usize, usize)> =
            (0..lanes).map(|i| source(block * LANES + i)).map(|r| (r / LANES, r % LANES)).collect();
        for (i, out) in out.chunks_exact_mut(LANES).enumerate() {
            let (g, t) = (i / geometry.steps, i % geometry.steps);
            for (out, &(block, lane)) in out.iter_mut().zip(&places) {
                *out = x.nibbles[x.geometry.start(t, block, g) + lane];
            }
        }
    });
    Spikes { geometry, nibbles: nibbles.into() }
}

/// The mean over positions of counts times 1, which are exact sums; `None` if
/// `x` is something else.
pub(super) fn mean_counts(x: &Real) -> Option<ArrayD<f64>> {
    let Kind::Scaled(counts, 1.0) = &x.0.kind else { return None };
    let CountForm::Bytes { geometry, bytes } = &counts.form else { return None };
    let (samples, channels) = (geometry.shape[1], geometry.channels);
    let positions = geometry.rows / samples.max(1);
    let mut sums = vec![0u64; geometry.steps * samples * channels];
    for (i, entries) in bytes.chunks_exact(LANES).enumerate() {
        let (rest, t) = (i / geometry.steps, i % geometry.steps);
        let (block, g) = (rest / geometry.groups(), rest % geometry.groups());
        for (sample, lanes) in of_samples(block, geometry.rows, positions) {
            let mut of_group = [0u32; GROUP];
            for entry in &entries[lanes] {
                of_group.iter_mut().zip(entry).for_each(|(sum, &count)| *sum += u32::from(count));
            }
            let first = (t * samples + sample) * channels;
            let there = g * GROUP..channels.min((g + 1) * GROUP);
            for (sum, of_lanes) in sums[first..first + channels][there].iter_mut().zip(of_group) {
                *sum += u64::from(of_lanes);
            }
        }
    }
    let mean = sums.into_iter().map(|sum| sum as f64 / positions as f64).collect();
    Some(array(&[geometry.steps, samples, channels], mean))
}

/// Groups of each head, if heads are whole groups and their sums bytes.
fn groups_of_heads(geometry: &Geometry, heads: usize) -> Option<usize> {
    let whole = heads > 0 && geometry.channels.is_multiple_of(heads * GROUP);
    (whole && geometry.channels / heads <= usize::from(u8::MAX))
        .then(|| geometry.channels / heads / GROUP)
}

fn with_channels(geometry: &Geometry, channels: usize) -> Geometry {
    let mut shape = geometry.shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = channels;
    }
    Geometry::new(&shape)
}

/// The four bytes of a nibble, each 0 or 1.
pub(super) const fn spread(nibble: u8) -> u32 {
    (nibble as u32 & 15).wrapping_mul(0x0020_4081) & 0x0101_0101
}

/// Counts plus spikes; `None` if the sum may exceed a byte.
pub(super) fn add(a: &Counts, b: &Spikes) -> Option<Counts> {
    let max = a.max + 1;
    if max > u32::from(u8::MAX) {
        return None;
    }
    // No byte overflows into the next: each sum is at most `max`.
    let sum = |a: u32, b: u8| (a + spread(b)).to_le_bytes();
    let mut bytes = vec![[0; GROUP]; b.nibbles.len()];
    let out = bytes.par_chunks_mut(64 * LANES).zip(b.nibbles.par_chunks(64 * LANES));
    match &a.form {
        CountForm::Wide(_) => return None,
        CountForm::Bits(a) => {
            out.zip(a.nibbles.par_chunks(64 * LANES)).for_each(|((out, b), a)| {
                for ((out, &b), &a) in out.iter_mut().zip(b).zip(a) {
                    *out = sum(spread(a), b);
                }
            });
        }
        CountForm::Bytes { bytes: a, .. } => {
            out.zip(a.par_chunks(64 * LANES)).for_each(|((out, b), a)| {
                for ((out, &b), &a) in out.iter_mut().zip(b).zip(a) {
                    *out = sum(u32::from_le_bytes(a), b);
                }
            });
        }
    }
    let form = CountForm::Bytes { geometry: b.geometry.clone(), bytes: bytes.into() };
    Some(Counts { max, form })
}

/// Both spike, where the shapes are equal or `b` is one position for all; else
/// `None`.
pub(super) fn mask(a: &Spikes, b: &Spikes) -> Option<Spikes> {
    let Geometry { steps, rows, channels, ref shape } = a.geometry;
    let samples = shape.get(1).copied().unwrap_or(1);
    let one_position = b.geometry.steps == steps
        && b.geometry.channels == channels
        && b.geometry.rows == samples
        && b.geometry.shape.get(1) == Some(&samples);
    let mut nibbles = a.nibbles.to_vec();
    if a.geometry == b.geometry {
        nibbles.par_iter_mut().zip(&*b.nibbles).for_each(|(a, b)| *a &= b);
    } else if one_position && samples > 0 {
        let positions = rows / samples;
        let groups = a.geometry.groups();
        nibbles.par_chunks_mut(steps * LANES).enumerate().for_each(|(i, nibbles)| {
            let (block, group) = (i / groups, i % groups);
            for (t, nibbles) in nibbles.chunks_exact_mut(LANES).enumerate() {
                for (sample, lanes) in of_samples(block, rows, positions) {
                    let gate = b.nibbles[b.geometry.entry(t, sample, group)];
                    nibbles[lanes].iter_mut().for_each(|nibble| *nibble &= gate);
                }
            }
        });
    } else {
        return None;
    }
    Some(Spikes { geometry: a.geometry.clone(), nibbles: nibbles.into() })
}

/// The samples that have rows in a block, and their lanes.
pub(super) fn of_samples(
    block: usize,
    rows: usize,
    positions: usize,
) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let (first, end) = (block * LANES, rows.min((block + 1) * LANES));
    (first / positions..end.div_ceil(positions)).map(move |sample| {
        let lane = |row: usize| row.clamp(first, end) - first;
        (sample, lane(sample * positions)..lane((sample + 1) * positions))
    })
}

impl Packed {
    /// How many positions spike, channel by channel: `[T, B, positions..., C]`
    /// to `[T, B, 1..., C]`.
    pub fn channel_sums(&self, x: &Spikes) -> Counts {
        let Geometry { steps, rows, channels, ref shape } = x.geometry;
        let samples = shape[1];
        let positions = (rows / samples.max(1)).max(1);
        let mut sums = vec![0u32; steps * samples * channels];
        for (i, nibbles) in x.nibbles.chunks_exact(LANES).enumerate() {
            let (rest, t) = (i / steps, i % steps);
            let (block, group) = (rest / x.geometry.groups(), rest % x.geometry.groups());
            for (sample, lanes) in of_samples(block, rows, positions) {
                // At most 64 a byte.
                let spread = nibbles[lanes].iter().map(|&nibble| spread(nibble));
                let counts = spread.sum::<u32>().to_le_bytes();
                let start = (t * samples + sample) * channels;
                let sums = &mut sums[start + group * GROUP..start + channels];
                for (sum, count) in sums.iter_mut().zip(counts) {
                    *sum += u32::from(count);
                }
            }
        }
        let mut summed = vec![1; shape.len()];
        (summed[0], summed[1], summed[shape.len() - 1]) = (steps, samples, channels);
        Counts::pack(&array(&summed, sums))
    }

    /// How many channels of each head spike, position by position:
    /// `[T, B, positions..., C]` to `[T, B, positions..., heads]`; `None` if
    /// heads are not whole groups of four channels, or wider than 255.
    pub fn head_sums(&self, x: &Spikes, heads: usize) -> Option<Counts> {
        let of_head = groups_of_heads(&x.geometry, heads)?;
        let geometry = with_channels(&x.geometry, heads);
        let mut bytes = vec![[0; GROUP]; geometry.len()];
        let groups = geometry.groups();
        bytes.par_chunks_mut(LANES).enumerate().for_each(|(i, counts)| {
            let (rest, t) = (i / geometry.steps, i % geometry.steps);
            let (block, group) = (rest / groups, rest % groups);
            for head in group * GROUP..heads.min((group + 1) * GROUP) {
                for g in head * of_head..(head + 1) * of_head {
                    let start = x.geometry.start(t, block, g);
                    let nibbles = &x.nibbles[start..start + LANES];
                    for (counts, nibble) in counts.iter_mut().zip(nibbles) {
                        let pairs = nibble - (nibble >> 1 & 5);
                        counts[head % GROUP] += (pairs & 3) + (pairs >> 2);
                    }
                }
            }
        });
        let max = (of_head * GROUP) as u32;
        Some(Counts { max, form: CountForm::Bytes { geometry, bytes: bytes.into() } })
    }

    /// `x`, `[T, B, positions..., C]`, where the gate of its head and position
    /// is open, `[T, B, positions..., heads]`; `None` where
    /// [`head_sums`](Self::head_sums) gives none.
    pub fn mask_heads(&self, x: &Spikes, gate: &Spikes) -> Option<Spikes> {
        let of_head = groups_of_heads(&x.geometry, gate.geometry.channels)?;
        if gate.geometry != with_channels(&x.geometry, gate.geometry.channels) {
            return None;
        }
        let (steps, groups) = (x.geometry.steps, x.geometry.groups());
        let mut nibbles = x.nibbles.to_vec();
        nibbles.par_chunks_mut(LANES).enumerate().for_each(|(i, nibbles)| {
            let (rest, t) = (i / steps, i % steps);
            let (block, head) = (rest / groups, rest % groups / of_head);
            let start = gate.geometry.start(t, block, head / GROUP);
            let gates = &gate.nibbles[start..start + LANES];
            for (nibble, gate) in nibbles.iter_mut().zip(gates) {
                *nibble &= (gate >> (head % GROUP) & 1) * 15;
            }
        });
        Some(Spikes { geometry: x.geometry.clone(), nibbles: nibbles.into() })
    }

    /// Elements and spikes of every step, and the sum of counts.
    pub(super) fn busy(x: &Spikes) -> Vec<f64> {
        let steps = x.geometry.steps;
        let mut spikes = vec![0u64; steps];
        for (i, nibbles) in x.nibbles.chunks_exact(LANES).enumerate() {
            let ones: u32 = nibbles.iter().map(|nibble| nibble.count_ones()).sum();
            spikes[i % steps] += u64::from(ones);
        }
        spikes.into_iter().map(|n| n as f64).collect()
    }
}
