//! The greatest of many numbers.

/// Columns for each number that is asked for: so many that few others come along.
const COLUMNS: usize = 4;

/// A number that at least `keep` of the scores reach, and not many more. There are more scores than
/// `keep`, in whole blocks of 64.
///
/// It is the `keep`-th of the greatest scores of each column, the scores taken as rows.
pub(super) fn lower_bound(scores: &[i16], keep: usize, columns: &mut Vec<i16>) -> i16 {
    let width = (COLUMNS * keep).next_multiple_of(64);
    columns.clear();
    if scores.len() < 2 * width {
        columns.extend_from_slice(scores);
    } else {
        let (first, rest) = scores.split_at(width);
        columns.extend_from_slice(first);
        for row in rest.chunks(width) {
            columns
                .iter_mut()
                .zip(row)
                .for_each(|(greatest, &score)| *greatest = score.max(*greatest));
        }
    }
    kth_greatest(columns, keep)
}

/// The `k`-th greatest, by bisection: to count is fast.
///
/// # Panics
/// If there are less than `k`, or `k` is 0.
fn kth_greatest(values: &[i16], k: usize) -> i16 {
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
fn reach(values: &[i16], least: i16) -> usize {
    let count = |part: &[i16]| part.iter().map(|&value| u16::from(value >= least)).sum::<u16>();
    values.chunks(1 << 15).map(|part| usize::from(count(part))).sum()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn the_bound_is_reached_by_enough(
            blocks in vec(any::<[i16; 64]>(), 1..40), keep in 1usize..64, narrow in 0u32..15,
        ) {
            let scores: Vec<i16> = blocks.concat().into_iter().map(|score| score >> narrow).collect();
            let bound = lower_bound(&scores, keep, &mut Vec::new());
            prop_assert!(reach(&scores, bound) >= keep);
            let mut sorted = scores.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            prop_assert!(bound <= sorted[keep - 1]);
            prop_assert_eq!(kth_greatest(&scores, keep), sorted[keep - 1]);
        }
    }
}
