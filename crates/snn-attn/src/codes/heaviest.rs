use snn_core::reference::Scalar;

use crate::compiled::compiled;

/// Keeps the `keep` candidates of the greatest weights, the first of equal ones.
pub(crate) fn retain_heaviest(weights: &mut [f64], keep: usize, candidates: &mut Vec<u32>) {
    debug_assert_eq!(weights.len(), candidates.len(), "a weight for each candidate");
    if candidates.len() <= keep {
        return;
    }
    let all = weights.to_vec();
    let (_, &mut least, _) = weights.select_nth_unstable_by(keep - 1, |a, b| b.total_cmp(a));
    // Whoever weighs more is in; of those who weigh as much, the first.
    let more = all.iter().filter(|weight| weight.total_cmp(&least).is_gt()).count();
    let (mut equal, mut index) = (keep - more, 0);
    candidates.retain(|_| {
        let order = all[index].total_cmp(&least);
        index += 1;
        order.is_gt()
            || order.is_eq() && {
                let first = equal > 0;
                equal = equal.saturating_sub(1);
                first
            }
    });
}

/// The keys of the `keep` greatest weights in order, ties by lowest index.
pub(crate) fn heaviest(weights: &[f64], keep: usize) -> Vec<u32> {
    let mut keys = (0..weights.len() as u32).collect();
    if keep > 0 {
        retain_heaviest(&mut weights.to_vec(), keep, &mut keys);
    }
    keys
}

compiled! {
    /// `sum w v / sum w` over some keys; zeros where no weight is above zero. `values` are
    /// `[keys, width]`, `out` is `[width]` and zero.
    pub(crate) fn mean<F: Scalar>(keys: &[u32], weights: &[f64], values: &[F], out: &mut [F]) {
        let mut sum = F::zero();
        for (&j, &weight) in keys.iter().zip(weights) {
            let weight = F::of(weight);
            sum += weight;
            let value = &values[j as usize * out.len()..][..out.len()];
            out.iter_mut().zip(value).for_each(|(out, &value)| *out += weight * value);
        }
        if sum > F::zero() {
            out.iter_mut().for_each(|numerator| *numerator = *numerator / sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn the_heaviest_are_those_of_a_stable_sort(
            weights in vec(prop::sample::select(vec![0.0f64, 0.5, 1.0, 7.25]), 0..60), keep in 1usize..70,
        ) {
            let mut order: Vec<u32> = (0..weights.len() as u32).collect();
            order.sort_by(|&a, &b| weights[b as usize].total_cmp(&weights[a as usize]));
            order.truncate(keep);
            order.sort_unstable();
            prop_assert_eq!(heaviest(&weights, keep), order);
        }
    }
}
