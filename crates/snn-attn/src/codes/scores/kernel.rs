//! Bits in common, four at a time: a nibble of the query chooses the table in which the nibbles of
//! 64 keys look up how many bits they share with it.

use snn_core::packed::{Isa, Level};
use snn_hash::BitCodes;

use super::Scale;

/// Keys side by side.
pub(super) const LANES: usize = 64;
/// Bits of a group.
pub(super) const QUAD: usize = 4;
/// Groups whose counts fit a byte.
const GROUPS: usize = u8::MAX as usize / QUAD;

/// For each nibble of a query, the bits that it shares with each nibble of a key.
const SHARED: [[u8; 16]; 16] = {
    let (mut tables, mut i) = ([[0; 16]; 16], 0);
    while i < 256 {
        tables[i / 16][i % 16] = ((i / 16) & (i % 16)).count_ones() as u8;
        i += 1;
    }
    tables
};

/// A group of a query that is not silent: its place and its bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quad {
    group: u32,
    bits: u8,
}

/// The groups of a code that are not silent.
pub(super) fn quads(code: &[u64], quads: &mut Vec<Quad>) {
    quads.clear();
    for (w, &word) in code.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            let i = left.trailing_zeros() / QUAD as u32;
            let bits = (word >> (QUAD as u32 * i) & 15) as u8;
            quads.push(Quad { group: 16 * w as u32 + i, bits });
            left &= !(15 << (QUAD as u32 * i));
        }
    }
}

/// The nibbles of codes, `[blocks][groups][64]`; what follows the last code is silent.
pub(super) fn planes(codes: &BitCodes) -> Vec<[u8; LANES]> {
    let groups = codes.bits().div_ceil(QUAD);
    let mut planes = vec![[0; LANES]; codes.len().div_ceil(LANES) * groups];
    for (i, code) in codes.iter().enumerate() {
        let block = &mut planes[i / LANES * groups..][..groups];
        for (g, plane) in block.iter_mut().enumerate() {
            plane[i % LANES] = (code[g / 16] >> (QUAD * (g % 16)) & 15) as u8;
        }
    }
    planes
}

/// Adds `factor` for each bit that a key shares with the query to its score.
///
/// # Panics
/// If there are more scores than keys, or a group of the query that keys have not.
#[allow(unsafe_code)]
pub(super) fn add(isa: Isa, scale: &Scale, query: &[Quad], scores: &mut [i16]) {
    let Scale { factor, planes, groups } = scale;
    let (scores, rest) = scores.as_chunks_mut::<LANES>();
    assert!(rest.is_empty() && scores.len() * groups <= planes.len(), "scores of the keys");
    assert!(query.iter().all(|quad| (quad.group as usize) < *groups), "groups of the keys");
    for query in query.chunks(GROUPS) {
        match isa.level() {
            Level::Portable => portable(*factor, planes, *groups, query, scores),
            // SAFETY: only `Isa::all` makes this level, after detecting AVX2; lengths were checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2(*factor, planes, *groups, query, scores) },
            // SAFETY: only `Isa::all` makes this level, after detecting AVX-512 F and BW; lengths
            // were checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::avx512(*factor, planes, *groups, query, scores) },
        }
    }
}

/// The obvious form.
fn portable(
    factor: i16,
    planes: &[[u8; LANES]],
    groups: usize,
    query: &[Quad],
    scores: &mut [[i16; LANES]],
) {
    for (scores, planes) in scores.iter_mut().zip(planes.chunks_exact(groups.max(1))) {
        let mut shared = [0u8; LANES];
        for quad in query {
            for (shared, key) in shared.iter_mut().zip(&planes[quad.group as usize]) {
                // The bits of a nibble, counted without a table: many at a time on any processor.
                let both = key & quad.bits;
                let pairs = both - (both >> 1 & 5);
                *shared += (pairs & 3) + (pairs >> 2);
            }
        }
        for (score, shared) in scores.iter_mut().zip(shared) {
            *score = score.saturating_add(factor * i16::from(shared));
        }
    }
}

/// Appends the places of all scores that are at least `least`.
#[allow(unsafe_code)]
pub(super) fn at_least(isa: Isa, scores: &[i16], least: i16, places: &mut Vec<u32>) {
    let (blocks, rest) = scores.as_chunks::<LANES>();
    assert!(rest.is_empty(), "whole blocks");
    let masks = |block: &[i16; LANES]| match isa.level() {
        Level::Portable => mask(block, least),
        // SAFETY: only `Isa::all` makes this level, after detecting AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::mask_avx2(block, least) },
        // SAFETY: only `Isa::all` makes this level, after detecting AVX-512 F and BW.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::mask_avx512(block, least) },
    };
    for (b, block) in blocks.iter().enumerate() {
        let mut mask = masks(block);
        while mask != 0 {
            places.push((b * LANES) as u32 + mask.trailing_zeros());
            mask &= mask - 1;
        }
    }
}

