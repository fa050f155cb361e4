//! The greatest of many numbers.

use crate::compiled::compiled;

/// Columns for each number that is asked for: so many that few others come along.
const COLUMNS: usize = 4;
/// Scores come in blocks of so many.
const BLOCK: usize = super::LANES;

compiled! {
    /// A number that at least `keep` of the scores reach, and not many more. There are more scores
    /// than `keep`, in whole blocks.
    ///
    /// It is the `keep`-th of the greatest scores of each column, the scores taken as rows.
    pub(super) fn lower_bound(scores: &[i16], keep: usize, columns: &mut Vec<i16>) -> i16 {
        let width = (COLUMNS * keep).next_multiple_of(BLOCK);
        if scores.len() < 2 * width {
            return kth_greatest(scores, keep);
        }
        if width == BLOCK {
            // All of them fit registers.
            let mut columns = [i16::MIN; BLOCK];
            for row in scores.as_chunks::<BLOCK>().0 {
                for (greatest, &score) in columns.iter_mut().zip(row) {
                    *greatest = score.max(*greatest);
                }
            }
            return kth_greatest(&columns, keep);
        }
        columns.clear();
        columns.resize(width, i16::MIN);
        for row in scores.chunks(width) {
            for (greatest, &score) in columns.iter_mut().zip(row) {
                *greatest = score.max(*greatest);
            }
        }
        kth_greatest(columns.as_slice(), keep)
    }
}

compiled! {
    /// Keeps the `keep` places of the greatest scores, the first of equal ones; there are at least
    /// as many.
    pub(super) fn retain_greatest(
        scores: &[i16],
        keep: usize,
        places: &mut Vec<u32>,
        found: &mut Vec<i16>,
    ) {
        found.clear();
        found.extend(places.iter().map(|&place| scores[place as usize]));
        let bound = kth_greatest(found.as_slice(), keep);
        let mut equal = keep - found.iter().filter(|&&score| score > bound).count();
        let mut count = 0;
        for (i, &score) in found.iter().enumerate() {
            let first = score == bound && equal > 0;
            equal -= usize::from(first);
            places[count] = places[i];
            count += usize::from(score > bound || first);
        }
        places.truncate(count);
    }
}

/// The `k`-th greatest, by bisection: to count is fast.
///
/// # Panics
/// If there are less than `k`, or `k` is 0.
#[inline(always)]
fn kth_greatest<V: AsRef<[i16]> + ?Sized>(values: &V, k: usize) -> i16 {
    let values = values.as_ref();
    assert!((1..=values.len()).contains(&k), "{k} of {} values", values.len());
    let (mut low, mut high) = values
        .iter()
        .fold((i16::MAX, i16::MIN), |(low, high), &value| (low.min(value), high.max(value)));
    // At least `k` reach `low`.
    while low < high {
        let middle = low + ((i32::from(high) - i32::from(low) + 1) / 2) as i16;
        if reach(values, middle) >= k {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// How many are at least `least`.
#[inline(always)]
fn reach(values: &[i16], least: i16) -> usize {
    let count = |part: &[i16]| part.iter().map(|&value| u16::from(value >= least)).sum::<u16>();
    values.chunks(1 << 15).map(|part| usize::from(count(part))).sum()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use snn_core::packed::Isa;

    use super::*;
    use crate::codes::heaviest;

    proptest! {
        #[test]
        fn the_bound_is_reached_by_enough(
            blocks in vec(any::<[i16; 64]>(), 1..40), keep in 1usize..64, narrow in 0u32..15,
        ) {
            let scores: Vec<i16> = blocks.concat().into_iter().map(|score| score >> narrow).collect();
            let mut sorted = scores.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            for isa in Isa::all() {
                let bound = lower_bound(isa, &scores, keep, &mut Vec::new());
                prop_assert!(reach(&scores, bound) >= keep);
                prop_assert!(bound <= sorted[keep - 1]);
                let mut places: Vec<u32> = (0..scores.len() as u32).collect();
                retain_greatest(isa, &scores, keep, &mut places, &mut Vec::new());
                let weights: Vec<f64> = scores.iter().copied().map(f64::from).collect();
                prop_assert_eq!(places, heaviest(&weights, keep));
            }
            prop_assert_eq!(kth_greatest(scores.as_slice(), keep), sorted[keep - 1]);
        }
    }
}
