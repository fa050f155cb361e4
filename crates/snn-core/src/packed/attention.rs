//! Linear attention on packed spikes: `Q (K^T V)`, head by head.
//!
//! The first product counts, for two channels, the tokens where both spike: the
//! bits of a channel over 64 tokens are a word. The second is a product of
//! spikes with small weights, and runs on the same tables as any other.

use rayon::prelude::*;

use super::{
    isa::Isa,
    kernel::{self, Sums, TILE},
    layout::{GROUP, Geometry, LANES, Spikes},
    real::{Integers, Real},
};

/// Byte digits of a table entry: a sum of four counts of tokens.
const DIGITS: usize = 2;

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
        let mut counts = vec![0u16; width * width];
        for t in 0..steps {
            for sample in 0..samples {
                let rows = sample * tokens..(sample + 1) * tokens;
                let words = |words: &[u64], c: usize| {
                    bits(&words[((first + c) * steps + t) * blocks..][..blocks], &rows)
                };
                let v_bits: Vec<Vec<u64>> = (0..width).map(|c| words(&v_words, c)).collect();
                for (i, counts) in counts.chunks_exact_mut(width).enumerate() {
                    let k_bits = words(&k_words, i);
                    for (count, v_bits) in counts.iter_mut().zip(&v_bits) {
                        let both = k_bits.iter().zip(v_bits).map(|(k, v)| (k & v).count_ones());
                        *count = both.sum::<u32>() as u16;
                    }
                }
                let tables = tables(&counts, width);
                let per_tile = tables.len() / of_head;
                for block in rows.start / LANES..rows.end.div_ceil(LANES) {
                    let panel: Vec<u8> = (0..of_head)
                        .flat_map(|g| {
                            let start = geometry.start(t, block, head * of_head + g);
                            &q.nibbles[start..start + LANES]
                        })
                        .copied()
                        .collect();
                    let lanes = rows.start.saturating_sub(block * LANES)
                        ..(rows.end - block * LANES).min(LANES);
                    for (tile, tables) in tables.chunks_exact(per_tile).enumerate() {
                        let mut sums: Sums = [[0; LANES]; TILE];
                        kernel::lut::<DIGITS>(isa, &panel, tables, &mut sums);
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
    Real::integers(Integers { geometry: geometry.clone(), values, scale })
}

/// Whether [`linear_attention`] can take these: equal shapes, heads of whole
/// groups, and counts that stay inside their digits.
pub(super) fn fits([q, k, v]: [&Spikes; 3], heads: usize) -> bool {
    let geometry = &q.geometry;
    let equal = *geometry == k.geometry && *geometry == v.geometry;
    let whole = heads > 0 && geometry.channels.is_multiple_of(heads * GROUP);
    equal && whole && samples(geometry).1 * GROUP < 1 << (8 * DIGITS)
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

/// Tables `[tiles][groups][TILE][DIGITS]` of the rows `[width][width]` of
/// `K^T V` that four channels of a query select.
fn tables(counts: &[u16], width: usize) -> Vec<[u8; 16]> {
    let groups = width / GROUP;
    let mut tables = vec![[0; 16]; groups * groups * TILE * DIGITS];
    for (i, digits) in tables.chunks_exact_mut(DIGITS).enumerate() {
        let (n, g, tile) = (i % TILE, i / TILE % groups, i / TILE / groups);
        let column = tile * TILE + n;
        let mut sums = [0u16; 16];
        for nibble in 1..16usize {
            let low = nibble.trailing_zeros() as usize;
            sums[nibble] = sums[nibble & (nibble - 1)] + counts[(g * GROUP + low) * width + column];
        }
        digits[0] = sums.map(|sum| sum as u8);
        digits[1] = sums.map(|sum| (sum >> 8) as u8);
    }
    tables
}
