//! 64 keys in a register.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{
    BLOCKS, LANES, Quad, SHARED, Scale, Split,
    avx2::{greatest_byte, greatest_of},
};

/// # Safety
/// The CPU has AVX-512 F and BW; the scale has the groups of the query, planes for all scores,
/// and `from` is as long as these.
#[target_feature(enable = "avx512f,avx512bw")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn add(
    scale: &Scale,
    query: &[Quad],
    from: Option<&[[i16; LANES]]>,
    scores: &mut [[i16; LANES]],
) -> i16 {
    let (whole, count) = (scores.len() / BLOCKS * BLOCKS, scores.len());
    let (from, to) = (from.map_or(scores.as_ptr(), <[_]>::as_ptr), scores.as_mut_ptr());
    let mut greatest = _mm512_set1_epi16(i16::MIN);
    // SAFETY (of both calls): the blocks are there.
    for block in (0..whole).step_by(BLOCKS) {
        // SAFETY: see above.
        unsafe { add_blocks::<BLOCKS>(scale, query, block, from, to, &mut greatest) };
    }
    for block in whole..count {
        // SAFETY: see above.
        unsafe { add_blocks::<1>(scale, query, block, from, to, &mut greatest) };
    }
    let halves = [_mm512_castsi512_si256(greatest), _mm512_extracti64x4_epi64(greatest, 1)];
    greatest_of(_mm256_max_epi16(halves[0], halves[1]))
}

/// The bits that the keys of some blocks share with a query.
///
/// # Safety
/// As for [`add`], from block `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
// SAFETY: callers keep what is said under `# Safety`.
unsafe fn shared<const B: usize>(scale: &Scale, query: &[Quad], first: usize) -> [__m512i; B] {
    let mut shared = [_mm512_setzero_si512(); B];
    for quad in query {
        // SAFETY: nibbles are below 16, and the planes are there.
        unsafe {
            let table = SHARED.as_ptr().add(usize::from(quad.bits));
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()));
            let plane = scale.planes.as_ptr().add(first * scale.groups + quad.group as usize);
            for (b, shared) in shared.iter_mut().enumerate() {
                let keys = _mm512_loadu_si512(plane.add(b * scale.groups).cast());
                *shared = _mm512_add_epi8(*shared, _mm512_shuffle_epi8(table, keys));
            }
        }
    }
    shared
}

/// # Safety
/// As for [`add`], from block `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
// SAFETY: callers keep what is said under `# Safety`.
unsafe fn add_blocks<const B: usize>(
    scale: &Scale,
    query: &[Quad],
    first: usize,
    from: *const [i16; LANES],
    to: *mut [i16; LANES],
    greatest: &mut __m512i,
) {
    // SAFETY: the caller's.
    let shared = unsafe { shared::<B>(scale, query, first) };
    let factor = _mm512_set1_epi16(scale.factor);
    for (b, shared) in shared.into_iter().enumerate() {
        let halves = [_mm512_castsi512_si256(shared), _mm512_extracti64x4_epi64(shared, 1)];
        for (half, shared) in halves.into_iter().enumerate() {
            let more = _mm512_mullo_epi16(_mm512_cvtepu8_epi16(shared), factor);
            // SAFETY: 32 numbers of a block that is there.
            unsafe {
                let from = from.add(first + b).cast::<i16>().add(32 * half);
                let to = to.add(first + b).cast::<i16>().add(32 * half);
                let sum = _mm512_adds_epi16(_mm512_loadu_si512(from.cast()), more);
                _mm512_storeu_si512(to.cast(), sum);
                *greatest = _mm512_max_epi16(*greatest, sum);
            }
        }
    }
}

/// See [`share`](super::share).
///
/// # Safety
/// The CPU has AVX-512 F and BW; the scale has the groups of the query, and planes for all
/// counts.
#[target_feature(enable = "avx512f,avx512bw")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn share(scale: &Scale, query: &[Quad], counts: &mut [[u8; LANES]]) -> u8 {
    let mut greatest = _mm512_setzero_si512();
    let mut block = 0;
    let (many, rest) = counts.as_chunks_mut::<BLOCKS>();
    // SAFETY (of all that follows): the blocks are there, of 64 bytes each.
    for counts in many {
        // SAFETY: see above.
        let shared = unsafe { shared::<BLOCKS>(scale, query, block) };
        for (counts, shared) in counts.iter_mut().zip(shared) {
            greatest = _mm512_max_epu8(greatest, shared);
            // SAFETY: see above.
            unsafe { _mm512_storeu_si512(counts.as_mut_ptr().cast(), shared) };
        }
        block += BLOCKS;
    }
    for counts in rest {
        // SAFETY: see above.
        let [shared] = unsafe { shared::<1>(scale, query, block) };
        greatest = _mm512_max_epu8(greatest, shared);
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(counts.as_mut_ptr().cast(), shared) };
        block += 1;
    }
    let halves = [_mm512_castsi512_si256(greatest), _mm512_extracti64x4_epi64(greatest, 1)];
    greatest_byte(_mm256_max_epu8(halves[0], halves[1]))
}

#[target_feature(enable = "avx512f,avx512bw,popcnt")]
pub(super) fn split(blocks: &[[i16; LANES]], bound: i16, splits: &mut [Split]) -> usize {
    let bound = _mm512_set1_epi16(bound);
    let mut count = 0;
    for (scores, split) in blocks.iter().zip(splits) {
        *split = Split::default();
        for half in [0, 32] {
            // SAFETY: 32 numbers.
            let scores = unsafe { _mm512_loadu_si512(scores.as_ptr().add(half).cast()) };
            split.above |= u64::from(_mm512_cmpgt_epi16_mask(scores, bound)) << half;
            split.equal |= u64::from(_mm512_cmpeq_epi16_mask(scores, bound)) << half;
        }
        count += split.above.count_ones() as usize;
    }
    count
}
