//! 64 bytes or 32 words in a register; tables made several at a time.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{LANES, TILE, View};

/// The entries of a table whose subset has count `j`, as bits.
const HAS: [u16; 4] = [0xaaaa, 0xcccc, 0xf0f0, 0xff00];

/// Four tables in a register.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn fill_bytes(counts: &[u16], to: &mut [[u8; 16]]) {
    // Each quarter of a register looks at its own four bytes.
    let first = _mm512_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    let first = _mm512_shuffle_epi8(first, _mm512_set1_epi32(0));
    let of = |j: usize| _mm512_add_epi8(first, _mm512_set1_epi8(j as i8));
    let places: [__m512i; 4] = std::array::from_fn(of);
    for (counts, to) in counts.chunks(16).zip(to.chunks_mut(4)) {
        let there = u16::MAX >> (16 - counts.len());
        // SAFETY: those that are there.
        let counts = unsafe { _mm256_maskz_loadu_epi16(there, counts.as_ptr().cast()) };
        let bytes = _mm512_broadcast_i32x4(_mm256_cvtusepi16_epi8(counts));
        let mut sums = _mm512_setzero_si512();
        for (place, has) in places.into_iter().zip(HAS) {
            let has = u64::from(has) * 0x0001_0001_0001_0001;
            sums = _mm512_adds_epu8(sums, _mm512_maskz_shuffle_epi8(has, bytes, place));
        }
        put(sums, to.as_flattened_mut());
    }
}

/// Two tables in a register.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn fill_words(counts: &[u16], to: &mut [[u16; 16]]) {
    for (counts, to) in counts.chunks(8).zip(to.chunks_mut(2)) {
        let there = u8::MAX >> (8 - counts.len());
        // SAFETY: those that are there.
        let counts = unsafe { _mm_maskz_loadu_epi16(there, counts.as_ptr().cast()) };
        let counts = _mm512_castsi128_si512(counts);
        let mut sums = _mm512_setzero_si512();
        for (j, has) in HAS.into_iter().enumerate() {
            let place =
                _mm512_inserti64x4(_mm512_set1_epi16(j as i16), _mm256_set1_epi16(j as i16 + 4), 1);
            let has = u32::from(has) * 0x0001_0001;
            let chosen = _mm512_maskz_permutexvar_epi16(has, place, counts);
            sums = _mm512_adds_epu16(sums, chosen);
        }
        put(sums, to.as_flattened_mut());
    }
}

/// Stores as much of a register as there is room for.
#[target_feature(enable = "avx512f")]
fn put<T: Copy + Default>(x: __m512i, to: &mut [T]) {
    if size_of_val(to) == 64 {
        // SAFETY: 64 bytes.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), x) };
    } else {
        let mut all = [T::default(); 64];
        // SAFETY: at least 64 bytes.
        unsafe { _mm512_storeu_si512(all.as_mut_ptr().cast(), x) };
        to.copy_from_slice(&all[..to.len()]);
    }
}

/// # Safety
/// The CPU has AVX-512 F and BW; `tables` holds one for each channel and
/// group.
#[target_feature(enable = "avx512f,avx512bw")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn bytes(view: &View<'_>, tables: &[[u8; 16]], sums: &mut [[[u8; LANES]; TILE]]) {
    let groups = view.groups().len();
    for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact((TILE * groups).max(1))) {
        // SAFETY: 64 bytes each.
        let mut all: [__m512i; TILE] =
            std::array::from_fn(|n| unsafe { _mm512_loadu_si512(sums[n].as_ptr().cast()) });
        for (g, nibbles) in view.groups().enumerate() {
            // SAFETY: 64 bytes.
            let nibbles = unsafe { _mm512_maskz_loadu_epi8(view.there, nibbles.as_ptr().cast()) };
            for (n, all) in all.iter_mut().enumerate() {
                // SAFETY: the table of this channel and group.
                let entries = unsafe {
                    let table = tables.as_ptr().add(n * groups + g);
                    _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()))
                };
                let entries = _mm512_shuffle_epi8(entries, nibbles);
                *all = _mm512_adds_epu8(*all, entries);
            }
        }
        for (sums, all) in sums.iter_mut().zip(all) {
            // SAFETY: 64 bytes.
            unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), all) };
        }
    }
}

