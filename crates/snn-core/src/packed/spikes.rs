//! What happens to packed spikes and counts between synapses.

use rayon::prelude::*;

use super::{
    Packed,
    layout::{CountForm, Counts, GROUP, Geometry, LANES, SPREAD, Spikes},
    panel::Packer,
};
use crate::map::{Map, Window};

/// OR over windows.
pub(super) fn max_pool(x: &Spikes, window: Window) -> Spikes {
    let [t, b, height, width, channels] = *x.geometry.shape else {
        panic!("pooling takes [T, B, H, W, C], found {:?}", x.geometry.shape)
    };
    let (rows, columns) = (window.outputs(height), window.outputs(width));
    let geometry = Geometry::new(&[t, b, rows, columns, channels]);
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
