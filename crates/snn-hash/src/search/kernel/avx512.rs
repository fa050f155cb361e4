//! With VPOPCNTDQ: 8 words, or 16 narrow codes, in one instruction.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{BLOCKS, GROUP, Line};

/// See [`next_below`](super::next_below); `W` words, or as many as the query has if 0.
///
/// # Safety
/// The CPU has AVX-512 F and VPOPCNTDQ; `query` has `W` lines if that is not 0, and `lines` is a
/// whole number of groups.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
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
    let bound =
        if NARROW { _mm512_set1_epi32(limit as i32) } else { _mm512_set1_epi64(i64::from(limit)) };
    for group in from..lines.len() / (BLOCKS * words) {
        let mut distances = [_mm512_setzero_si512(); BLOCKS];
        for (block, distance) in distances.iter_mut().enumerate() {
            for w in 0..words {
                // SAFETY: `w` is below the lines of the query, and the other one lies in `group`.
                let differ = unsafe {
                    let line = lines.as_ptr().add((group * BLOCKS + block) * words + w);
                    let query = query.as_ptr().add(w);
                    _mm512_xor_si512(
                        _mm512_load_si512(line.cast()),
                        _mm512_load_si512(query.cast()),
                    )
                };
                *distance = if NARROW {
                    _mm512_add_epi32(*distance, _mm512_popcnt_epi32(differ))
                } else {
                    _mm512_add_epi64(*distance, _mm512_popcnt_epi64(differ))
                };
            }
        }
        let mut least = distances;
        for half in [4, 2, 1] {
            for i in 0..half {
                least[i] = _mm512_min_epu32(least[i], least[i + half]);
            }
        }
        if _mm512_cmplt_epu32_mask(least[0], bound) != 0 {
            for (distances, out) in distances.into_iter().zip(out.chunks_exact_mut(GROUP / BLOCKS))
            {
                if NARROW {
                    // SAFETY: a chunk has 16 numbers.
                    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), distances) };
                } else {
                    let distances = _mm512_cvtepi64_epi32(distances);
                    // SAFETY: as above; half of it is used, and moved together below.
                    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), distances) };
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
