use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};
use snn_core::reference::Scalar;
use snn_hash::BitCodes;

use super::{
    linear::{Sums, means},
    measure::PerBit,
};

/// Attention on the codes of a kernel hash, `c` of -1 and +1, in time linear in the number of
/// tokens: with `t = b + 1` every similarity `c_i . c_j + t` is at least 1.
///
/// Source: Liu et al., *EcoFormer*, NeurIPS 2022, arXiv 2209.09004.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelHashAttention {
    /// Where `t` enters.
    #[serde(default)]
    pub bias: Bias,
}

/// Where the constant `t = b + 1` of the similarity enters the numerator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// Through the value of the token itself, `sum_j (c_i . c_j) v_j + t v_i`: what the authors'
    /// code computes, and their weights expect.
    #[default]
    Official,
    /// Through all values, `sum_j (c_i . c_j + t) v_j`: weights are positive and sum to one. Our
    /// reading of the paper.
    Consistent,
}

impl KernelHashAttention {
    /// Queries `[N]`, keys `[M]`, values `[M, width]`; gives `[N, width]`.
    ///
    /// # Panics
    /// If widths differ, there is no value for every key, or, with [`Bias::Official`], queries and
    /// keys are not as many: they are the same tokens there.
    pub fn attend<F: Scalar>(
        &self,
        queries: &BitCodes,
        keys: &BitCodes,
        values: ArrayView2<'_, F>,
    ) -> Array2<F> {
        let t = F::of(queries.bits() as f64 + 1.0);
        let one = F::one();
        let dot = PerBit { both: one, neither: one, differ: -one, constant: F::zero() };
        let (width, n) = (values.ncols(), queries.len());
        let sums = Sums::new(keys, values);
        match self.bias {
            Bias::Consistent => {
                let selected = sums.seen_by(&PerBit { constant: t, ..dot });
                means(n, width, |i, sums| selected.add(queries, i, sums))
            }
            Bias::Official => {
                assert_eq!(queries.len(), keys.len(), "queries and keys of the same tokens");
                let (selected, all) = (sums.seen_by(&dot), F::of(keys.len() as f64) * t);
                means(n, width, |i, sums| {
                    selected.add(queries, i, sums);
                    let own = values.row(i);
                    sums.iter_mut().zip(own).for_each(|(sum, &value)| *sum += t * value);
                    sums[width] += all;
                })
            }
        }
    }
}
