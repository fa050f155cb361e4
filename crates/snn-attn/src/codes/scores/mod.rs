//! Which keys weigh most: integer scores of all keys, then the weights of the few in question.

mod kernel;
mod top;

use snn_core::packed::Isa;
use snn_hash::BitCodes;

use super::{heaviest::retain_heaviest, measure::PerBit};
use kernel::{LANES, QUAD, Quad, Split};

/// Greatest magnitude of a score; a key that is not there has less than its negative.
const RANGE: f64 = 16_000.0;
/// Score of a key that is not there.
const NONE: i16 = i16::MIN;

/// The keys of one head, laid out to be scored 64 at a time.
///
/// A weight that is a sum over bits is `alpha c + beta k` and what is the same for all keys, where
/// `c` counts the bits that query and key have in common and `k` those of the key: of every scale,
/// added up. A score is that, scaled and rounded to 16 bits.
pub(crate) struct Scores {
    isa: Isa,
    keys: usize,
    scales: Vec<Scale>,
    /// What a score is beside the bits in common, `[blocks][64]`.
    offsets: Vec<i16>,
    /// So much of a score is a weight of 1.
    unit: f64,
    /// A score that is less by more than this belongs to a smaller weight; 0 if scores are exact.
    slack: i16,
}

struct Scale {
    /// What a bit in common adds.
    factor: i16,
    /// Nibbles of the keys, `[blocks][groups][64]`.
    planes: Vec<[u8; LANES]>,
    groups: usize,
}

/// Memory for the scores of one query after the other.
#[derive(Clone, Default)]
pub(crate) struct Scratch {
    /// `[blocks][64]`.
    scores: Vec<i16>,
    /// Scores of a query that fit bytes.
    counts: Vec<[u8; LANES]>,
    columns: Vec<i16>,
    quads: Vec<Quad>,
    splits: Vec<Split>,
    keys: Vec<u32>,
    weights: Vec<f64>,
}

impl Scores {
    /// Keys as `scales` have them, each with the weight of its bits and its share.
    pub(crate) fn new<'a>(
        isa: Isa,
        scales: impl IntoIterator<Item = (&'a BitCodes, PerBit<f64>, f64)>,
    ) -> Self {
        let scales: Vec<_> = scales.into_iter().collect();
        let keys = scales.first().map_or(0, |(keys, ..)| keys.len());
        let blocks = keys.div_ceil(LANES);
        let factors = |per_bit: &PerBit<f64>, share: f64| {
            let PerBit { both, neither, differ, .. } = per_bit;
            [share * (both + neither - 2.0 * differ), share * (differ - neither)]
        };
        let bits = scales.iter().map(|(keys, ..)| keys.bits()).sum::<usize>();
        let span = |(keys, per_bit, share): &(&BitCodes, PerBit<f64>, f64)| {
            keys.bits() as f64 * factors(per_bit, *share).map(f64::abs).iter().sum::<f64>()
        };
        let span = scales.iter().map(span).sum::<f64>();
        let whole = |unit: &f64| {
            let parts =
                scales.iter().flat_map(|(_, PerBit { both, neither, differ, .. }, share)| {
                    [1.0, *both, *neither, *differ].map(|part| share * part * unit)
                });
            parts.into_iter().all(|part| part.fract() == 0.0)
        };
        // Powers of two: then weights and scores are exact, and equal if one of them is.
        let mut units = (0..14).map(|i| f64::from(1 << i)).take_while(|unit| unit * span <= RANGE);
        let (unit, slack) = match units.find(whole) {
            Some(unit) => (unit, 0),
            None => {
                // Rounded by half for each bit in common, and by half for the offset; both ways.
                let slack = (bits + 2).min(i16::MAX as usize);
                (RANGE / span.max(f64::MIN_POSITIVE), slack as i16)
            }
        };
        let mut offsets = vec![0.0; keys];
        for (keys, per_bit, share) in &scales {
            let [_, beta] = factors(per_bit, *share);
            for (offset, key) in offsets.iter_mut().zip(keys.iter()) {
                let ones: u32 = key.iter().map(|word| word.count_ones()).sum();
                *offset += unit * beta * f64::from(ones);
            }
        }
        let there = offsets.into_iter().map(|offset| offset.round() as i16);
        let mut offsets = vec![NONE; blocks * LANES];
        offsets.iter_mut().zip(there).for_each(|(to, offset)| *to = offset);
        let scales = scales.into_iter().map(|(keys, per_bit, share)| Scale {
            factor: (unit * factors(&per_bit, share)[0]).round() as i16,
            groups: keys.bits().div_ceil(QUAD),
            planes: kernel::planes(keys),
        });
        Self { isa, keys, scales: scales.collect(), offsets, unit, slack }
    }

