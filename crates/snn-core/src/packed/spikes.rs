//! What happens to packed spikes and counts between synapses.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::{
    Packed,
    layout::{CountForm, Counts, GROUP, Geometry, LANES, SPREAD, Spikes, array},
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
        for (lane, entry) in entries.iter().enumerate() {
            let row = block * LANES + lane;
            if row >= geometry.rows {
                break;
            }
            let start = (t * samples + row / positions) * channels + g * GROUP;
            let end = (start + GROUP).min((t * samples + row / positions + 1) * channels);
            for (sum, &count) in sums[start..end].iter_mut().zip(entry) {
                *sum += u64::from(count);
            }
        }
    }
    let mean = sums.into_iter().map(|sum| sum as f64 / positions as f64).collect();
    Some(array(&[geometry.steps, samples, channels], mean))
}

/// Counts plus spikes; `None` if the sum may exceed a byte.
pub(super) fn add(a: &Counts, b: &Spikes) -> Option<Counts> {
    let max = a.max + 1;
    if max > u32::from(u8::MAX) {
        return None;
    }
    let spread = |nibble: u8| u32::from_ne_bytes(SPREAD[usize::from(nibble & 15)]);
    // No byte overflows into the next: each sum is at most `max`.
    let sum = |a: u32, b: u8| (a + spread(b)).to_ne_bytes();
    let bytes: Vec<[u8; GROUP]> = match &a.form {
        CountForm::Wide(_) => return None,
        CountForm::Bits(a) => a
            .nibbles
            .par_iter()
            .zip(b.nibbles.par_iter())
            .map(|(&a, &b)| sum(spread(a), b))
            .collect(),
        CountForm::Bytes { bytes, .. } => {
            let counts = bytes.par_iter().map(|&a| u32::from_ne_bytes(a));
            counts.zip(b.nibbles.par_iter()).map(|(a, &b)| sum(a, b)).collect()
        }
    };
    let form = CountForm::Bytes { geometry: b.geometry.clone(), bytes: bytes.into() };
    Some(Counts { max, form })
}

/// Both spike, where the shapes are equal.
pub(super) fn mask(a: &Spikes, b: &Spikes) -> Spikes {
    let nibbles: Vec<u8> = a.nibbles.iter().zip(b.nibbles.iter()).map(|(a, b)| a & b).collect();
    Spikes { geometry: a.geometry.clone(), nibbles: nibbles.into() }
}

impl Packed {
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
