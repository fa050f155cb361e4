use std::num::NonZeroUsize;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use snn_core::{packed::Isa, reference::Scalar};
use snn_hash::{Fusion, MultiCodes};

use super::{
    heaviest::{heaviest, mean},
    linear::{Sums, means},
    measure::PerBit,
};

/// Attention on codes of several scales: `sum_j w_ij v_j / sum_j w_ij` with `w = 1 + similarity`.
///
/// Our reading of the idea; no paper defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiScaleAttention {
    /// How the similarities of the scales become one; weights that sum to 1 keep `w` from being
    /// negative.
    pub fusion: Fusion,
    /// Keys that a query attends to: the most similar, ties by lowest index; all if `None`, or if
    /// there are no more.
    pub keep: Option<NonZeroUsize>,
}

impl MultiScaleAttention {
    /// Queries `[N]`, keys `[M]`, values `[M, width]`; gives `[N, width]`. Linear in the number of
    /// tokens unless `keep` or [`Fusion::Max`] need every similarity.
    ///
    /// # Panics
    /// If the scales or their weights differ, or there is no value for every key.
    pub fn attend<F: Scalar>(
        &self,
        queries: &MultiCodes,
        keys: &MultiCodes,
        values: ArrayView2<'_, F>,
    ) -> Array2<F> {
        assert_eq!(keys.len(), values.nrows(), "a value for every key");
        let all = self.keep.is_none_or(|keep| keep.get() >= keys.len());
        match (all, self.shares(queries)) {
            (true, Some(shares)) => linear(&shares, queries, keys, values),
            _ => self.quadratic(queries, keys, values),
        }
    }

    /// What one bit of each scale weighs, if the similarity is a sum over bits.
    fn shares(&self, codes: &MultiCodes) -> Option<Vec<f64>> {
        let bits = || codes.scales().iter().map(|scale| scale.bits() as f64);
        match &self.fusion {
            Fusion::Weighted(alpha) => Some(alpha.iter().zip(bits()).map(|(a, b)| a / b).collect()),
            Fusion::Concat => {
                let total: f64 = bits().sum();
                Some(bits().map(|_| 1.0 / total).collect())
            }
            Fusion::Max => None,
        }
    }

    fn quadratic<F: Scalar>(
        &self,
        queries: &MultiCodes,
        keys: &MultiCodes,
        values: ArrayView2<'_, F>,
    ) -> Array2<F> {
        let mut out = Array2::zeros((queries.len(), values.ncols()));
        let isa = Isa::best();
        let values = values.as_standard_layout();
        let values = values.as_slice().unwrap_or_default();
        let keep = self.keep.map_or(usize::MAX, NonZeroUsize::get);
        out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut out)| {
            let weight = |j| 1.0 + queries.similarity(i, keys, j, &self.fusion);
            let weights: Vec<f64> = (0..keys.len()).map(weight).collect();
            if let Some(out) = out.as_slice_mut() {
                let kept = heaviest(&weights, keep);
                let weights: Vec<f64> = kept.iter().map(|&j| weights[j as usize]).collect();
                mean(isa, &kept, &weights, values, out);
            }
        });
        out
    }
}

fn linear<F: Scalar>(
    shares: &[f64],
    queries: &MultiCodes,
    keys: &MultiCodes,
    values: ArrayView2<'_, F>,
) -> Array2<F> {
    let scales = queries.scales().iter().zip(keys.scales());
    assert_eq!(scales.len(), shares.len(), "a weight for every scale");
    let selected: Vec<_> = scales
        .zip(shares)
        .enumerate()
        .map(|(i, ((queries, keys), &share))| {
            let share = F::of(share);
            // The 1 of the weight belongs to the first scale.
            let constant = if i == 0 { F::one() } else { F::zero() };
            let dot = PerBit { both: share, neither: share, differ: -share, constant };
            (queries, Sums::new(keys, values).seen_by(&dot))
        })
        .collect();
    means(queries.len(), values.ncols(), |i, sums| {
        selected.iter().for_each(|(queries, selected)| selected.add(queries, i, sums));
    })
}