    /// What every key has in common with a query, bit by bit.
    pub(crate) fn common(isa: Isa, keys: &BitCodes) -> Self {
        let both = PerBit { both: 1.0, neither: 0.0, differ: 0.0, constant: 0.0 };
        Self::new(isa, [(keys, both, 1.0)])
    }

    /// Fills in the scores of the first `seen` keys, `[blocks][64]`; what follows these has
    /// [`NONE`]. Gives the greatest.
    fn score(
        &self,
        query: &[&[u64]],
        seen: usize,
        (scores, quads): (&mut Vec<i16>, &mut Vec<Quad>),
    ) -> i16 {
        let offsets = &self.offsets[..seen.div_ceil(LANES) * LANES];
        scores.resize(offsets.len(), 0);
        let (mut from, mut greatest) = (Some(offsets), NONE);
        for (scale, query) in self.scales.iter().zip(query) {
            kernel::quads(query, quads);
            greatest = kernel::add(self.isa, scale, quads, from.take(), scores);
        }
        if seen == self.keys {
            return greatest;
        }
        scores[seen..].fill(NONE);
        scores.iter().copied().fold(NONE, i16::max)
    }

    /// Among the first `seen` keys of [`common`](Self::common) the one of the greatest score, the
    /// first of equal ones, with its score.
    pub(crate) fn best(
        &self,
        query: &[u64],
        seen: usize,
        scratch: &mut Scratch,
    ) -> Option<(usize, i16)> {
        let Scratch { scores, counts, quads, splits, .. } = scratch;
        let seen = seen.min(self.keys);
        let common = self.scales.first().filter(|_| seen > 0)?;
        kernel::quads(query, quads);
        if quads.len() <= kernel::GROUPS {
            counts.resize(seen.div_ceil(LANES), [0; LANES]);
            let mut greatest = kernel::share(self.isa, common, quads, counts);
            if seen < self.keys {
                let counts = counts.as_flattened_mut();
                counts[seen..].fill(0);
                greatest = counts.iter().copied().fold(0, u8::max);
            }
            // No padding comes before the first key.
            let place = kernel::first(self.isa, counts, greatest)?;
            return Some((place, greatest.into()));
        }
        let greatest = self.score(&[query], seen, (scores, quads));
        kernel::split(self.isa, scores, greatest, splits);
        let block = splits.iter().position(|split| split.equal != 0)?;
        Some((block * LANES + splits[block].equal.trailing_zeros() as usize, greatest))
    }

