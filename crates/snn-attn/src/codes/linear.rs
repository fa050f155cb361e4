//! Similarities that are sums over bits, without a map of tokens by tokens.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use snn_core::{packed::Isa, reference::Scalar};
use snn_hash::BitCodes;

use super::measure::PerBit;
use crate::compiled::compiled;

/// Bits that are looked up together.
const GROUP: usize = 4;
/// Values of a group.
const ENTRIES: usize = 1 << GROUP;
/// Keys of one task: a constant, so that sums do not depend on the number of threads.
const KEYS: usize = 1024;
/// Queries of one task.
const QUERIES: usize = 128;

/// For each group of four bits and each value of it, the sum of the values of the keys that have
/// it, and in a last column their number: `[groups * 16, width + 1]`.
///
/// A query selects one row of each group once the rows of its own groups are made of them; so keys
/// and queries cost `bits / 4` additions of a row each.
pub(crate) struct Sums<F> {
    bits: usize,
    /// `width + 1`.
    row: usize,
    of_keys: Vec<F>,
}

impl<F: Scalar> Sums<F> {
    /// # Panics
    /// If there is no value for every key.
    pub(crate) fn new(keys: &BitCodes, values: ArrayView2<'_, F>) -> Self {
        assert_eq!(keys.len(), values.nrows(), "a value for every key");
        let (bits, row, isa) = (keys.bits(), values.ncols() + 1, Isa::best());
        let length = bits.div_ceil(GROUP) * ENTRIES * row;
        let values = values.as_standard_layout();
        let values = values.as_slice().unwrap_or_default();
        let tasks = (0..keys.len().div_ceil(KEYS)).into_par_iter().map(|task| {
            let mut sums = vec![F::zero(); length];
            let keys = keys.rows(task * KEYS..((task + 1) * KEYS).min(keys.len()));
            let values = &values[task * KEYS * (row - 1)..];
            add_keys(isa, &keys, values, &mut vec![F::one(); row], &mut sums);
            sums
        });
        let tasks: Vec<_> = tasks.collect();
        let mut of_keys = vec![F::zero(); length];
        tasks.iter().for_each(|sums| add(&mut of_keys, sums));
        Self { bits, row, of_keys }
    }

    /// What queries select from. The constant of the similarity is part of the first group.
    pub(crate) fn seen_by(&self, similarity: &PerBit<F>) -> Selected<F> {
        let mut table = vec![F::zero(); self.of_keys.len()];
        let per_bit = PerBit { constant: F::zero(), ..*similarity };
        let group = ENTRIES * self.row;
        let groups = table.chunks_exact_mut(group).zip(self.of_keys.chunks_exact(group));
        for (g, (table, of_keys)) in groups.enumerate() {
            let bits = GROUP.min(self.bits - g * GROUP);
            let constant = if g == 0 { similarity.constant } else { F::zero() };
            for (query, out) in table.chunks_exact_mut(self.row).take(1 << bits).enumerate() {
                for (key, of_key) in of_keys.chunks_exact(self.row).take(1 << bits).enumerate() {
                    let ones = [query, key].map(|x| x.count_ones());
                    let differ = (query ^ key).count_ones();
                    let weight = per_bit.weigh(bits as u32, ones, differ) + constant;
                    out.iter_mut().zip(of_key).for_each(|(out, &sum)| *out += weight * sum);
                }
            }
        }
        Selected { isa: Isa::best(), bits: self.bits, table }
    }
}

/// What each value of a group of four bits of a query adds to its sums.
pub(crate) struct Selected<F> {
    isa: Isa,
    bits: usize,
    /// `[groups * 16, width + 1]`.
    table: Vec<F>,
}

impl<F: Scalar> Selected<F> {
    /// Adds, for query `i`, the sum of `similarity * value` over the keys, and in a last place the
    /// sum of the similarities: `[width + 1]`.
    ///
    /// # Panics
    /// If queries and keys differ in width, or the sums are not as wide as values.
    pub(crate) fn add(&self, queries: &BitCodes, i: usize, sums: &mut [F]) {
        assert_eq!(queries.bits(), self.bits, "queries as wide as the keys");
        let entries = self.bits.div_ceil(GROUP) * ENTRIES;
        assert_eq!(self.table.len(), entries * sums.len(), "sums as wide as values");
        add_query(self.isa, &self.table, queries.code(i), self.bits, sums);
    }
}

compiled! {
    /// Adds the values of keys, each with a 1 behind it, to the sums of the values of their groups.
    /// `value` is memory for one of them, and holds the 1.
    fn add_keys<F: Scalar>(keys: &BitCodes, values: &[F], value: &mut [F], sums: &mut [F]) {
        let row = value.len();
        for (j, key) in keys.iter().enumerate() {
            value[..row - 1].copy_from_slice(&values[j * (row - 1)..(j + 1) * (row - 1)]);
            for (g, entry) in groups(key, keys.bits()).enumerate() {
                add(&mut sums[(g * ENTRIES + entry) * row..][..row], value);
            }
        }
    }
}

compiled! {
    /// Adds the rows of a table that a code selects.
    fn add_query<F: Scalar>(table: &[F], code: &[u64], bits: usize, sums: &mut [F]) {
        for (g, entry) in groups(code, bits).enumerate() {
            add(sums, &table[(g * ENTRIES + entry) * sums.len()..][..sums.len()]);
        }
    }
}

/// `sum w v / sum w` for each query, `[N, width]`; zeros where the denominator is not above zero.
/// `sum(i, sums)` adds the numerators and, in a last place, the denominator of query `i`.
pub(crate) fn means<F: Scalar>(
    queries: usize,
    width: usize,
    sum: impl Fn(usize, &mut [F]) + Sync,
) -> Array2<F> {
    let mut out = vec![F::zero(); queries * width];
    out.par_chunks_mut((QUERIES * width).max(1)).enumerate().for_each(|(task, out)| {
        let mut sums = vec![F::zero(); width + 1];
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            sums.fill(F::zero());
            sum(task * QUERIES + i, &mut sums);
            let denominator = sums[width];
            if denominator > F::zero() {
                let means = sums.iter().map(|&numerator| numerator / denominator);
                out.iter_mut().zip(means).for_each(|(out, mean)| *out = mean);
            }
        }
    });
    match Array2::from_shape_vec((queries, width), out) {
        Ok(out) => out,
        Err(e) => unreachable!("a row for every query: {e}"),
    }
}

#[inline(always)]
fn add<F: Scalar>(to: &mut [F], row: &[F]) {
    to.iter_mut().zip(row).for_each(|(to, &value)| *to += value);
}

/// The values of the groups of a code.
#[inline(always)]
fn groups(code: &[u64], bits: usize) -> impl Iterator<Item = usize> {
    let start = (0..bits).step_by(GROUP);
    start.map(move |r| (code[r / 64] >> (r % 64)) as usize & (ENTRIES - 1))
}
