//! Bits in common, four at a time: a nibble of the query chooses the table in which the nibbles of
//! 64 keys look up how many bits they share with it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

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

/// Blocks that share the tables of a query.
#[cfg(target_arch = "x86_64")]
const BLOCKS: usize = 4;

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
        Level::Avx2 => unsafe { avx2::add(scale, query, from, scores) },
        // SAFETY: only `Isa::all` makes this level, after detecting AVX-512 F and BW; lengths were
        // checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512::add(scale, query, from, scores) },
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
        Level::Avx2 => unsafe { avx2::share(scale, query, counts) },
        // SAFETY: only `Isa::all` makes this level, after detecting AVX-512 F and BW; lengths were
        // checked.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512::share(scale, query, counts) },
    }
}

compiled! {
    /// The first place that holds `greatest`, which no count exceeds.
    pub(super) fn first(counts: &[[u8; LANES]], greatest: u8) -> Option<usize> {
        for (b, block) in counts.iter().enumerate() {
            // Whether a block holds it is seen without looking for the place.
            let mut most = 0;
            for &count in block {
                most = count.max(most);
            }
            if most == greatest {
                let lane = block.iter().position(|&count| count == greatest)?;
                return Some(b * LANES + lane);
            }
        }
        None
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
        Level::Avx2 => unsafe { avx2::split(blocks, bound, splits) },
        // SAFETY: only `Isa::all` makes this level, after detecting AVX-512 F, BW and POPCNT.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512::split(blocks, bound, splits) },
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
