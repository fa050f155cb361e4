use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    num::NonZeroUsize,
};

use ndarray::{ArrayView2, ArrayViewMut1, Axis};
use snn_core::reference::Scalar;

/// A key and its weight; the greater is the heavier, of equal weights the one that comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Weighed {
    weight: f64,
    index: usize,
}

impl Eq for Weighed {}

impl Ord for Weighed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.weight.total_cmp(&other.weight).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Weighed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The keys of the `keep` greatest weights in order, ties by lowest index.
pub(crate) fn heaviest(weights: &[f64], keep: NonZeroUsize) -> Vec<usize> {
    let keep = keep.get();
    if keep >= weights.len() {
        return (0..weights.len()).collect();
    }
    let weighed = |(index, &weight): (usize, &f64)| Weighed { weight, index };
    let mut heap: BinaryHeap<_> =
        weights[..keep].iter().enumerate().map(weighed).map(Reverse).collect();
    let mut least = heap.peek().map_or(f64::NEG_INFINITY, |last| last.0.weight);
    for (index, &weight) in weights.iter().enumerate().skip(keep) {
        // An equal one that comes later loses.
        if weight > least {
            if let Some(mut last) = heap.peek_mut() {
                *last = Reverse(Weighed { weight, index });
            }
            least = heap.peek().map_or(least, |last| last.0.weight);
        }
    }
    let mut kept: Vec<usize> = heap.into_iter().map(|Reverse(last)| last.index).collect();
    kept.sort_unstable();
    kept
}

/// `sum w v / sum w` over the `keep` heaviest, or all; zeros where no weight is above zero.
///
/// `weights` are those of the first values: `[seen]`, `values` `[tokens, width]`, `out` `[width]`.
pub(crate) fn mean_of_heaviest<F: Scalar>(
    weights: &[f64],
    keep: Option<NonZeroUsize>,
    values: ArrayView2<'_, F>,
    mut out: ArrayViewMut1<'_, F>,
) {
    let kept = match keep {
        Some(keep) => heaviest(weights, keep),
        None => (0..weights.len()).collect(),
    };
    out.fill(F::zero());
    let mut sum = F::zero();
    for index in kept {
        let weight = F::of(weights[index]);
        sum += weight;
        out.scaled_add(weight, &values.index_axis(Axis(0), index));
    }
    if sum > F::zero() {
        out.mapv_inplace(|numerator| numerator / sum);
    }
}
