//! Batches of tokens with what is to be learned from them.

use std::ops::Range;

use ndarray::Array2;
use rand::{RngExt, seq::SliceRandom};

use super::TextError;
use crate::random::{Purpose, Rng, rng};

/// A target that does not count.
pub const IGNORED: i64 = -100;

/// Some texts of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextBatch {
    /// Tokens `[B, N]`.
    pub ids: Array2<u32>,
    /// Where there is a token and no padding, `[B, N]`; everywhere if `None`.
    pub there: Option<Array2<bool>>,
    /// The token that belongs at each place, `[B, N]`, or the class of each text, `[B, 1]`;
    /// [`IGNORED`] where nothing is to be said.
    pub targets: Array2<i64>,
}

/// Texts to learn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examples {
    /// One long text, cut into windows: every token is to follow from those before it.
    Causal {
        /// The text.
        tokens: Vec<u32>,
        /// Tokens in a window.
        length: usize,
    },
    /// The same, with some tokens hidden: these are to be told from the others.
    Masked {
        /// The text.
        tokens: Vec<u32>,
        /// Tokens in a window.
        length: usize,
        /// The token that stands for a hidden one; it is also the number of all others.
        mask: u32,
    },
    /// Texts, each with a class.
    Classes {
        /// Tokens and class of each.
        texts: Vec<(Vec<u32>, usize)>,
    },
}

/// Share of tokens to be told, and of those the shares that are hidden and replaced by another.
/// Source: Devlin et al., *BERT*, NAACL 2019, section 3.1.
const TOLD: f64 = 0.15;
const HIDDEN: f64 = 0.8;
const REPLACED: f64 = 0.1;

/// Batches among which texts are sorted by length, so that little is padding.
const SORTED: usize = 32;

impl Examples {
    /// Checks that there is a window, or a text with a token, at least.
    ///
    /// # Errors
    /// [`TextError::TooShort`].
    pub fn validate(&self) -> Result<(), TextError> {
        let (found, window) = match self {
            Self::Causal { tokens, length } | Self::Masked { tokens, length, .. } => {
                (tokens.len(), *length)
            }
            Self::Classes { texts } => {
                (texts.iter().map(|(ids, _)| ids.len()).max().unwrap_or(0), 0)
            }
        };
        if found > window { Ok(()) } else { Err(TextError::TooShort { found, window }) }
    }

    /// Windows, or texts.
    pub fn len(&self) -> usize {
        self.from(0)
    }

    /// Windows from token `shift` on, each with its successor; or texts.
    fn from(&self, shift: usize) -> usize {
        match self {
            Self::Causal { tokens, length } | Self::Masked { tokens, length, .. } => {
                tokens.len().saturating_sub(1 + shift) / length
            }
            Self::Classes { texts } => texts.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Batches of an epoch of training: windows begin elsewhere in each epoch, everything comes
    /// in another order, and the last batch is left out if it is not full.
    pub fn shuffled(&self, seed: u64, epoch: u64, batch: usize) -> Vec<TextBatch> {
        let mut dice = rng(seed, epoch, Purpose::Shuffle, 0);
        let shift = match self {
            Self::Causal { length, .. } | Self::Masked { length, .. } => {
                dice.random_range(0..*length)
            }
            Self::Classes { .. } => 0,
        };
        let mut order: Vec<usize> = (0..self.from(shift)).collect();
        order.shuffle(&mut dice);
        if let Self::Classes { texts } = self {
            for chunk in order.chunks_mut(batch * SORTED) {
                chunk.sort_by_key(|&i| texts[i].0.len());
            }
        }
        let mut groups: Vec<&[usize]> = order.chunks_exact(batch).collect();
        groups.shuffle(&mut dice);
        let batch = |(i, group): (usize, &&[usize])| {
            self.batch(group, shift, &mut rng(seed, epoch, Purpose::Sample, i as u64))
        };
        groups.iter().enumerate().map(batch).collect()
    }

    /// All of it in order, for a test: the same every time.
    pub fn in_order(&self, batch: usize) -> Vec<TextBatch> {
        let order: Vec<usize> = (0..self.len()).collect();
        let make = |(i, group): (usize, &[usize])| {
            self.batch(group, 0, &mut rng(0, 0, Purpose::Sample, i as u64))
        };
        order.chunks(batch.max(1)).enumerate().map(make).collect()
    }

    fn batch(&self, group: &[usize], shift: usize, dice: &mut Rng) -> TextBatch {
        let window = |length: usize, i: usize| -> Range<usize> {
            let start = shift + group[i] * length;
            start..start + length
        };
        match self {
            Self::Causal { tokens, length } => {
                let at = |(b, n): (usize, usize)| window(*length, b).start + n;
                let shape = (group.len(), *length);
                TextBatch {
                    ids: Array2::from_shape_fn(shape, |place| tokens[at(place)]),
                    there: None,
                    targets: Array2::from_shape_fn(shape, |place| tokens[at(place) + 1].into()),
                }
            }
            Self::Masked { tokens, length, mask } => {
                let shape = (group.len(), *length);
                let mut ids =
                    Array2::from_shape_fn(shape, |(b, n)| tokens[window(*length, b).start + n]);
                let mut targets = Array2::from_elem(shape, IGNORED);
                for (id, target) in ids.iter_mut().zip(&mut targets) {
                    if dice.random_bool(TOLD) {
                        *target = (*id).into();
                        let share: f64 = dice.random();
                        if share < HIDDEN {
                            *id = *mask;
                        } else if share < HIDDEN + REPLACED {
                            *id = dice.random_range(0..*mask);
                        }
                    }
                }
                TextBatch { ids, there: None, targets }
            }
            Self::Classes { texts } => {
                let longest = group.iter().map(|&i| texts[i].0.len()).max().unwrap_or(0).max(1);
                let token = |(b, n): (usize, usize)| texts[group[b]].0.get(n).copied();
                let shape = (group.len(), longest);
                TextBatch {
                    ids: Array2::from_shape_fn(shape, |place| token(place).unwrap_or(0)),
                    there: Some(Array2::from_shape_fn(shape, |place| token(place).is_some())),
                    targets: Array2::from_shape_fn((group.len(), 1), |(b, _)| {
                        texts[group[b]].1 as i64
                    }),
                }
            }
        }
    }
}
