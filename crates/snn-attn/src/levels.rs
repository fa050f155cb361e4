//! Dot products of small whole numbers, counted on bits.

use snn_core::packed::Isa;

use crate::compiled::compiled;

const WORD: usize = u64::BITS as usize;

/// Rows of levels `0..=greatest`, each binary digit in a plane of its own.
///
/// A row starts a fresh word in every plane: bit `c % 64` of word `c / 64` is the digit of channel
/// `c`. Spikes have one plane; a product of two rows is
/// `sum over digits a, b of 2^(a + b) popcount(row_a & row_b)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    channels: usize,
    rows: usize,
    planes: Vec<Vec<u64>>,
}

impl Levels {
    /// No rows yet, of so many channels.
    ///
    /// # Panics
    /// If there are no channels.
    pub fn new(channels: usize, greatest: u32) -> Self {
        assert!(channels > 0, "a row has at least one channel");
        let planes = (u32::BITS - greatest.leading_zeros()).max(1) as usize;
        Self { channels, rows: 0, planes: vec![Vec::new(); planes] }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of the packed rows.
    pub fn bytes(&self) -> usize {
        self.planes.iter().map(|plane| plane.len() * size_of::<u64>()).sum()
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.planes.iter_mut().for_each(Vec::clear);
        self.rows = 0;
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has other than the right number of channels, or a level needs more digits than the
    /// greatest has.
    pub fn push(&mut self, row: impl ExactSizeIterator<Item = u32> + Clone) {
        assert_eq!(row.len(), self.channels, "channels of a row");
        let count = self.planes.len();
        for (digit, plane) in self.planes.iter_mut().enumerate() {
            let first = plane.len();
            plane.resize(first + self.channels.div_ceil(WORD), 0);
            for (c, level) in row.clone().enumerate() {
                assert!(count >= 32 || level >> count == 0, "level {level} of {count} digits");
                plane[first + c / WORD] |= u64::from(level >> digit & 1) << (c % WORD);
            }
        }
        self.rows += 1;
    }

    /// The product of row `row` with row `other_row` of `other`.
    #[inline(always)]
    pub(crate) fn product(&self, row: usize, other: &Self, other_row: usize) -> u32 {
        let words = self.channels.div_ceil(WORD);
        let mut sum = 0;
        for (a, left) in self.planes.iter().enumerate() {
            let left = &left[row * words..(row + 1) * words];
            for (b, right) in other.planes.iter().enumerate() {
                let right = &right[other_row * words..(other_row + 1) * words];
                let both = left.iter().zip(right).map(|(a, b)| (a & b).count_ones());
                sum += both.sum::<u32>() << (a + b);
            }
        }
        sum
    }

    /// Whether every level of a row is zero.
    #[inline(always)]
    pub(crate) fn is_silent(&self, row: usize) -> bool {
        let words = self.channels.div_ceil(WORD);
        let mut planes = self.planes.iter();
        planes.all(|plane| plane[row * words..(row + 1) * words].iter().all(|&word| word == 0))
    }

    /// Writes the products of row `query` of `queries` with every row of this.
    ///
    /// # Panics
    /// If channels differ, or `out` has other than as many places as this has rows.
    pub fn products(&self, isa: Isa, queries: &Self, query: usize, out: &mut [u32]) {
        assert_eq!(self.channels, queries.channels, "rows of as many channels");
        assert_eq!(out.len(), self.rows, "a place for every row");
        let words = self.channels.div_ceil(WORD);
        out.fill(0);
        for (a, left) in queries.planes.iter().enumerate() {
            let left = &left[query * words..(query + 1) * words];
            if left.iter().all(|&word| word == 0) {
                continue; // the upper digits of most queries are silent
            }
            for (b, plane) in self.planes.iter().enumerate() {
                add_overlaps(isa, left, plane, (a + b) as u32, out);
            }
        }
    }
}

compiled! {
    /// Adds `2^shift popcount(query & keys[j])` to `out[j]`.
    ///
    /// `query`: `[words]`, `keys`: `[n, words]`, `out`: `[n]`.
    fn add_overlaps(query: &[u64], keys: &[u64], shift: u32, out: &mut [u32]) {
        if let &[query] = query {
            for (out, key) in out.iter_mut().zip(keys) {
                *out += (query & key).count_ones() << shift;
            }
            return;
        }
        for (out, key) in out.iter_mut().zip(keys.chunks_exact(query.len())) {
            let both = query.iter().zip(key).map(|(q, k)| (q & k).count_ones());
            *out += both.sum::<u32>() << shift;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn every_isa_multiplies_channel_by_channel(
            (channels, greatest, rows, levels) in (
                prop_oneof![1usize..=3, 63usize..=66, 127usize..=130], 1u32..=9, 0usize..=40,
            ).prop_flat_map(|(channels, greatest, rows)| {
                let levels = vec(0..=greatest, channels * (rows + 1));
                (Just(channels), Just(greatest), Just(rows), levels)
            })
        ) {
            let row = |i: usize| levels[i * channels..(i + 1) * channels].iter().copied();
            let mut queries = Levels::new(channels, greatest);
            queries.push(row(rows));
            let mut keys = Levels::new(channels, greatest);
            (0..rows).for_each(|i| keys.push(row(i)));
            let expected: Vec<u32> =
                (0..rows).map(|i| row(i).zip(row(rows)).map(|(a, b)| a * b).sum()).collect();
            for isa in Isa::all() {
                let mut found = vec![u32::MAX; rows];
                keys.products(isa, &queries, 0, &mut found);
                prop_assert_eq!(&found, &expected, "{}", isa.name());
            }
        }
    }
}
