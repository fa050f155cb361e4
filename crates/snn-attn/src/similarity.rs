//! How much a query and a key have in common.

use serde::{Deserialize, Serialize};
use snn_core::{Activation, Backend, Builder, Init, LoadError};

use crate::{
    attend::Attend,
    statten::{merge_chunks, split_chunks},
    xnor::ZeroWeight,
};

/// The similarity of binary queries and keys that an attention is configured
/// with.
///
/// a-XNOR comes from CVPR 2025: `sum_i q_i k_i + a (1 - q_i) (1 - k_i)` with
/// `0 <= a <= 1`. How `a` is learned is our reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Similarity {
    /// The dot product: channels where both spike.
    #[default]
    Dot,
    /// a-XNOR with a fixed `a`.
    Xnor {
        /// Weight of a channel where both are silent, 0 to 1.
        a: f64,
    },
    /// a-XNOR with a learned `a`, published as `a_raw`.
    LearnedXnor {
        /// How many there are.
        #[serde(default)]
        granularity: Granularity,
        /// What they start from, 0 to 1.
        #[serde(default = "initial")]
        initial: f64,
        /// What keeps them between 0 and 1.
        #[serde(default)]
        parameterisation: Parameterisation,
    },
}

/// How many weights of common silence an attention learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// One: `[1]`.
    PerLayer,
    /// One a head: `[heads]`.
    #[default]
    PerHead,
    /// One a channel: `[C]`.
    PerChannel,
}

/// How a learned weight `a` comes from its parameter `r`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parameterisation {
    /// `a = 1 / (1 + exp(-r))`.
    #[default]
    Sigmoid,
    /// `a = min(max(r, 0), 1)`.
    Clamp,
}

const fn initial() -> f64 {
    0.1
}

impl Similarity {
    /// Checks that `a` is in its range.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        let error = |field, found: f64, expected: &str| {
            Err(LoadError::Config { field, found: found.to_string(), expected: expected.into() })
        };
        match *self {
            Self::Xnor { a } if !(0.0..=1.0).contains(&a) => error("similarity.a", a, "0 to 1"),
            Self::LearnedXnor { initial, parameterisation: Parameterisation::Sigmoid, .. }
                if !(initial > 0.0 && initial < 1.0) =>
            {
                error("similarity.initial", initial, "between 0 and 1, as a sigmoid gives it")
            }
            Self::LearnedXnor { initial, .. } if !(0.0..=1.0).contains(&initial) => {
                error("similarity.initial", initial, "0 to 1")
            }
            _ => Ok(()),
        }
    }

    /// Builds it for an attention of so many channels and heads; what is
    /// learned is called `a_raw`.
    ///
    /// # Errors
    /// [`LoadError`] if `a` is out of range, or the tensor does not fit.
    pub fn build<B: Backend>(
        &self,
        from: &Builder<'_, B>,
        channels: usize,
        heads: usize,
    ) -> Result<Agreement<B>, LoadError> {
        self.validate()?;
        Ok(match *self {
            Self::Dot => Agreement::Dot,
            Self::Xnor { a } => Agreement::Xnor(ZeroWeight::Fixed(a)),
            Self::LearnedXnor { granularity, initial, parameterisation } => {
                let count = match granularity {
                    Granularity::PerLayer => 1,
                    Granularity::PerHead => heads,
                    Granularity::PerChannel => channels,
                };
                let (activation, start) = match parameterisation {
                    Parameterisation::Sigmoid => {
                        (Activation::Sigmoid, (initial / (1.0 - initial)).ln())
                    }
                    Parameterisation::Clamp => (Activation::Clamp, initial),
                };
                let raw = from.param("a_raw", &[count], Init::Constant(start))?;
                Agreement::Xnor(ZeroWeight::Learned { raw, granularity, heads, activation })
            }
        })
    }
}

/// A similarity with its weights, ready for use.
pub enum Agreement<B: Backend> {
    /// The dot product.
    Dot,
    /// a-XNOR.
    Xnor(ZeroWeight<B>),
}

impl<B: Attend> Agreement<B> {
    /// [`Attend::ssa`] with this similarity.
    pub fn attend(
        &self,
        backend: &B,
        [q, k, v]: [&B::Spikes; 3],
        heads: usize,
        scale: f64,
    ) -> B::Real {
        match self {
            Self::Dot => {
                let [q, k, v] = [q, k, v].map(|x| backend.widen(x));
                backend.ssa(&q, &k, &v, heads, scale)
            }
            Self::Xnor(a) => backend.xnor(q, k, &backend.widen(v), heads, scale, a),
        }
    }

    /// [`Attend::statten`] with this similarity.
    pub fn attend_chunks(
        &self,
        backend: &B,
        [q, k, v]: [&B::Spikes; 3],
        heads: usize,
        chunk: usize,
        scale: f64,
    ) -> B::Real {
        match self {
            Self::Dot => {
                let [q, k, v] = [q, k, v].map(|x| backend.widen(x));
                backend.statten(&q, &k, &v, heads, chunk, scale)
            }
            Self::Xnor(_) => {
                let [q, k, v] = [q, k, v].map(|x| split_chunks(x, chunk));
                merge_chunks(&self.attend(backend, [&q, &k, &v], heads, scale))
            }
        }
    }

    /// Over how many positions two signals `[T, B, positions..., C]` agree,
    /// channel by channel: `[T, B, 1..., C]`. `pool` is a max-pooling that the
    /// agreements go through before they are counted.
    ///
    /// For attentions that multiply elementwise and sum over tokens, a-XNOR
    /// turns the product `q k` into `q k + a (1 - q) (1 - k)`: our reading.
    /// Pooled, a place counts 1 where its window holds a common spike, and `a`
    /// where it holds only common silence.
    pub(crate) fn channel_sums(
        &self,
        backend: &B,
        x: &B::Spikes,
        y: &B::Spikes,
        pool: impl Fn(B::Spikes) -> B::Spikes,
    ) -> B::Real {
        let spikes = pool(backend.mask(x, y));
        let sums = backend.scale(&backend.channel_sums(&spikes), 1.0);
        match self {
            Self::Dot => sums,
            Self::Xnor(a) => {
                let silence = pool(backend.mask(&backend.complement(x), &backend.complement(y)));
                let alone = backend.mask(&silence, &backend.complement(&spikes));
                let zeros = a.weigh(backend, &backend.channel_sums(&alone), 1.0);
                backend.add_real(&sums, &zeros)
            }
        }
    }
}
