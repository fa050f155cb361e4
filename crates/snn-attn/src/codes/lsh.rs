//! Attention that samples keys by locality-sensitive hashing.
//!
//! Source: Chen et al., *MagicPIG: LSH Sampling for Efficient LLM Generation*, ICLR 2025, arXiv
//! 2410.16179.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};
use snn_core::reference::Scalar;
use snn_hash::lsh::{Hyperplanes, Tables, bit_agreement, collide_twice};

/// Tables that a key must share with the query to be looked at.
const LEAST: u16 = 2;

/// Added to the probability that a key is looked at: it caps its weight.
const FLOOR: f64 = 1e-4;

/// Which keys are always looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LshConfig {
    /// First tokens of the prompt.
    pub sink: usize,
    /// Last tokens of the prompt; what comes later is always looked at too.
    pub local: usize,
}

impl Default for LshConfig {
    /// What the authors use.
    fn default() -> Self {
        Self { sink: 4, local: 64 }
    }
}

/// Keys and values of one head, in tables, for softmax attention that looks at few of them.
///
/// Keys between the first and the last tokens of the prompt are looked at only if they share their
/// code with the query in at least two tables, and weighed by the inverse of how likely that is: an
/// importance-weighted estimate of full attention. All keys are centred on the mean of these keys,
/// which softmax does not see. State is this value.
#[derive(Clone, Debug)]
pub struct LshCache<F> {
    planes: Hyperplanes<F>,
    mean: Array1<F>,
    /// Always looked at.
    fixed: Tokens<F>,
    /// Looked at by chance.
    offloaded: Tokens<F>,
    tables: Tables,
}

/// Centred keys `[N, D]` and values `[N, width]`.
#[derive(Clone, Debug)]
struct Tokens<F> {
    keys: Array2<F>,
    values: Array2<F>,
}

impl<F: Scalar> LshCache<F> {
    /// Keys `[N, D]` and values `[N, width]` of a prompt. If it is no longer than `sink + local`
    /// all of it is always looked at.
    ///
    /// # Panics
    /// If keys and values, or keys and hyperplanes, do not fit each other.
    pub fn prefill(
        config: LshConfig,
        planes: Hyperplanes<F>,
        keys: ArrayView2<'_, F>,
        values: ArrayView2<'_, F>,
    ) -> Self {
        assert_eq!(keys.nrows(), values.nrows(), "a value for every key");
        let tokens = keys.nrows();
        let first = config.sink.min(tokens);
        let last = tokens.saturating_sub(config.local).max(first);
        let middle = keys.slice(s![first..last, ..]);
        let mean = middle.sum_axis(Axis(0)) / F::of(middle.nrows().max(1) as f64);
        let rows = |x: ArrayView2<'_, F>| {
            let ends = [x.slice(s![..first, ..]), x.slice(s![last.., ..])];
            match concatenate(Axis(0), &ends) {
                Ok(ends) => ends,
                Err(e) => unreachable!("rows of one array are of one width: {e}"),
            }
        };
        let fixed = Tokens { keys: rows(keys) - &mean, values: rows(values) };
        let offloaded =
            Tokens { keys: &middle - &mean, values: values.slice(s![first..last, ..]).to_owned() };
        let tables = Tables::new(&planes.codes(offloaded.keys.view()), planes.bits());
        Self { planes, mean, fixed, offloaded, tables }
    }

    /// A new token: key `[D]` and value `[width]`; it is always looked at.
    ///
    /// # Panics
    /// If they are of another width.
    pub fn push(&mut self, key: ArrayView1<'_, F>, value: ArrayView1<'_, F>) {
        let key = &key - &self.mean;
        for (rows, row) in [(&mut self.fixed.keys, key.view()), (&mut self.fixed.values, value)] {
            if let Err(e) = rows.push_row(row) {
                panic!("keys and values keep their width: {e}");
            }
        }
    }

    /// The keys between first and last tokens that a query `[D]` looks at, counted from the first
    /// of them.
    ///
    /// # Panics
    /// If the query is of another width.
    pub fn candidates(&self, query: ArrayView1<'_, F>) -> Vec<usize> {
        let codes = self.planes.codes(query.insert_axis(Axis(0)));
        self.tables.candidates(&codes.into_iter().collect::<Vec<_>>(), LEAST)
    }

    /// What a query `[D]` attends to, `[width]`; `None` if there is no token at all, or none that
    /// is looked at.
    ///
    /// # Panics
    /// If the query is of another width.
    pub fn attend(&self, query: ArrayView1<'_, F>) -> Option<Array1<F>> {
        let fixed = self.fixed.keys.dot(&query).mapv(|dot| self.scaled(dot));
        let fixed = Part::new(fixed.view(), self.fixed.values.view());
        fixed.merge(self.sampled(query)).map(|part| part.output)
    }

    /// The part of the keys that are looked at by chance.
    fn sampled(&self, query: ArrayView1<'_, F>) -> Part<F> {
        let length = |x: ArrayView1<'_, F>| x.dot(&x).sqrt().wide();
        let of_query = length(query);
        let candidates = self.candidates(query);
        let logit = |&j: &usize| {
            let key = self.offloaded.keys.row(j);
            let dot = query.dot(&key);
            let lengths = of_query * length(key);
            let cos = if lengths > 0.0 { dot.wide() / lengths } else { 0.0 };
            let u = collide_twice(bit_agreement(cos), self.planes.bits(), self.planes.tables());
            self.scaled(dot) - F::of((u + FLOOR).ln())
        };
        let logits: Array1<F> = candidates.iter().map(logit).collect();
        Part::new(logits.view(), self.offloaded.values.select(Axis(0), &candidates).view())
    }

    fn scaled(&self, dot: F) -> F {
        dot / F::of(self.mean.len() as f64).sqrt()
    }
}

/// Softmax attention over a part of the keys; parts merge into the attention over all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<F> {
    /// `softmax(logits) V` `[width]`.
    pub output: Array1<F>,
    /// `ln sum exp(logits)`; minus infinity for a part without keys.
    pub log_sum: F,
}

impl<F: Scalar> Part<F> {
    /// Of logits `[N]` and values `[N, width]`.
    ///
    /// # Panics
    /// If there is no value for every logit.
    pub fn new(logits: ArrayView1<'_, F>, values: ArrayView2<'_, F>) -> Self {
        assert_eq!(logits.len(), values.nrows(), "a value for every logit");
        let greatest = logits.iter().copied().fold(F::neg_infinity(), F::max);
        if greatest == F::neg_infinity() {
            return Self { output: Array1::zeros(values.ncols()), log_sum: greatest };
        }
        let weights = logits.mapv(|logit| (logit - greatest).exp());
        let sum = weights.sum();
        let output = weights.dot(&values).mapv_into(|numerator| numerator / sum);
        Self { output, log_sum: greatest + sum.ln() }
    }

    /// The attention over the keys of both; `None` if neither has any.
    ///
    /// # Panics
    /// If the widths differ.
    pub fn merge(self, other: Self) -> Option<Self> {
        let greatest = self.log_sum.max(other.log_sum);
        if greatest == F::neg_infinity() {
            return None;
        }
        let [a, b] = [&self, &other].map(|part| (part.log_sum - greatest).exp());
        let sum = a + b;
        let output = self.output * (a / sum) + other.output * (b / sum);
        Some(Self { output, log_sum: greatest + sum.ln() })
    }
}
