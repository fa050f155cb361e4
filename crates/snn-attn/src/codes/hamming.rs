use std::num::NonZeroUsize;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use snn_core::{packed::Isa, reference::Scalar};
use snn_hash::BitCodes;

use super::{
    heaviest::mean,
    linear::{Sums, means},
    measure::{Measure, PerBit, ones},
    scores::{Scores, Scratch},
};

/// Queries of one task.
const TASK: usize = 64;

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
            let selected = Sums::new(keys, values).seen_by(&self.measure.per_bit());
            return means(queries.len(), values.ncols(), |i, sums| selected.add(queries, i, sums));
        }
        let keep = self.keep.map_or(usize::MAX, NonZeroUsize::get);
        let per_bit: PerBit<f64> = self.measure.per_bit();
        let isa = Isa::best();
        let scores = Scores::new(isa, [(keys, per_bit, 1.0)]);
        let (width, values) = (values.ncols(), values.as_standard_layout());
        let values = values.as_slice().unwrap_or_default();
        let of_keys = ones(keys);
        let mut out = Array2::zeros((queries.len(), width));
        let tasks = out.axis_chunks_iter_mut(Axis(0), TASK).into_par_iter().enumerate();
        tasks.for_each_init(Scratch::default, |scratch, (task, mut out)| {
            for (i, mut out) in out.outer_iter_mut().enumerate() {
                let query = task * TASK + i;
                let of_query = queries.overlap(query, queries, query);
                let weigh = |j: usize| {
                    let differ = queries.distance(query, keys, j);
                    per_bit.weigh(keys.bits() as u32, [of_query, of_keys[j]], differ)
                };
                let seen = if self.causal { keys.len().min(query + 1) } else { keys.len() };
                let code = [queries.code(query)];
                let (kept, weights) = scores.heaviest(&code, (seen, keep), weigh, scratch);
                if let Some(out) = out.as_slice_mut() {
                    mean(isa, kept, weights, values, out);
                }
            }
        });
        out
    }
}
