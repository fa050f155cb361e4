//! 32 bytes or 16 words in a register.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{LANES, TILE, View};

/// All ones in the bytes of the lanes that are there.
#[target_feature(enable = "avx2")]
fn mask(there: u32) -> __m256i {
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    let byte =
        _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
    let spread = _mm256_shuffle_epi8(_mm256_set1_epi32(there as i32), byte);
    _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit)
}

/// # Safety
/// The CPU has AVX2; lengths as for [`avx512::bytes`](super::avx512).
#[target_feature(enable = "avx2")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn bytes(view: &View<'_>, tables: &[[u8; 16]], sums: &mut [[[u8; LANES]; TILE]]) {
    let groups = view.groups().len();
    for half in [0, 32] {
        let there = mask((view.there >> half) as u32);
        let tables = tables.chunks_exact((TILE * groups).max(1));
        for (sums, tables) in sums.iter_mut().zip(tables) {
            // SAFETY: 32 bytes each.
            let mut all: [__m256i; TILE] = std::array::from_fn(|n| unsafe {
                _mm256_loadu_si256(sums[n].as_ptr().add(half).cast())
            });
            for (g, nibbles) in view.groups().enumerate() {
                // SAFETY: 32 bytes.
                let nibbles = unsafe { _mm256_loadu_si256(nibbles.as_ptr().add(half).cast()) };
                let nibbles = _mm256_and_si256(nibbles, there);
                for (n, all) in all.iter_mut().enumerate() {
                    // SAFETY: the table of this channel and group.
                    let entries = unsafe {
                        let table = tables.as_ptr().add(n * groups + g);
                        _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()))
                    };
                    *all = _mm256_adds_epu8(*all, _mm256_shuffle_epi8(entries, nibbles));
                }
            }
            for (sums, all) in sums.iter_mut().zip(all) {
                // SAFETY: 32 bytes.
                unsafe { _mm256_storeu_si256(sums.as_mut_ptr().add(half).cast(), all) };
            }
        }
    }
}

/// 16 rows in a register: the lower and upper bytes of entries are looked up apart.
///
/// # Safety
/// The CPU has AVX2; lengths as for [`avx512::bytes`](super::avx512).
#[target_feature(enable = "avx2")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn words(
    view: &View<'_>,
    tables: &[[u16; 16]],
    sums: &mut [[[u16; LANES]; TILE]],
) {
    let groups = view.groups().len();
    let bytes = _mm256_set1_epi16(0xff);
    for part in (0..LANES).step_by(16) {
        let there = mask((view.there >> part) as u32 & 0xffff);
        let there = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(there));
        let tables = tables.chunks_exact((TILE * groups).max(1));
        for (sums, tables) in sums.iter_mut().zip(tables) {
            // SAFETY: 16 numbers each.
            let mut all: [__m256i; TILE] = std::array::from_fn(|n| unsafe {
                _mm256_loadu_si256(sums[n].as_ptr().add(part).cast())
            });
            for (g, nibbles) in view.groups().enumerate() {
                // SAFETY: 16 bytes.
                let nibbles = unsafe { _mm_loadu_si128(nibbles.as_ptr().add(part).cast()) };
                let nibbles = _mm256_and_si256(_mm256_cvtepu8_epi16(nibbles), there);
                // The upper byte of each number selects from the upper bytes of a table.
                let index = _mm256_or_si256(nibbles, _mm256_slli_epi16(nibbles, 8));
                for (n, all) in all.iter_mut().enumerate() {
                    // SAFETY: the table of this channel and group.
                    let entries = unsafe {
                        let table = tables.as_ptr().add(n * groups + g);
                        _mm256_loadu_si256(table.cast())
                    };
                    // Lower bytes of all sixteen in the lower half, upper ones in the other.
                    let low = _mm256_and_si256(entries, bytes);
                    let apart = _mm256_packus_epi16(low, _mm256_srli_epi16(entries, 8));
                    let low = _mm256_permute4x64_epi64(apart, 0b10_00_10_00);
                    let high = _mm256_permute4x64_epi64(apart, 0b11_01_11_01);
                    let low = _mm256_and_si256(_mm256_shuffle_epi8(low, index), bytes);
                    let high = _mm256_andnot_si256(bytes, _mm256_shuffle_epi8(high, index));
                    *all = _mm256_add_epi16(*all, _mm256_or_si256(low, high));
                }
            }
            for (sums, all) in sums.iter_mut().zip(all) {
                // SAFETY: 16 numbers.
                unsafe { _mm256_storeu_si256(sums.as_mut_ptr().add(part).cast(), all) };
            }
        }
    }
}

/// As [`avx512::wide`](super::avx512), 32 rows at a time.
///
/// # Safety
/// The CPU has AVX2; lengths as for [`avx512::bytes`](super::avx512).
#[target_feature(enable = "avx2")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn wide(view: &View<'_>, tables: &[[u8; 16]], sums: &mut [[[u16; LANES]; TILE]]) {
    let groups = view.groups().len();
    for half in [0, 32] {
        let there = mask((view.there >> half) as u32);
        let tables = tables.chunks_exact((TILE * groups).max(1));
        for (sums, tables) in sums.iter_mut().zip(tables) {
            let mut both = [_mm256_setzero_si256(); TILE];
            let mut upper = both;
            for (g, nibbles) in view.groups().enumerate() {
                // SAFETY: 32 bytes.
                let nibbles = unsafe { _mm256_loadu_si256(nibbles.as_ptr().add(half).cast()) };
                let nibbles = _mm256_and_si256(nibbles, there);
                for n in 0..TILE {
                    // SAFETY: the table of this channel and group.
                    let entries = unsafe {
                        let table = tables.as_ptr().add(n * groups + g);
                        _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()))
                    };
                    let entries = _mm256_shuffle_epi8(entries, nibbles);
                    both[n] = _mm256_add_epi16(both[n], entries);
                    upper[n] = _mm256_add_epi16(upper[n], _mm256_srli_epi16(entries, 8));
                }
            }
            for (n, sums) in sums.iter_mut().enumerate() {
                let lower = _mm256_sub_epi16(both[n], _mm256_slli_epi16(upper[n], 8));
                let near = _mm256_unpacklo_epi16(lower, upper[n]);
                let far = _mm256_unpackhi_epi16(lower, upper[n]);
                let quarters = [
                    _mm256_permute2x128_si256(near, far, 0x20),
                    _mm256_permute2x128_si256(near, far, 0x31),
                ];
                for (quarter, more) in quarters.into_iter().enumerate() {
                    // SAFETY: 16 numbers.
                    unsafe {
                        let sums = sums.as_mut_ptr().add(half + 16 * quarter);
                        let all = _mm256_add_epi16(_mm256_loadu_si256(sums.cast()), more);
                        _mm256_storeu_si256(sums.cast(), all);
                    }
                }
            }
        }
    }
}