    /// The `keep` heaviest of the first `seen` keys in rising order, ties by lowest index, with
    /// their weights. `weigh` gives the weight of a key; it is asked for few, and if scores are
    /// exact only for one.
    pub(crate) fn heaviest<'a>(
        &self,
        query: &[&[u64]],
        (seen, keep): (usize, usize),
        weigh: impl Fn(usize) -> f64,
        scratch: &'a mut Scratch,
    ) -> (&'a [u32], &'a [f64]) {
        let Scratch { scores, quads, splits, keys, weights, columns, .. } = scratch;
        let (seen, isa) = (seen.min(self.keys), self.isa);
        self.score(query, seen, (scores, quads));
        keys.clear();
        weights.clear();
        if keep >= seen {
            keys.extend(0..seen as u32);
        } else if self.slack > 0 {
            let least = top::lower_bound(isa, scores, keep, columns);
            kernel::split(isa, scores, least.saturating_sub(self.slack).max(NONE + 1) - 1, splits);
            kernel::places(isa, splits, 0, keys);
            weights.extend(keys.iter().map(|&j| weigh(j as usize)));
            retain_heaviest(weights, keep, keys);
            weights.clear();
        } else {
            let bound = top::lower_bound(isa, scores, keep, columns);
            let above = kernel::split(isa, scores, bound, splits);
            if above < keep {
                kernel::places(isa, splits, keep - above, keys);
            } else {
                kernel::places(isa, splits, 0, keys);
                top::retain_greatest(isa, scores, keep, keys, columns);
            }
        }
        match keys.first() {
            Some(&key) if self.slack == 0 => {
                // Weights differ as scores do.
                let of = |j: u32| f64::from(scores[j as usize]) / self.unit;
                let of_none = weigh(key as usize) - of(key);
                weights.extend(keys.iter().map(|&j| of_none + of(j)));
            }
            _ => weights.extend(keys.iter().map(|&j| weigh(j as usize))),
        }
        (keys, weights)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::codes::heaviest;

    fn codes(bits: usize, count: usize) -> impl Strategy<Value = BitCodes> {
        // Few different codes, so that weights are equal.
        let words = bits.div_ceil(64);
        vec(prop_oneof![Just(0u64), 1u64..16, any::<u64>()], words * count).prop_map(move |words| {
            let bit =
                |i: usize, r: usize| words[i * bits.div_ceil(64) + r / 64] >> (r % 64) & 1 == 1;
            BitCodes::from_fn(count, bits, bit)
        })
    }

    proptest! {
        #[test]
        fn every_isa_finds_the_heaviest(
            (keys, query) in prop_oneof![1usize..=70, 250usize..=260].prop_flat_map(|bits| {
                (0usize..300).prop_flat_map(move |count| (codes(bits, count), codes(bits, 1)))
            }),
            both in prop::sample::select(vec![1.0, 0.3]),
            neither in prop::sample::select(vec![0.0, 1.0, 0.1, 0.015625]),
            differ in prop::sample::select(vec![0.0, -1.0]),
            keep in 1usize..90,
            hidden in 0usize..70,
        ) {
            let per_bit = PerBit { both, neither, differ, constant: 0.5 };
            let seen = keys.len().saturating_sub(hidden);
            let ones = |codes: &BitCodes, i| codes.overlap(i, codes, i);
            let weigh = |j| {
                per_bit.weigh(keys.bits() as u32, [ones(&query, 0), ones(&keys, j)], query.distance(0, &keys, j))
            };
            let weights: Vec<f64> = (0..seen).map(weigh).collect();
            let expected = heaviest(&weights, keep);
            for isa in Isa::all() {
                let scores = Scores::new(isa, [(&keys, per_bit, 1.0)]);
                let mut scratch = Scratch::default();
                let found = scores.heaviest(&[query.code(0)], (seen, keep), weigh, &mut scratch);
                prop_assert_eq!(found.0, &expected[..], "{}", isa.name());
                for (&j, &weight) in found.0.iter().zip(found.1) {
                    prop_assert_eq!(weight, weights[j as usize], "{}", isa.name());
                }
            }
        }

        #[test]
        fn every_isa_finds_the_best(
            (keys, query) in (prop_oneof![1usize..=130, 260usize..=270], 0usize..300)
                .prop_flat_map(|(bits, count)| (codes(bits, count), codes(bits, 1))),
            hidden in 0usize..70,
        ) {
            let seen = keys.len().saturating_sub(hidden);
            let common = (0..seen).map(|j| (query.overlap(0, &keys, j) as i16, j));
            let expected = common.max_by_key(|&(common, j)| (common, std::cmp::Reverse(j)));
            for isa in Isa::all() {
                let scores = Scores::common(isa, &keys);
                let found = scores.best(query.code(0), seen, &mut Scratch::default());
                prop_assert_eq!(found, expected.map(|(c, j)| (j, c)), "{}", isa.name());
            }
        }
    }
}