/// Bit `i` says whether score `i` is at least `least`.
fn mask(scores: &[i16; LANES], least: i16) -> u64 {
    let bits = scores.iter().enumerate().map(|(i, &score)| u64::from(score >= least) << i);
    bits.fold(0, |mask, bit| mask | bit)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LANES, Quad, SHARED};

    /// Blocks that share the tables of a query.
    const BLOCKS: usize = 4;

    /// # Safety
    /// The CPU has AVX-512 F and BW; `planes` holds `groups` for each block of scores, and the
    /// groups of the query are among them.
    #[target_feature(enable = "avx512f,avx512bw")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx512(
        factor: i16,
        planes: &[[u8; LANES]],
        groups: usize,
        query: &[Quad],
        scores: &mut [[i16; LANES]],
    ) {
        let factor = _mm512_set1_epi16(factor);
        for (i, scores) in scores.chunks_mut(BLOCKS).enumerate() {
            let count = scores.len();
            let mut shared = [_mm512_setzero_si512(); BLOCKS];
            for quad in query {
                // SAFETY: nibbles are below 16, and the planes are there.
                unsafe {
                    let table = SHARED.as_ptr().add(usize::from(quad.bits));
                    let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()));
                    let plane = planes.as_ptr().add(i * BLOCKS * groups + quad.group as usize);
                    for (b, shared) in shared.iter_mut().take(count).enumerate() {
                        let keys = _mm512_loadu_si512(plane.add(b * groups).cast());
                        *shared = _mm512_add_epi8(*shared, _mm512_shuffle_epi8(table, keys));
                    }
                }
            }
            for (scores, shared) in scores.iter_mut().zip(shared) {
                let halves = [_mm512_castsi512_si256(shared), _mm512_extracti64x4_epi64(shared, 1)];
                for (half, shared) in halves.into_iter().enumerate() {
                    let more = _mm512_mullo_epi16(_mm512_cvtepu8_epi16(shared), factor);
                    // SAFETY: 32 numbers.
                    unsafe {
                        let scores = scores.as_mut_ptr().add(32 * half);
                        let sum = _mm512_adds_epi16(_mm512_loadu_si512(scores.cast()), more);
                        _mm512_storeu_si512(scores.cast(), sum);
                    }
                }
            }
        }
    }

    /// # Safety
    /// The CPU has AVX2; lengths as for [`avx512`].
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx2(
        factor: i16,
        planes: &[[u8; LANES]],
        groups: usize,
        query: &[Quad],
        scores: &mut [[i16; LANES]],
    ) {
        let factor = _mm256_set1_epi16(factor);
        for (i, scores) in scores.chunks_mut(BLOCKS).enumerate() {
            let count = scores.len();
            let mut shared = [[_mm256_setzero_si256(); 2]; BLOCKS];
            for quad in query {
                // SAFETY: nibbles are below 16, and the planes are there.
                unsafe {
                    let table = SHARED.as_ptr().add(usize::from(quad.bits));
                    let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()));
                    let plane = planes.as_ptr().add(i * BLOCKS * groups + quad.group as usize);
                    for (b, shared) in shared.iter_mut().take(count).enumerate() {
                        let keys = plane.add(b * groups).cast::<__m256i>();
                        for (half, shared) in shared.iter_mut().enumerate() {
                            let keys = _mm256_loadu_si256(keys.add(half));
                            *shared = _mm256_add_epi8(*shared, _mm256_shuffle_epi8(table, keys));
                        }
                    }
                }
            }
            for (scores, shared) in scores.iter_mut().zip(shared) {
                let quarters = shared
                    .map(|half| [_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)]);
                for (quarter, shared) in quarters.into_iter().flatten().enumerate() {
                    let more = _mm256_mullo_epi16(_mm256_cvtepu8_epi16(shared), factor);
                    // SAFETY: 16 numbers.
                    unsafe {
                        let scores = scores.as_mut_ptr().add(16 * quarter);
                        let sum = _mm256_adds_epi16(_mm256_loadu_si256(scores.cast()), more);
                        _mm256_storeu_si256(scores.cast(), sum);
                    }
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn mask_avx512(scores: &[i16; LANES], least: i16) -> u64 {
        let least = _mm512_set1_epi16(least);
        // SAFETY: 64 numbers.
        let [low, high] =
            [0, 32].map(|i| unsafe { _mm512_loadu_si512(scores.as_ptr().add(i).cast()) });
        let [low, high] = [low, high].map(|scores| _mm512_cmpge_epi16_mask(scores, least));
        u64::from(low) | u64::from(high) << 32
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn mask_avx2(scores: &[i16; LANES], least: i16) -> u64 {
        let least = _mm256_set1_epi16(least);
        // SAFETY: 64 numbers.
        let [a, b, c, d] =
            [0, 16, 32, 48].map(|i| unsafe { _mm256_loadu_si256(scores.as_ptr().add(i).cast()) });
        // All ones where a score is less; quarters are packed in the order 0, 2, 1, 3.
        let [a, b, c, d] = [a, b, c, d].map(|scores| _mm256_cmpgt_epi16(least, scores));
        let half = |a, b| {
            let less = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0b11_01_10_00);
            u64::from(!_mm256_movemask_epi8(less).cast_unsigned())
        };
        half(a, b) | half(c, d) << 32
    }
}
