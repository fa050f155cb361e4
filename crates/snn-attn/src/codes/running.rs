use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use snn_core::reference::Scalar;
use snn_hash::BitCodes;

use super::linear::means;

/// Attention by coincidence that is kept up to date while bits flip: an event costs one addition
/// of a value for every query that it concerns, not a product of everything.
///
/// State is this value. Sums of integers are exact, so after any number of events the output equals
/// that of [`HammingAttention`](super::HammingAttention) with
/// [`Measure::Coincidence`](super::Measure::Coincidence); sums of other numbers drift as floats do.
#[derive(Clone, Debug, PartialEq)]
pub struct Running<F> {
    queries: BitCodes,
    keys: BitCodes,
    values: Array2<F>,
    /// Numerators, and denominators in the last column, `[N, width + 1]`.
    sums: Array2<F>,
}

impl<F: Scalar> Running<F> {
    /// Silence: `queries` and `keys` tokens of so many bits, with values `[keys, width]`.
    ///
    /// # Panics
    /// If `bits` is zero.
    pub fn new(queries: usize, bits: usize, values: ArrayView2<'_, F>) -> Self {
        Self {
            queries: BitCodes::zeros(queries, bits),
            keys: BitCodes::zeros(values.nrows(), bits),
            sums: Array2::zeros((queries, values.ncols() + 1)),
            values: values.to_owned(),
        }
    }

    /// The queries as they are now.
    pub fn queries(&self) -> &BitCodes {
        &self.queries
    }

    /// The keys as they are now.
    pub fn keys(&self) -> &BitCodes {
        &self.keys
    }

    /// Bit `r` of key `j` flips.
    ///
    /// # Panics
    /// If there is no such key or bit.
    pub fn flip_key(&mut self, j: usize, r: usize) {
        let set = !self.keys.get(j, r);
        self.keys.set(j, r, set);
        for i in 0..self.queries.len() {
            if self.queries.get(i, r) {
                self.add(i, j, sign(set));
            }
        }
    }

    /// Bit `r` of query `i` flips.
    ///
    /// # Panics
    /// If there is no such query or bit.
    pub fn flip_query(&mut self, i: usize, r: usize) {
        let set = !self.queries.get(i, r);
        self.queries.set(i, r, set);
        for j in 0..self.keys.len() {
            if self.keys.get(j, r) {
                self.add(i, j, sign(set));
            }
        }
    }

    /// The value of key `j` becomes `value` `[width]`.
    ///
    /// # Panics
    /// If there is no such key, or the value has another width.
    pub fn set_value(&mut self, j: usize, value: ArrayView1<'_, F>) {
        let change: Array1<F> = &value - &self.values.row(j);
        for (i, mut sums) in self.sums.outer_iter_mut().enumerate() {
            let weight = F::of(f64::from(self.queries.overlap(i, &self.keys, j)));
            let (mut numerators, _) = sums.view_mut().split_at(Axis(0), change.len());
            numerators.scaled_add(weight, &change);
        }
        self.values.row_mut(j).assign(&value);
    }

    /// `sum_j w_ij v_j / sum_j w_ij` `[N, width]`; zeros for a query that coincides with no key.
    pub fn output(&self) -> Array2<F> {
        means(self.queries.len(), self.values.ncols(), |i, sums| {
            sums.iter_mut().zip(self.sums.row(i)).for_each(|(sum, &kept)| *sum = kept);
        })
    }

    fn add(&mut self, i: usize, j: usize, sign: F) {
        let row = self.sums.row_mut(i);
        let (mut numerators, mut denominator) = row.split_at(Axis(0), self.values.ncols());
        numerators.scaled_add(sign, &self.values.row(j));
        denominator[0] += sign;
    }
}

fn sign<F: Scalar>(set: bool) -> F {
    if set { F::one() } else { -F::one() }
}
