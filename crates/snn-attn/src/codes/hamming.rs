use std::num::NonZeroUsize;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use snn_core::reference::Scalar;
use snn_hash::{BitCodes, Scan};

use super::{
    heaviest::mean_of_heaviest,
    linear::{Sums, divided},
    measure::{Measure, PerBit, ones},
};

/// Queries of one task.
const TASK: usize = 16;

/// Attention whose weights are counts of bits: `sum_j w_ij v_j / sum_j w_ij`.
///
/// A query that weighs no key gets zeros. How counts become weights is our reading of the idea.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HammingAttention {
    /// What is counted.
    pub measure: Measure,
    /// Keys that a query attends to: those of the greatest weights, ties by lowest index; all if
    /// `None`, or if there are no more.
    #[serde(default)]
    pub keep: Option<NonZeroUsize>,
    /// Whether query `i` sees the keys up to `i` alone.
    #[serde(default)]
    pub causal: bool,
}

impl HammingAttention {
    /// Queries `[N]`, keys `[M]`, values `[M, width]`; gives `[N, width]`.
    ///
    /// Where every key counts the weights are never formed and the cost is linear in the number of
    /// tokens; with `keep` or `causal` it is `N M / 64` counts of words and `N keep` additions.
    ///
    /// # Panics
    /// If widths differ, or there is no value for every key.
    pub fn attend<F: Scalar>(
        &self,
        queries: &BitCodes,
        keys: &BitCodes,
        values: ArrayView2<'_, F>,
    ) -> Array2<F> {
        assert_eq!(keys.len(), values.nrows(), "a value for every key");
        if self.keep.is_none_or(|keep| keep.get() >= keys.len()) && !self.causal {
            return divided(&Sums::new(keys, values).attend(queries, &self.measure.per_bit()));
        }
        let scan = Scan::new(keys);
        let of_keys = ones(keys);
        let mut out = Array2::zeros((queries.len(), values.ncols()));
        out.axis_chunks_iter_mut(Axis(0), TASK).into_par_iter().enumerate().for_each(
            |(task, mut out)| {
                let mut distances = vec![0; keys.len()];
                let mut weights = vec![0.0; keys.len()];
                for (i, out) in out.outer_iter_mut().enumerate() {
                    let query = task * TASK + i;
                    scan.distances(queries.code(query), &mut distances);
                    self.weigh(queries, query, (&of_keys, &distances), &mut weights);
                    let seen = if self.causal { keys.len().min(query + 1) } else { keys.len() };
                    mean_of_heaviest(&weights[..seen], self.keep, values, out);
                }
            },
        );
        out
    }

    /// Weights of one query from its distances to the keys and the bits set in these.
    fn weigh(
        &self,
        queries: &BitCodes,
        query: usize,
        (of_keys, distances): (&[u32], &[u32]),
        weights: &mut [f64],
    ) {
        let per_bit: PerBit<f64> = self.measure.per_bit();
        let bits = queries.bits() as u32;
        let of_query = queries.overlap(query, queries, query);
        for ((weight, &of_key), &distance) in weights.iter_mut().zip(of_keys).zip(distances) {
            *weight = per_bit.weigh(bits, [of_query, of_key], distance);
        }
    }
}
