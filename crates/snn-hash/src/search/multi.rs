use ndarray::Array2;
use rayon::prelude::*;

use super::{
    nearest::{Nearest, Neighbor},
    sorted_rows,
};
use crate::codes::{BitCodes, hamming};

/// Widest part: each has a table of `2^width` entries.
const WIDEST: usize = 24;

/// Why an index cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Parts of no width, or too wide.
    #[error(
        "{parts} parts of codes of {bits} bits, expected {} to {bits}, so that a part has 1 to \
         {WIDEST} bits", bits.div_ceil(WIDEST)
    )]
    Parts {
        /// How many were asked for.
        parts: usize,
        /// Bits of a code.
        bits: usize,
    },
}

/// Exact search that looks only at codes which agree well with the query in some part: for large
/// sets whose neighbours are near.
///
/// A code is cut into parts, and a table for each part lists the codes by its value. Of two codes
/// that differ in fewer than `parts (r + 1)` bits, some part differs in at most `r`: so the values
/// of each part are visited by growing distance until no unseen code can be near enough. With one
/// part this is a lookup by the code itself, right for codes of up to some 20 bits. With codes
/// spread evenly over 64 bits the neighbours are far and [`Scan`](super::Scan) is faster. Source:
/// Norouzi, Punjani, Fleet, *Fast search in Hamming space with multi-index hashing*, CVPR 2012.
#[derive(Clone, Debug)]
pub struct MultiIndex {
    codes: BitCodes,
    parts: Vec<Part>,
}

impl MultiIndex {
    /// Cuts the codes into so many parts, of widths that differ by at most one bit.
    ///
    /// # Errors
    /// [`IndexError::Parts`] if a part had no bit, or more than 24.
    ///
    /// # Panics
    /// If there are more than 2^32 codes.
    pub fn new(codes: BitCodes, parts: usize) -> Result<Self, IndexError> {
        assert!(codes.len() as u64 <= 1 << 32, "an index has 32 bits");
        let bits = codes.bits();
        if parts == 0 || parts > bits || bits.div_ceil(parts) > WIDEST {
            return Err(IndexError::Parts { parts, bits });
        }
        let start = |part: usize| part * bits / parts;
        let parts = (0..parts).into_par_iter();
        let parts = parts.map(|i| Part::new(&codes, start(i), start(i + 1) - start(i))).collect();
        Ok(Self { codes, parts })
    }

    /// The `k` nearest codes of every query, nearest first, ties by lowest index:
    /// `[queries, min(k, codes)]`.
    ///
    /// # Panics
    /// If the widths differ.
    pub fn search(&self, queries: &BitCodes, k: usize) -> Array2<Neighbor> {
        assert_eq!(queries.bits(), self.codes.bits(), "queries as wide as the codes");
        let k = k.min(self.codes.len());
        if k == 0 {
            return Array2::default((queries.len(), 0));
        }
        let rows = (0..queries.len()).into_par_iter();
        let rows: Vec<_> = rows.map(|i| self.search_one(queries.code(i), k)).collect();
        sorted_rows(rows.into_iter(), queries.len(), k)
    }

    fn search_one(&self, query: &[u64], k: usize) -> Vec<Neighbor> {
        let mut nearest = Nearest::new(k);
        let values: Vec<u32> = self.parts.iter().map(|part| part.value(query)).collect();
        let widest = self.parts.iter().map(|part| part.bits).max().unwrap_or(0);
        for radius in 0..=widest {
            for (i, part) in self.parts.iter().enumerate() {
                for mask in masks(part.bits, radius) {
                    for &index in part.codes(values[i] ^ mask) {
                        let code = self.codes.code(index as usize);
                        if self.seen_before(code, &values, i, radius) {
                            continue;
                        }
                        nearest.show(Neighbor { distance: hamming(query, code), index });
                    }
                }
            }
            // Everything nearer than this was seen.
            let complete = (self.parts.len() * (radius + 1)) as u32;
            if nearest.farthest().is_some_and(|farthest| farthest < complete) {
                break;
            }
        }
        nearest.into_sorted()
    }

    /// Whether a code at `radius` in part `i` was found in another part already.
    fn seen_before(&self, code: &[u64], values: &[u32], i: usize, radius: usize) -> bool {
        self.parts.iter().zip(values).enumerate().any(|(j, (part, value))| {
            let distance = (part.value(code) ^ value).count_ones() as usize;
            distance < radius || distance == radius && j < i
        })
    }
}

/// A run of bits, and the codes sorted by their value there.
#[derive(Clone, Debug)]
struct Part {
    start: usize,
    bits: usize,
    /// Where the codes of a value begin, `[2^bits + 1]`.
    offsets: Vec<u32>,
    /// Indices of codes.
    order: Vec<u32>,
}

impl Part {
    fn new(codes: &BitCodes, start: usize, bits: usize) -> Self {
        let empty = Self { start, bits, offsets: Vec::new(), order: Vec::new() };
        let values: Vec<u32> = codes.iter().map(|code| empty.value(code)).collect();
        let (offsets, order) = sort_by_value(&values, 1 << bits);
        Self { offsets, order, ..empty }
    }

    /// The bits of this part.
    fn value(&self, code: &[u64]) -> u32 {
        let (word, shift) = (self.start / 64, self.start % 64);
        let low = code[word] >> shift;
        let high = if shift + self.bits > 64 { code[word + 1] << (64 - shift) } else { 0 };
        (low | high) as u32 & ((1u32 << self.bits) - 1)
    }

    fn codes(&self, value: u32) -> &[u32] {
        let value = value as usize;
        &self.order[self.offsets[value] as usize..self.offsets[value + 1] as usize]
    }
}

/// Counting sort: where each value begins, and the places sorted by value, equal ones in order.
pub(crate) fn sort_by_value(values: &[u32], range: usize) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0u32; range + 1];
    for &value in values {
        offsets[value as usize + 1] += 1;
    }
    for i in 0..range {
        offsets[i + 1] += offsets[i];
    }
    let mut next = offsets.clone();
    let mut order = vec![0; values.len()];
    for (i, &value) in values.iter().enumerate() {
        let place = &mut next[value as usize];
        order[*place as usize] = i as u32;
        *place += 1;
    }
    (offsets, order)
}

/// All numbers of `bits` bits with `ones` of them set.
fn masks(bits: usize, ones: usize) -> impl Iterator<Item = u32> {
    let first = (ones <= bits).then(|| (1u64 << ones) - 1);
    let next = move |&mask: &u64| {
        // Gosper: the next greater number with as many ones.
        let lowest = mask & mask.wrapping_neg();
        let ripple = mask + lowest;
        let next = if mask == 0 { 1 << bits } else { ripple | (((mask ^ ripple) >> 2) / lowest) };
        (next < 1 << bits).then_some(next)
    };
    std::iter::successors(first, next).map(|mask| mask as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_all_numbers_with_so_many_ones() {
        for bits in 1..=10 {
            for ones in 0..=12 {
                let all = (0..1u32 << bits).filter(|mask| mask.count_ones() as usize == ones);
                assert_eq!(masks(bits, ones).collect::<Vec<_>>(), all.collect::<Vec<_>>());
            }
        }
    }
}
