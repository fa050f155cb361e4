//! Winner-take-all attention: every query passes on the values of its best keys, unchanged.
//!
//! Source: Zhou et al., *Winner-Take-All Spiking Transformer for Language Modeling*, arXiv
//! 2604.11321, which has one winner and calls the attention WSSA, with a causal mask CWSSA. Ties,
//! silence, several winners and the gradient are our reading.

mod cache;
mod choose;
mod packed;

use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};
use snn_core::{LoadError, Signal};

use crate::{
    attend::Attend,
    heads::{merge_heads, split_heads},
    visible::Visible,
};

pub use cache::KeyValueCache;
pub(crate) use packed::packed;

/// Who wins, and how the choice is learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WinnerTakeAll {
    /// How many keys win: those of the greatest scores, ties by lowest index.
    pub winners: Winners,
    /// Whether a key that has nothing in common with the query cannot win: a silent query then
    /// gets nothing.
    pub silent_rule: bool,
    /// Temperature of the softmax whose gradient stands for that of the choice.
    pub tau: f64,
}

impl WinnerTakeAll {
    /// One winner.
    pub const PUBLISHED: Self = Self { winners: Winners::Count(1), silent_rule: true, tau: 1.0 };
}

impl Default for WinnerTakeAll {
    fn default() -> Self {
        Self::PUBLISHED
    }
}

/// A number of winners.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Winners {
    /// So many, or all visible keys if there are fewer.
    Count(usize),
    /// This share of the keys that the query sees, rounded down, at least one.
    Share(f64),
}

impl Winners {
    /// The number among so many visible keys.
    pub fn among(self, visible: usize) -> usize {
        match self {
            Self::Count(count) => count.min(visible),
            Self::Share(share) => ((share * visible as f64) as usize).max(1).min(visible),
        }
    }

    /// Whether it is one, of however many.
    pub(crate) fn is_one(self) -> bool {
        self == Self::Count(1)
    }
}

impl WinnerTakeAll {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        let error = |field, found: String, expected: &str| {
            Err(LoadError::Config { field, found, expected: expected.into() })
        };
        match self.winners {
            Winners::Count(0) => {
                return error("winners", "0".into(), "at least 1, or a share such as 0.1");
            }
            Winners::Share(share) if !(share > 0.0 && share <= 1.0) => {
                return error("winners", share.to_string(), "a share above 0, at most 1");
            }
            _ => {}
        }
        if self.tau > 0.0 && self.tau.is_finite() {
            return Ok(());
        }
        error("tau", self.tau.to_string(), "a finite number above 0")
    }
}

/// The generic form of [`Attend::winner_take_all`].
pub(crate) fn winner_take_all<B: Attend>(
    backend: &B,
    [q, k, v]: [&B::Counts; 3],
    heads: usize,
    scale: f64,
    wta: &WinnerTakeAll,
    visible: &Visible,
) -> B::Counts {
    let shape = q.shape();
    let scores = scores(backend, q, k, heads);
    let winners = backend.winners(&scores, scale, wta, visible);
    let gathered = backend.matmul(&backend.widen(&winners), &split_heads::<B, _>(v, heads));
    merge_heads::<B, _>(&gathered, &shape[2..shape.len() - 1])
}

/// The generic form of [`Attend::softmax_attention`].
pub(crate) fn softmax_attention<B: Attend>(
    backend: &B,
    [q, k, v]: [&B::Counts; 3],
    heads: usize,
    scale: f64,
    visible: &Visible,
) -> B::Real {
    let shape = q.shape();
    let scores = backend.scale(&scores(backend, q, k, heads), scale);
    let weights = backend.softmax(&scores, visible);
    // Counts stand on the left of a product: (V^T A^T)^T.
    let turned = [0, 1, 2, 4, 3];
    let v = split_heads::<B, _>(v, heads).permute(&turned);
    let y = backend.matmul_real(&v, &weights.permute(&turned)).permute(&turned);
    merge_heads::<B, _>(&y, &shape[2..shape.len() - 1])
}

/// What queries and keys have in common, `[T, B, heads, N, M]`.
fn scores<B: Attend>(backend: &B, q: &B::Counts, k: &B::Counts, heads: usize) -> B::Counts {
    let k = split_heads::<B, _>(k, heads).permute(&[0, 1, 2, 4, 3]);
    backend.matmul(&split_heads::<B, _>(q, heads), &k)
}

/// The definition of [`Attend::winners`]: sorts the visible keys of every row.
pub(crate) fn winners(
    scores: &ArrayD<f64>,
    wta: &WinnerTakeAll,
    visible: &Visible,
) -> ArrayD<bool> {
    let mut winners = ArrayD::from_elem(scores.raw_dim(), false);
    for_each_row(scores, visible, |place, row, seen| {
        let mut order = seen.to_vec();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
        order.truncate(wta.winners.among(seen.len()));
        for key in order.into_iter().filter(|&key| row[key] > 0.0 || !wta.silent_rule) {
            winners[[place[0], place[1], place[2], place[3], key].as_slice()] = true;
        }
    });
    winners
}

/// The definition of [`Attend::softmax`]. A row that sees no key is zero.
pub(crate) fn softmax(scores: &ArrayD<f64>, visible: &Visible) -> ArrayD<f64> {
    let mut weights = ArrayD::zeros(scores.raw_dim());
    for_each_row(scores, visible, |place, row, seen| {
        let greatest = seen.iter().map(|&key| row[key]).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = seen.iter().map(|&key| (row[key] - greatest).exp()).sum();
        for &key in seen {
            let weight = (row[key] - greatest).exp() / sum;
            weights[[place[0], place[1], place[2], place[3], key].as_slice()] = weight;
        }
    });
    weights
}

/// Calls `visit` for every row of scores `[T, B, heads, N, M]` with its place, its scores and the
/// keys that it sees.
fn for_each_row(
    scores: &ArrayD<f64>,
    visible: &Visible,
    mut visit: impl FnMut([usize; 4], &[f64], &[usize]),
) {
    let [_, b, heads, n, m] = *scores.shape() else {
        panic!("scores are [T, B, heads, N, M], found {:?}", scores.shape())
    };
    let scores = scores.as_standard_layout();
    for (i, row) in scores.lanes(Axis(4)).into_iter().enumerate() {
        let place = [i / (n * heads * b), i / (n * heads) % b, i / n % heads, i % n];
        let sees = |&key: &usize| visible.sees(place[1], [place[3], n], [key, m]);
        let seen: Vec<usize> = (0..m).filter(sees).collect();
        visit(place, &row.to_vec(), &seen);
    }
}
