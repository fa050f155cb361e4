//! Similarities that are sums over bits, without a map of tokens by tokens.

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;
use snn_core::reference::Scalar;
use snn_hash::BitCodes;

use super::measure::PerBit;

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
        let (bits, row) = (keys.bits(), values.ncols() + 1);
        let length = bits.div_ceil(GROUP) * ENTRIES * row;
        let tasks = (0..keys.len().div_ceil(KEYS)).into_par_iter().map(|task| {
            let mut sums = vec![F::zero(); length];
            let mut value = vec![F::one(); row];
            for j in task * KEYS..((task + 1) * KEYS).min(keys.len()) {
                value.iter_mut().zip(values.row(j)).for_each(|(value, &v)| *value = v);
                for (g, entry) in groups(keys.code(j), bits).enumerate() {
                    add(&mut sums[(g * ENTRIES + entry) * row..][..row], &value);
                }
            }
            sums
        });
        let tasks: Vec<_> = tasks.collect();
        let mut of_keys = vec![F::zero(); length];
        tasks.iter().for_each(|sums| add(&mut of_keys, sums));
        Self { bits, row, of_keys }
    }

    /// For every query the sum of `similarity * value` over the keys, and in a last column the sum
    /// of the similarities: `[N, width + 1]`.
    ///
    /// # Panics
    /// If queries and keys differ in width.
    pub(crate) fn attend(&self, queries: &BitCodes, similarity: &PerBit<F>) -> Array2<F> {
        assert_eq!(queries.bits(), self.bits, "queries as wide as the keys");
        let (table, row) = (self.of_queries(similarity), self.row);
        let mut out = vec![F::zero(); queries.len() * row];
        out.par_chunks_mut(QUERIES * row).enumerate().for_each(|(task, out)| {
            for (i, out) in out.chunks_exact_mut(row).enumerate() {
                let code = queries.code(task * QUERIES + i);
                for (g, entry) in groups(code, self.bits).enumerate() {
                    add(out, &table[(g * ENTRIES + entry) * row..][..row]);
                }
            }
        });
        match Array2::from_shape_vec((queries.len(), row), out) {
            Ok(out) => out,
            Err(e) => unreachable!("a row for every query: {e}"),
        }
    }

    /// What a value of a group of the query adds. The constant of the similarity is part of the
    /// first group.
    fn of_queries(&self, similarity: &PerBit<F>) -> Vec<F> {
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
        table
    }
}

/// `sum w v / sum w` from the numerators and, in the last column, the denominators; zeros where
/// that is not above zero.
pub(crate) fn divided<F: Scalar>(sums: &Array2<F>) -> Array2<F> {
    let width = sums.ncols() - 1;
    let mut out = sums.slice(s![.., ..width]).to_owned();
    for (mut out, &denominator) in out.outer_iter_mut().zip(sums.column(width)) {
        if denominator > F::zero() {
            out.mapv_inplace(|numerator| numerator / denominator);
        } else {
            out.fill(F::zero());
        }
    }
    out
}

fn add<F: Scalar>(to: &mut [F], row: &[F]) {
    to.iter_mut().zip(row).for_each(|(to, &value)| *to += value);
}

/// The values of the groups of a code.
fn groups(code: &[u64], bits: usize) -> impl Iterator<Item = usize> {
    let start = (0..bits).step_by(GROUP);
    start.map(move |r| (code[r / 64] >> (r % 64)) as usize & (ENTRIES - 1))
}
