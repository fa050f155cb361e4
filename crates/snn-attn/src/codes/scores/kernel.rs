//! Bits in common, four at a time: a nibble of the query chooses the table in which the nibbles of
//! 64 keys look up how many bits they share with it.

use snn_core::packed::{Isa, Level};
use snn_hash::BitCodes;

use super::Scale;
use crate::compiled::compiled;

/// Keys side by side.
pub(super) const LANES: usize = 64;
/// Bits of a group.
pub(super) const QUAD: usize = 4;
/// Groups whose counts fit a byte.
pub(super) const GROUPS: usize = u8::MAX as usize / QUAD;

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

/// Adds `factor` for each bit that a key shares with the query to its score, or to what `from` has
/// in its place; gives the greatest sum.
///
/// # Panics
/// If there are more scores than keys, or a group of the query that keys have not.
pub(super) fn add(
    isa: Isa,
    scale: &Scale,
    query: &[Quad],
    from: Option<&[i16]>,
    scores: &mut [i16],
) -> i16 {
    let (scores, rest) = scores.as_chunks_mut::<LANES>();
    let from = from.map(|from| &from.as_chunks::<LANES>().0[..scores.len()]);
    assert!(rest.is_empty() && scores.len() * scale.groups <= scale.planes.len(), "the keys' own");
    assert!(query.iter().all(|quad| (quad.group as usize) < scale.groups), "groups of the keys");
    let (first, rest) = query.split_at(query.len().min(GROUPS));
    let mut greatest = add_some(isa, scale, first, from, scores);
    for query in rest.chunks(GROUPS) {
        greatest = add_some(isa, scale, query, None, scores);
    }
    greatest
}

/// [`add`] for so few groups that counts fit a byte; lengths fit each other.
#[allow(unsafe_code)]
fn add_some(
    isa: Isa,
    scale: &Scale,
    query: &[Quad],
    from: Option<&[[i16; LANES]]>,
    scores: &mut [[i16; LANES]],
) -> i16 {
    match isa.level() {
        Level::Portable => portable(scale, query, from, scores),
        // SAFETY: only `Isa::all` makes this level, after detecting AVX2; lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(scale, query, from, scores) },
        // SAFETY: only `Isa::all` makes this level, after detecting AVX-512 F and BW; lengths were
        // checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(scale, query, from, scores) },
    }
}

/// The obvious form.
fn portable(
    scale: &Scale,
    query: &[Quad],
    from: Option<&[[i16; LANES]]>,
    scores: &mut [[i16; LANES]],
) -> i16 {
    let (groups, mut greatest) = (scale.groups, i16::MIN);
    for (b, scores) in scores.iter_mut().enumerate() {
        let shared = shared(&scale.planes[b * groups..][..groups], query);
        if let Some(from) = from {
            *scores = from[b];
        }
        for (score, shared) in scores.iter_mut().zip(shared) {
            *score = score.saturating_add(scale.factor * i16::from(shared));
            greatest = greatest.max(*score);
        }
    }
    greatest
}

/// The bits that the keys of a block share with a query.
fn shared(planes: &[[u8; LANES]], query: &[Quad]) -> [u8; LANES] {
    let mut shared = [0; LANES];
    for quad in query {
        for (shared, key) in shared.iter_mut().zip(&planes[quad.group as usize]) {
            // The bits of a nibble, counted without a table: many at a time on any processor.
            let both = key & quad.bits;
            let pairs = both - (both >> 1 & 5);
            *shared += (pairs & 3) + (pairs >> 2);
        }
    }
    shared
}

/// Counts the bits that keys share with a query of at most [`GROUPS`] groups; gives the greatest
/// count.
///
/// # Panics
/// If there are more counts than keys, more groups, or groups that keys have not.
#[allow(unsafe_code)]
pub(super) fn share(isa: Isa, scale: &Scale, query: &[Quad], counts: &mut [[u8; LANES]]) -> u8 {
    assert!(query.len() <= GROUPS && counts.len() * scale.groups <= scale.planes.len(), "so many");
    assert!(query.iter().all(|quad| (quad.group as usize) < scale.groups), "groups of the keys");
    match isa.level() {
        Level::Portable => {
            for (b, counts) in counts.iter_mut().enumerate() {
                *counts = shared(&scale.planes[b * scale.groups..][..scale.groups], query);
            }
            counts.iter().flatten().copied().max().unwrap_or(0)
        }
        // SAFETY: only `Isa::all` makes this level, after detecting AVX2; lengths were checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::share_avx2(scale, query, counts) },
        // SAFETY: only `Isa::all` makes this level, after detecting AVX-512 F and BW; lengths were
        // checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::share_avx512(scale, query, counts) },
    }
}

