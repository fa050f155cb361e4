//! Linear attention on packed spikes: `Q (K^T V)`, head by head.
//!
//! The first product counts, for two channels, the tokens where both spike: the
//! bits of a channel over 64 tokens are a word. The second is a product of
//! spikes with small weights.

use rayon::prelude::*;

use super::{
    isa::Isa,
    kernel::{self, Sums, TILE},
    layout::{GROUP, Geometry, LANES, Spikes},
    real::{Integers, Real},
    spikes::spread,
};

/// Most tokens that are counted in one signed byte, and in two.
const TOKENS: [usize; 2] = [127, 127 * 256 + 127];

/// `scale Q (K^T V)` per time step, sample and head, where [`fits`] says so.
pub(super) fn linear_attention(
    isa: Isa,
    [q, k, v]: [&Spikes; 3],
    heads: usize,
    scale: f64,
) -> Real {
    let geometry = &q.geometry;
    let (steps, groups) = (geometry.steps, geometry.groups());
    let (samples, tokens) = samples(geometry);
    let width = geometry.channels / heads;
    let (k_words, v_words) = (channel_words(k), channel_words(v));
    let mut values = vec![0i32; geometry.len() * TILE];
    // One task a head: its channels are whole groups, in every block.
    let mut tiles: Vec<(usize, &mut [i32])> =
        values.chunks_exact_mut(steps * TILE * LANES).enumerate().collect();
    let of_head = width / GROUP;
    tiles.sort_by_key(|(i, _)| (i % groups) / of_head); // stable: blocks stay in order
    let blocks = geometry.blocks();
    tiles.par_chunks_mut(blocks * of_head).enumerate().for_each(|(head, tiles)| {
        let first = head * width;
        let digits = if tokens <= TOKENS[0] { 1 } else { 2 };
        let mut counts = vec![0u16; width * width];
        let mut weights = vec![[0; GROUP]; width * of_head * digits];
        let mut panel = vec![[0; GROUP]; of_head * LANES];
        for t in 0..steps {
            for sample in 0..samples {
                let rows = sample * tokens..(sample + 1) * tokens;
                let words = |words: &[u64]| -> Vec<u64> {
                    let channel = |c: usize| &words[((first + c) * steps + t) * blocks..][..blocks];
                    (0..width).flat_map(|c| bits(channel(c), &rows)).collect()
                };
                let (k, v) = (words(&k_words), words(&v_words));
                kernel::overlaps(isa, &k, &v, tokens.div_ceil(LANES), &mut counts);
                lay_out(&counts, width, digits, &mut weights);
                for block in rows.start / LANES..rows.end.div_ceil(LANES) {
                    for (g, panel) in panel.chunks_exact_mut(LANES).enumerate() {
                        let start = geometry.start(t, block, head * of_head + g);
                        let nibbles = &q.nibbles[start..start + LANES];
                        for (entry, &nibble) in panel.iter_mut().zip(nibbles) {
                            *entry = spread(nibble).to_le_bytes();
                        }
                    }
                    let lanes = rows.start.saturating_sub(block * LANES)
                        ..(rows.end - block * LANES).min(LANES);
                    for (tile, weights) in weights.chunks_exact(width * digits).enumerate() {
                        let mut sums: Sums = [[0; LANES]; TILE];
                        match digits {
                            1 => kernel::dense::<1>(isa, &panel, 1, weights, &mut sums),
                            _ => kernel::dense::<2>(isa, &panel, 1, weights, &mut sums),
                        }
                        let (_, out) = &mut tiles[block * of_head + tile];
                        let step = &mut out[t * TILE * LANES..(t + 1) * TILE * LANES];
                        for (out, sums) in step.chunks_exact_mut(LANES).zip(&sums) {
                            out[lanes.clone()].copy_from_slice(&sums[lanes.clone()]);
                        }
                    }
                }
            }
        }
    });
    let most = (width * tokens) as u32;
    Real::integers(Integers { geometry: geometry.clone(), values, most, scale })
}

/// Whether [`linear_attention`] can take these: equal shapes, heads of whole
/// groups, and counts that stay inside their digits.
pub(super) fn fits([q, k, v]: [&Spikes; 3], heads: usize) -> bool {
    let geometry = &q.geometry;
    let equal = *geometry == k.geometry && *geometry == v.geometry;
    let whole = heads > 0 && geometry.channels.is_multiple_of(heads * GROUP);
    equal && whole && samples(geometry).1 <= TOKENS[1]
}

/// Samples and rows of each.
fn samples(geometry: &Geometry) -> (usize, usize) {
    let samples = geometry.shape[1];
    (samples, geometry.rows / samples.max(1))
}

/// Words `[channels][T][blocks]`: bit `i` is row `i` of the block.
fn channel_words(x: &Spikes) -> Vec<u64> {
    let Geometry { steps, channels, .. } = x.geometry;
    let blocks = x.geometry.blocks();
    let mut words = vec![0; channels * steps * blocks];
    words.par_chunks_mut(steps * blocks).enumerate().for_each(|(c, words)| {
        for (i, word) in words.iter_mut().enumerate() {
            let (t, block) = (i / blocks, i % blocks);
            let start = x.geometry.start(t, block, c / GROUP);
            let (eights, _) = x.nibbles[start..start + LANES].as_chunks::<8>();
            for (i, eight) in eights.iter().enumerate() {
                // One bit of each byte, gathered into the top byte.
                let bits = u64::from_le_bytes(*eight) >> (c % GROUP) & 0x0101_0101_0101_0101;
                *word |= (bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
            }
        }
    });
    words
}

/// The bits of `rows`, from bit 0 on.
fn bits(words: &[u64], rows: &std::ops::Range<usize>) -> Vec<u64> {
    let (first, shift) = (rows.start / LANES, rows.start % LANES);
    let count = rows.len().div_ceil(LANES);
    let word = |i: usize| words.get(i).copied().unwrap_or(0);
    let mut bits: Vec<u64> = (first..first + count)
        .map(|i| match shift {
            0 => word(i),
            _ => word(i) >> shift | word(i + 1) << (LANES - shift),
        })
        .collect();
    if let Some(last) = bits.last_mut()
        && !rows.len().is_multiple_of(LANES)
    {
        *last &= (1 << (rows.len() % LANES)) - 1;
    }
    bits
}

/// Columns of `K^T V`, `[width][width]`, as the dense kernel reads weights:
/// `[tiles][groups][TILE][digits]`, signed bytes, the lowest first.
fn lay_out(counts: &[u16], width: usize, digits: usize, weights: &mut [[i8; GROUP]]) {
    let groups = width / GROUP;
    for (i, weights) in weights.chunks_exact_mut(digits).enumerate() {
        let (n, g, tile) = (i % TILE, i / TILE % groups, i / TILE / groups);
        for j in 0..GROUP {
            let mut count = i32::from(counts[(g * GROUP + j) * width + tile * TILE + n]);
            for weights in weights.iter_mut() {
                weights[j] = count as u8 as i8;
                count = (count - i32::from(weights[j])) >> 8;
            }
        }
    }
}
