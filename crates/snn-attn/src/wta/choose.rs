use std::cmp::Reverse;

use super::WinnerTakeAll;

/// The winners among the keys `seen`, a rising list, by lowest index; `scores` are those of all
/// keys.
pub(super) fn choose(wta: &WinnerTakeAll, scores: &[u32], seen: &Seen) -> Vec<usize> {
    let least = u32::from(wta.silent_rule);
    match (seen, wta.winners.among(seen.len())) {
        (_, 0) => Vec::new(),
        // Two passes over plain numbers are faster than one that carries an index.
        (Seen::First(count), 1) => {
            let scores = &scores[..*count];
            let best = scores.iter().copied().max().unwrap_or(0);
            let first = scores.iter().position(|&score| score == best);
            first.filter(|_| best >= least).into_iter().collect()
        }
        (Seen::These(keys), 1) => {
            let best = keys.iter().copied().max_by_key(|&key| (scores[key], Reverse(key)));
            best.filter(|&key| scores[key] >= least).into_iter().collect()
        }
        (_, count) => {
            let mut keys: Vec<usize> = match seen {
                Seen::First(count) => (0..*count).filter(|&key| scores[key] >= least).collect(),
                Seen::These(keys) => {
                    keys.iter().copied().filter(|&key| scores[key] >= least).collect()
                }
            };
            if keys.len() > count {
                keys.select_nth_unstable_by_key(count - 1, |&key| (Reverse(scores[key]), key));
                keys.truncate(count);
                keys.sort_unstable();
            }
            keys
        }
    }
}

/// Keys that a query sees.
pub(super) enum Seen {
    /// The first so many.
    First(usize),
    /// These, in rising order.
    These(Vec<usize>),
}

impl Seen {
    fn len(&self) -> usize {
        match self {
            Self::First(count) => *count,
            Self::These(keys) => keys.len(),
        }
    }
}