compiled! {
    /// The first place that holds `count`.
    pub(super) fn first(counts: &[[u8; LANES]], count: u8) -> Option<usize> {
        // Whether a block holds it is seen without looking for the place.
        let holds =
            |block: &[u8; LANES]| block.iter().fold(false, |found, &c| found | (c == count));
        let block = counts.iter().position(holds)?;
        let lane = counts[block].iter().position(|&c| c == count)?;
        Some(block * LANES + lane)
    }
}

/// Which scores of a block are above a bound, and which equal it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub above: u64,
    pub equal: u64,
}

/// Splits the blocks of scores at `bound`; gives how many are above it.
///
/// # Panics
/// If scores are not whole blocks.
#[allow(unsafe_code)]
pub(super) fn split(isa: Isa, scores: &[i16], bound: i16, splits: &mut Vec<Split>) -> usize {
    let (blocks, rest) = scores.as_chunks::<LANES>();
    assert!(rest.is_empty(), "whole blocks");
    splits.resize(blocks.len(), Split::default());
    match isa.level() {
        Level::Portable => portable_split(blocks, bound, splits),
        // SAFETY: only `Isa::all` makes this level, after detecting AVX2 and POPCNT.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::split_avx2(blocks, bound, splits) },
        // SAFETY: only `Isa::all` makes this level, after detecting AVX-512 F, BW and POPCNT.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::split_avx512(blocks, bound, splits) },
    }
}

fn portable_split(blocks: &[[i16; LANES]], bound: i16, splits: &mut [Split]) -> usize {
    let mut count = 0;
    for (scores, split) in blocks.iter().zip(splits) {
        *split = Split::default();
        for (i, &score) in scores.iter().enumerate() {
            split.above |= u64::from(score > bound) << i;
            split.equal |= u64::from(score == bound) << i;
        }
        count += split.above.count_ones() as usize;
    }
    count
}