/// 32 rows in a register.
///
/// # Safety
/// As for [`bytes`].
#[target_feature(enable = "avx512f,avx512bw")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn words(
    view: &View<'_>,
    tables: &[[u16; 16]],
    sums: &mut [[[u16; LANES]; TILE]],
) {
    let groups = view.groups().len();
    let there = [view.there as u32, (view.there >> 32) as u32];
    for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact((TILE * groups).max(1))) {
        // SAFETY: 32 numbers each.
        let mut all: [[__m512i; 2]; TILE] = std::array::from_fn(|n| unsafe {
            [0, 32].map(|half| _mm512_loadu_si512(sums[n].as_ptr().add(half).cast()))
        });
        for (g, nibbles) in view.groups().enumerate() {
            let index: [__m512i; 2] = std::array::from_fn(|half| {
                // SAFETY: 32 bytes.
                let bytes = unsafe { _mm256_loadu_si256(nibbles.as_ptr().add(32 * half).cast()) };
                _mm512_maskz_cvtepu8_epi16(there[half], bytes)
            });
            for (n, all) in all.iter_mut().enumerate() {
                // SAFETY: the table of this channel and group.
                let entries = unsafe {
                    let table = tables.as_ptr().add(n * groups + g);
                    _mm512_broadcast_i64x4(_mm256_loadu_si256(table.cast()))
                };
                for (all, index) in all.iter_mut().zip(index) {
                    *all = _mm512_add_epi16(*all, _mm512_permutexvar_epi16(index, entries));
                }
            }
        }
        for (sums, all) in sums.iter_mut().zip(all) {
            for (half, all) in all.into_iter().enumerate() {
                // SAFETY: 32 numbers.
                unsafe { _mm512_storeu_si512(sums.as_mut_ptr().add(32 * half).cast(), all) };
            }
        }
    }
}

/// Bytes are added up two in a word, and the upper ones apart: what is left are the lower.
///
/// # Safety
/// As for [`bytes`].
#[target_feature(enable = "avx512f,avx512bw")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn wide(view: &View<'_>, tables: &[[u8; 16]], sums: &mut [[[u16; LANES]; TILE]]) {
    let groups = view.groups().len();
    let first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    for (sums, tables) in sums.iter_mut().zip(tables.chunks_exact((TILE * groups).max(1))) {
        let mut both = [_mm512_setzero_si512(); TILE];
        let mut upper = both;
        for (g, nibbles) in view.groups().enumerate() {
            // SAFETY: 64 bytes.
            let nibbles = unsafe { _mm512_maskz_loadu_epi8(view.there, nibbles.as_ptr().cast()) };
            for n in 0..TILE {
                // SAFETY: the table of this channel and group.
                let entries = unsafe {
                    let table = tables.as_ptr().add(n * groups + g);
                    _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()))
                };
                let entries = _mm512_shuffle_epi8(entries, nibbles);
                both[n] = _mm512_add_epi16(both[n], entries);
                upper[n] = _mm512_add_epi16(upper[n], _mm512_srli_epi16(entries, 8));
            }
        }
        for (n, sums) in sums.iter_mut().enumerate() {
            let lower = _mm512_sub_epi16(both[n], _mm512_slli_epi16(upper[n], 8));
            let near = _mm512_unpacklo_epi16(lower, upper[n]);
            let far = _mm512_unpackhi_epi16(lower, upper[n]);
            for (half, order) in [first, second].into_iter().enumerate() {
                let more = _mm512_permutex2var_epi64(near, order, far);
                // SAFETY: 32 numbers.
                unsafe {
                    let sums = sums.as_mut_ptr().add(32 * half);
                    let all = _mm512_add_epi16(_mm512_loadu_si512(sums.cast()), more);
                    _mm512_storeu_si512(sums.cast(), all);
                }
            }
        }
    }
}
