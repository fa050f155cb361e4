//! 32 keys in a register, or 16 scores.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{BLOCKS, LANES, Quad, SHARED, Scale, Split};

/// # Safety
/// The CPU has AVX2; lengths as for [`super::add`].
#[target_feature(enable = "avx2")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn add(
    scale: &Scale,
    query: &[Quad],
    from: Option<&[[i16; LANES]]>,
    scores: &mut [[i16; LANES]],
) -> i16 {
    let (whole, count) = (scores.len() / BLOCKS * BLOCKS, scores.len());
    let (from, to) = (from.map_or(scores.as_ptr(), <[_]>::as_ptr), scores.as_mut_ptr());
    let mut greatest = _mm256_set1_epi16(i16::MIN);
    // SAFETY (of both calls): the blocks are there.
    for block in (0..whole).step_by(BLOCKS) {
        // SAFETY: see above.
        unsafe { add_blocks::<BLOCKS>(scale, query, block, from, to, &mut greatest) };
    }
    for block in whole..count {
        // SAFETY: see above.
        unsafe { add_blocks::<1>(scale, query, block, from, to, &mut greatest) };
    }
    greatest_of(greatest)
}

/// As [`avx512::shared`](super::avx512), half a block after the other.
///
/// # Safety
/// As for [`add`], from block `first` on.
#[inline]
#[target_feature(enable = "avx2")]
// SAFETY: callers keep what is said under `# Safety`.
unsafe fn shared<const B: usize>(scale: &Scale, query: &[Quad], first: usize) -> [[__m256i; 2]; B] {
    let mut shared = [[_mm256_setzero_si256(); 2]; B];
    for quad in query {
        // SAFETY: nibbles are below 16, and the planes are there.
        unsafe {
            let table = SHARED.as_ptr().add(usize::from(quad.bits));
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()));
            let plane = scale.planes.as_ptr().add(first * scale.groups + quad.group as usize);
            for (b, shared) in shared.iter_mut().enumerate() {
                let keys = plane.add(b * scale.groups).cast::<__m256i>();
                for (half, shared) in shared.iter_mut().enumerate() {
                    let keys = _mm256_loadu_si256(keys.add(half));
                    *shared = _mm256_add_epi8(*shared, _mm256_shuffle_epi8(table, keys));
                }
            }
        }
    }
    shared
}

/// # Safety
/// As for [`add`], from block `first` on.
#[inline]
#[target_feature(enable = "avx2")]
// SAFETY: callers keep what is said under `# Safety`.
unsafe fn add_blocks<const B: usize>(
    scale: &Scale,
    query: &[Quad],
    first: usize,
    from: *const [i16; LANES],
    to: *mut [i16; LANES],
    greatest: &mut __m256i,
) {
    // SAFETY: the caller's.
    let shared = unsafe { shared::<B>(scale, query, first) };
    let factor = _mm256_set1_epi16(scale.factor);
    for (b, shared) in shared.into_iter().enumerate() {
        let [low, high] = shared;
        let quarters = [
            _mm256_castsi256_si128(low),
            _mm256_extracti128_si256(low, 1),
            _mm256_castsi256_si128(high),
            _mm256_extracti128_si256(high, 1),
        ];
        for (quarter, shared) in quarters.into_iter().enumerate() {
            let more = _mm256_mullo_epi16(_mm256_cvtepu8_epi16(shared), factor);
            // SAFETY: 16 numbers of a block that is there.
            unsafe {
                let from = from.add(first + b).cast::<i16>().add(16 * quarter);
                let to = to.add(first + b).cast::<i16>().add(16 * quarter);
                let sum = _mm256_adds_epi16(_mm256_loadu_si256(from.cast()), more);
                _mm256_storeu_si256(to.cast(), sum);
                *greatest = _mm256_max_epi16(*greatest, sum);
            }
        }
    }
}

/// See [`share`](super::share).
///
/// # Safety
/// The CPU has AVX2; lengths as for [`add`].
#[target_feature(enable = "avx2")]
// SAFETY: callers keep what is said under `# Safety`.
pub(super) unsafe fn share(scale: &Scale, query: &[Quad], counts: &mut [[u8; LANES]]) -> u8 {
    let mut greatest = _mm256_setzero_si256();
    for (block, counts) in counts.iter_mut().enumerate() {
        // SAFETY: the block is there.
        let [shared] = unsafe { shared::<1>(scale, query, block) };
        for (half, shared) in shared.into_iter().enumerate() {
            greatest = _mm256_max_epu8(greatest, shared);
            // SAFETY: 32 bytes.
            unsafe {
                let counts = counts.as_mut_ptr().add(32 * half);
                _mm256_storeu_si256(counts.cast(), shared);
            }
        }
    }
    greatest_byte(greatest)
}

#[target_feature(enable = "avx2")]
pub(super) fn greatest_byte(numbers: __m256i) -> u8 {
    let mut all = [0u8; 32];
    // SAFETY: 32 numbers.
    unsafe { _mm256_storeu_si256(all.as_mut_ptr().cast(), numbers) };
    all.into_iter().fold(0, u8::max)
}

#[target_feature(enable = "avx2")]
pub(super) fn greatest_of(numbers: __m256i) -> i16 {
    let mut all = [0i16; 16];
    // SAFETY: 16 numbers.
    unsafe { _mm256_storeu_si256(all.as_mut_ptr().cast(), numbers) };
    all.into_iter().fold(i16::MIN, i16::max)
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn split(blocks: &[[i16; LANES]], bound: i16, splits: &mut [Split]) -> usize {
    let bound = _mm256_set1_epi16(bound);
    let mut count = 0;
    for (scores, split) in blocks.iter().zip(splits) {
        *split = Split::default();
        for half in [0, 32] {
            // SAFETY: 32 numbers.
            let (a, b) = unsafe {
                let scores = scores.as_ptr().add(half).cast::<__m256i>();
                (_mm256_loadu_si256(scores), _mm256_loadu_si256(scores.add(1)))
            };
            let above = bits(_mm256_cmpgt_epi16(a, bound), _mm256_cmpgt_epi16(b, bound));
            let equal = bits(_mm256_cmpeq_epi16(a, bound), _mm256_cmpeq_epi16(b, bound));
            split.above |= u64::from(above) << half;
            split.equal |= u64::from(equal) << half;
        }
        count += split.above.count_ones() as usize;
    }
    count
}

/// A bit for each 16 bits, which are all ones or zeros.
#[inline]
#[target_feature(enable = "avx2")]
fn bits(a: __m256i, b: __m256i) -> u32 {
    // Quarters are packed in the order 0, 2, 1, 3.
    let bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0b11_01_10_00);
    _mm256_movemask_epi8(bytes).cast_unsigned()
}