compiled! {
    /// The places that are above the bound, and the first `equal` that equal it.
    pub(super) fn places(splits: &[Split], equal: usize, places: &mut Vec<u32>) {
        // Most blocks have a few: to write so many always, and count those that are right, costs
        // less than a loop whose end nobody foresees.
        const FEW: usize = 4;
        let (mut equal, mut count) = (equal, 0);
        for (b, split) in splits.iter().enumerate() {
            let mut as_much = if equal > 0 { split.equal } else { 0 };
            while as_much.count_ones() as usize > equal {
                as_much &= !(1 << (63 - as_much.leading_zeros()));
            }
            equal -= as_much.count_ones() as usize;
            let mut mask = split.above | as_much;
            let end = count + mask.count_ones() as usize;
            if places.len() < end.max(count + FEW) {
                places.resize(2 * end + LANES, 0);
            }
            let mut next = |place: &mut u32| {
                *place = (b * LANES) as u32 + mask.trailing_zeros();
                mask &= mask.wrapping_sub(1);
            };
            places[count..count + FEW].iter_mut().for_each(&mut next);
            if let Some(more) = places.get_mut(count + FEW..end) {
                more.iter_mut().for_each(&mut next);
            }
            count = end;
        }
        places.truncate(count);
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LANES, Quad, SHARED, Scale, Split};

    /// Blocks that share the tables of a query.
    const BLOCKS: usize = 4;

    /// # Safety
    /// The CPU has AVX-512 F and BW; the scale has the groups of the query, planes for all scores,
    /// and `from` is as long as these.
    #[target_feature(enable = "avx512f,avx512bw")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx512(
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
            unsafe { add_avx512::<BLOCKS>(scale, query, block, from, to, &mut greatest) };
        }
        for block in whole..count {
            // SAFETY: see above.
            unsafe { add_avx512::<1>(scale, query, block, from, to, &mut greatest) };
        }
        let halves = [_mm512_castsi512_si256(greatest), _mm512_extracti64x4_epi64(greatest, 1)];
        greatest_of(_mm256_max_epi16(halves[0], halves[1]))
    }

    /// The bits that the keys of some blocks share with a query.
    ///
    /// # Safety
    /// As for [`avx512`], from block `first` on.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn shared_avx512<const B: usize>(
        scale: &Scale,
        query: &[Quad],
        first: usize,
    ) -> [__m512i; B] {
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
    /// As for [`avx512`], from block `first` on.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn add_avx512<const B: usize>(
        scale: &Scale,
        query: &[Quad],
        first: usize,
        from: *const [i16; LANES],
        to: *mut [i16; LANES],
        greatest: &mut __m512i,
    ) {
        // SAFETY: the caller's.
        let shared = unsafe { shared_avx512::<B>(scale, query, first) };
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
    pub(super) unsafe fn share_avx512(
        scale: &Scale,
        query: &[Quad],
        counts: &mut [[u8; LANES]],
    ) -> u8 {
        let mut greatest = _mm512_setzero_si512();
        let mut block = 0;
        let (many, rest) = counts.as_chunks_mut::<BLOCKS>();
        // SAFETY (of all that follows): the blocks are there, of 64 bytes each.
        for counts in many {
            // SAFETY: see above.
            let shared = unsafe { shared_avx512::<BLOCKS>(scale, query, block) };
            for (counts, shared) in counts.iter_mut().zip(shared) {
                greatest = _mm512_max_epu8(greatest, shared);
                // SAFETY: see above.
                unsafe { _mm512_storeu_si512(counts.as_mut_ptr().cast(), shared) };
            }
            block += BLOCKS;
        }
        for counts in rest {
            // SAFETY: see above.
            let [shared] = unsafe { shared_avx512::<1>(scale, query, block) };
            greatest = _mm512_max_epu8(greatest, shared);
            // SAFETY: see above.
            unsafe { _mm512_storeu_si512(counts.as_mut_ptr().cast(), shared) };
            block += 1;
        }
        let halves = [_mm512_castsi512_si256(greatest), _mm512_extracti64x4_epi64(greatest, 1)];
        greatest_byte(_mm256_max_epu8(halves[0], halves[1]))
    }

    /// # Safety
    /// The CPU has AVX2; lengths as for [`avx512`].
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn avx2(
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
            unsafe { add_avx2::<BLOCKS>(scale, query, block, from, to, &mut greatest) };
        }
        for block in whole..count {
            // SAFETY: see above.
            unsafe { add_avx2::<1>(scale, query, block, from, to, &mut greatest) };
        }
        greatest_of(greatest)
    }

    /// As [`shared_avx512`], half a block after the other.
    ///
    /// # Safety
    /// As for [`avx2`], from block `first` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn shared_avx2<const B: usize>(
        scale: &Scale,
        query: &[Quad],
        first: usize,
    ) -> [[__m256i; 2]; B] {
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
    /// As for [`avx2`], from block `first` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    unsafe fn add_avx2<const B: usize>(
        scale: &Scale,
        query: &[Quad],
        first: usize,
        from: *const [i16; LANES],
        to: *mut [i16; LANES],
        greatest: &mut __m256i,
    ) {
        // SAFETY: the caller's.
        let shared = unsafe { shared_avx2::<B>(scale, query, first) };
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
    /// The CPU has AVX2; lengths as for [`share_avx512`].
    #[target_feature(enable = "avx2")]
    // SAFETY: callers keep what is said under `# Safety`.
    pub(super) unsafe fn share_avx2(
        scale: &Scale,
        query: &[Quad],
        counts: &mut [[u8; LANES]],
    ) -> u8 {
        let mut greatest = _mm256_setzero_si256();
        for (block, counts) in counts.iter_mut().enumerate() {
            // SAFETY: the block is there.
            let [shared] = unsafe { shared_avx2::<1>(scale, query, block) };
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
    fn greatest_byte(numbers: __m256i) -> u8 {
        let mut all = [0u8; 32];
        // SAFETY: 32 numbers.
        unsafe { _mm256_storeu_si256(all.as_mut_ptr().cast(), numbers) };
        all.into_iter().fold(0, u8::max)
    }

    #[target_feature(enable = "avx2")]
    fn greatest_of(numbers: __m256i) -> i16 {
        let mut all = [0i16; 16];
        // SAFETY: 16 numbers.
        unsafe { _mm256_storeu_si256(all.as_mut_ptr().cast(), numbers) };
        all.into_iter().fold(i16::MIN, i16::max)
    }

    #[target_feature(enable = "avx512f,avx512bw,popcnt")]
    pub(super) fn split_avx512(blocks: &[[i16; LANES]], bound: i16, splits: &mut [Split]) -> usize {
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

    #[target_feature(enable = "avx2,popcnt")]
    pub(super) fn split_avx2(blocks: &[[i16; LANES]], bound: i16, splits: &mut [Split]) -> usize {
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
}
