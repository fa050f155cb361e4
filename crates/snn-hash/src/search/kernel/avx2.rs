//! Without an instruction for it, bits are counted by looking up nibbles.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{BLOCKS, GROUP, Line};

/// See [`next_below`](super::next_below); `W` words, or as many as the query has if 0.
///
/// # Safety
/// The CPU has AVX2; `query` has `W` lines if that is not 0, and `lines` is a whole number of
/// groups.
#[target_feature(enable = "avx2")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn next_below<const W: usize, const NARROW: bool>(
    query: &[Line],
    lines: &[Line],
    from: usize,
    limit: u32,
    out: &mut [u32; GROUP],
) -> Option<usize> {
    let words = if W == 0 { query.len() } else { W };
    // Counts fill the lower half of a wide lane; the upper one must never be below its limit.
    let bound = if NARROW {
        _mm256_set1_epi32(limit.min(i32::MAX as u32) as i32)
    } else {
        _mm256_set1_epi64x(i64::from(limit.min(i32::MAX as u32)))
    };
    for group in from..lines.len() / (BLOCKS * words) {
        let mut distances = [[_mm256_setzero_si256(); 2]; BLOCKS];
        let mut least = _mm256_set1_epi32(-1);
        for (block, halves) in distances.iter_mut().enumerate() {
            for (half, distance) in halves.iter_mut().enumerate() {
                for w in 0..words {
                    // SAFETY: `w` is below the lines of the query, and the other one lies in
                    // `group`; each has two halves of 32 bytes.
                    let differ = unsafe {
                        let line = lines.as_ptr().add((group * BLOCKS + block) * words + w);
                        let line = line.cast::<__m256i>().add(half);
                        let query = query.as_ptr().add(w).cast::<__m256i>().add(half);
                        _mm256_xor_si256(_mm256_load_si256(line), _mm256_load_si256(query))
                    };
                    *distance = if NARROW {
                        let pairs = _mm256_maddubs_epi16(bytes(differ), _mm256_set1_epi8(1));
                        _mm256_add_epi32(*distance, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
                    } else {
                        let sums = _mm256_sad_epu8(bytes(differ), _mm256_setzero_si256());
                        _mm256_add_epi64(*distance, sums)
                    };
                }
                least = _mm256_min_epu32(least, *distance);
            }
        }
        if _mm256_movemask_epi8(_mm256_cmpgt_epi32(bound, least)) != 0 {
            for (halves, out) in distances.into_iter().zip(out.chunks_exact_mut(GROUP / BLOCKS)) {
                for (distances, out) in halves.into_iter().zip(out.chunks_exact_mut(8)) {
                    // SAFETY: eight numbers.
                    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), distances) };
                }
                if !NARROW {
                    for i in 0..8 {
                        out[i] = out[2 * i];
                    }
                }
            }
            if !NARROW {
                super::close_ranks(out);
            }
            return Some(group);
        }
    }
    None
}

/// Set bits of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes(x: __m256i) -> __m256i {
    let counts =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    let low = _mm256_set1_epi8(15);
    let lower = _mm256_shuffle_epi8(counts, _mm256_and_si256(x, low));
    let upper = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
    _mm256_add_epi8(lower, upper)
}
