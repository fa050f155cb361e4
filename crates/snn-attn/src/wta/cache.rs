use snn_core::packed::Isa;

use super::{
    WinnerTakeAll,
    choose::{Seen, choose},
};
use crate::levels::Levels;

/// Keys and values of the tokens so far, of one head: what a causal attention needs to go on with
/// one more token.
///
/// Keys are packed. A step costs a count of bits for every key, and a copy of the winner's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValueCache {
    keys: Levels,
    query: Levels,
    width: usize,
    values: Vec<u32>,
    scores: Vec<u32>,
}

impl KeyValueCache {
    /// No token yet: keys of so many channels with levels up to `greatest`, values of `width`.
    ///
    /// # Panics
    /// If the keys have no channels.
    pub fn new(channels: usize, width: usize, greatest: u32) -> Self {
        let levels = Levels::new(channels, greatest);
        Self { query: levels.clone(), keys: levels, width, values: Vec::new(), scores: Vec::new() }
    }

    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes of the packed keys.
    pub fn key_bytes(&self) -> usize {
        self.keys.bytes()
    }

    /// Adds a token.
    ///
    /// # Panics
    /// If its key or value is of another width, or a level is too great.
    pub fn push(&mut self, key: &[u32], value: &[u32]) {
        assert_eq!(value.len(), self.width, "width of a value");
        self.keys.push(key.iter().copied());
        self.values.extend_from_slice(value);
    }

    /// Winner-take-all over all tokens so far: the sum of the winners' values.
    ///
    /// # Panics
    /// As [`KeyValueCache::push`].
    pub fn winner_take_all(&mut self, isa: Isa, query: &[u32], wta: &WinnerTakeAll) -> Vec<u32> {
        self.score(isa, query);
        let mut out = vec![0; self.width];
        for winner in choose(wta, &self.scores, &Seen::First(self.scores.len())) {
            out.iter_mut().zip(self.value(winner)).for_each(|(out, value)| *out += value);
        }
        out
    }

    /// Softmax attention over all tokens so far; scores are multiplied by `scale`.
    ///
    /// # Panics
    /// As [`KeyValueCache::push`].
    pub fn softmax(&mut self, isa: Isa, query: &[u32], scale: f64) -> Vec<f64> {
        self.score(isa, query);
        let greatest = self.scores.iter().copied().max().unwrap_or(0);
        let weight = |score: u32| (-f64::from(greatest - score) * scale).exp();
        let sum: f64 = self.scores.iter().map(|&score| weight(score)).sum();
        let mut out = vec![0.0; self.width];
        for (token, &score) in self.scores.iter().enumerate() {
            let weight = weight(score) / sum;
            let values = self.value(token).iter().map(|&value| f64::from(value));
            out.iter_mut().zip(values).for_each(|(out, value)| *out += weight * value);
        }
        out
    }

    fn value(&self, token: usize) -> &[u32] {
        &self.values[token * self.width..(token + 1) * self.width]
    }

    fn score(&mut self, isa: Isa, query: &[u32]) {
        self.query.clear();
        self.query.push(query.iter().copied());
        self.scores.resize(self.keys.len(), 0);
        self.keys.products(isa, &self.query, 0, &mut self.scores);
    }
}
