use ndarray::{Array2, ArrayD};
use snn_attn::Visible;

use super::Config;

/// A batch of texts as numbers of tokens, checked against a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    ids: Array2<usize>,
    there: Option<Array2<bool>>,
}

/// Tokens that a language model cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A number names no token.
    #[error("token {found} does not exist, the vocabulary has {vocabulary}")]
    Unknown {
        /// The number.
        found: u32,
        /// Tokens that there are.
        vocabulary: usize,
    },
    /// There is nothing, or more than the context holds.
    #[error("a text of {found} tokens, expected 1 to {context}, the context of this network")]
    Length {
        /// Number of tokens.
        found: usize,
        /// Greatest number.
        context: usize,
    },
    /// Padding is marked for other tokens than there are.
    #[error("marks of padding are {found:?}, expected {expected:?}, one a token")]
    Padding {
        /// Texts and tokens.
        expected: [usize; 2],
        /// Rows and columns of the marks.
        found: [usize; 2],
    },
}

impl Tokens {
    /// Texts `[B, N]`; `there` is false where there is no token but padding.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn new(
        config: &Config,
        ids: &Array2<u32>,
        there: Option<Array2<bool>>,
    ) -> Result<Self, TokenError> {
        let Config { vocabulary, context, .. } = *config;
        let length = ids.ncols();
        if length == 0 || length > context {
            return Err(TokenError::Length { found: length, context });
        }
        if let Some(&found) = ids.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(TokenError::Unknown { found, vocabulary });
        }
        if let Some(there) = &there
            && there.dim() != ids.dim()
        {
            let (expected, found) = (ids.dim().into(), there.dim().into());
            return Err(TokenError::Padding { expected, found });
        }
        Ok(Self { ids: ids.mapv(|id| id as usize), there })
    }

    /// Their numbers, `[B, N]`.
    pub const fn ids(&self) -> &Array2<usize> {
        &self.ids
    }

    /// Which tokens see which.
    pub(super) fn visible(&self, causal: bool) -> Visible {
        Visible { causal, keys: self.there.clone() }
    }

    /// What each token weighs in the mean of its text, in so many units: `[1, B, N, 1]`.
    pub(super) fn shares(&self, unit: f64) -> ArrayD<f32> {
        let (b, n) = self.ids.dim();
        let there = |b: usize, n: usize| self.there.as_ref().is_none_or(|there| there[[b, n]]);
        let count = |b: usize| (0..n).filter(|&n| there(b, n)).count();
        ArrayD::from_shape_fn(vec![1, b, n, 1], |i| {
            if there(i[1], i[2]) { (unit / count(i[1]) as f64) as f32 } else { 0.0 }
        })
    }
}
