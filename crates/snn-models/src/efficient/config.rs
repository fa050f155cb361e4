use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use snn_attn::{Attend, Similarity, codes::Measure};
use snn_core::{Builder, LoadError};

use super::{hashed::HashedAttention, softmax::SoftmaxAttention};
use crate::{
    check::positive,
    network::InputShape,
    spikformer::{self, Spikformer},
};

/// Shape of an efficient spiking transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The Spikformer that the attention is put into; its `similarity` is of no
    /// meaning and stays the default.
    pub host: spikformer::Config,
    /// The attention of its blocks.
    pub attention: Attention,
}

/// The attention of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Attention {
    /// On codes of tokens.
    Hashed(Hashed),
    /// `softmax(Q K^T / sqrt(d)) V` of real queries and keys: the dense
    /// baseline, which multiplies.
    Softmax,
}

/// How tokens become codes, and how codes are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hashed {
    /// Bits a head, of each scale.
    pub bits: Vec<usize>,
    /// What the bandwidth is multiplied by in each scale: above 1 is coarse,
    /// below 1 is fine. 1 if empty.
    #[serde(default)]
    pub bandwidths: Vec<f64>,
    /// How several scales become one similarity.
    #[serde(default)]
    pub fusion: Fusion,
    /// Support points of the kernels, a head.
    #[serde(default = "points")]
    pub points: usize,
    /// Whether queries and keys are the same projection, as in EcoFormer.
    #[serde(default)]
    pub shared: bool,
    /// How bits become spikes.
    #[serde(default)]
    pub coding: Coding,
    /// What is counted in two codes.
    #[serde(default = "measure")]
    pub measure: Measure,
    /// Keys that a query attends to, the most similar; all if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<NonZeroUsize>,
    /// Learned delays of the keys.
    #[serde(default)]
    pub delays: DelayMode,
    /// Delays by how far a key lies from the query, one for each head and
    /// distance of up to so many tokens either way; one for each head and bit
    /// if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_window: Option<usize>,
}

const fn points() -> usize {
    25 // as the authors of EcoFormer
}

const fn measure() -> Measure {
    Measure::Coincidence
}

/// How the similarities of several scales become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fusion {
    /// A sum with learned weights.
    #[default]
    Weighted,
    /// As one long code.
    Concat,
}

/// How bits become spikes over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// A set bit is a current into a LIF neuron, step by step.
    #[default]
    Rate,
    /// A bit that is set in the mean over time fires once, the earlier the
    /// surer.
    Latency,
    /// The first half of the bits by rate, the second by latency.
    Hybrid,
}

/// Whether keys are delayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DelayMode {
    /// No.
    #[default]
    Off,
    /// By up to 4 steps in either direction: a negative delay looks ahead.
    Free,
    /// By up to 4 steps, never ahead.
    Causal,
}

impl Hashed {
    /// Codes of so many bits in each scale, everything else as usual.
    pub fn new(bits: Vec<usize>) -> Self {
        Self {
            bits,
            bandwidths: Vec::new(),
            fusion: Fusion::Weighted,
            points: points(),
            shared: false,
            coding: Coding::Rate,
            measure: measure(),
            keep: None,
            delays: DelayMode::Off,
            delay_window: None,
        }
    }

    /// What the bandwidth is multiplied by in scale `s`.
    pub fn bandwidth(&self, s: usize) -> f64 {
        self.bandwidths.get(s).copied().unwrap_or(1.0)
    }

    fn validate(&self) -> Result<(), LoadError> {
        let error = |field, found: String, expected: &str| {
            Err(LoadError::Config { field, found, expected: expected.into() })
        };
        if self.bits.is_empty() || self.bits.contains(&0) {
            let found = format!("{:?}", self.bits);
            return error("attention.bits", found, "one scale or more, each of 1 bit or more");
        }
        let scales = self.bits.len();
        let positive_number = |&x: &f64| x > 0.0 && x.is_finite();
        if !self.bandwidths.is_empty() && self.bandwidths.len() != scales
            || !self.bandwidths.iter().all(positive_number)
        {
            let found = format!("{:?}", self.bandwidths);
            return error(
                "attention.bandwidths",
                found,
                "none, or a finite number above 0 for each of the scales",
            );
        }
        if let Measure::Xnor { .. } = self.measure {
            return error("attention.measure", "xnor".into(), "coincidence or match");
        }
        if let (DelayMode::Off, Some(window)) = (self.delays, self.delay_window) {
            let expected = "none where `attention.delays` is off";
            return error("attention.delay_window", window.to_string(), expected);
        }
        positive("attention.points", self.points)
    }
}

impl Config {
    /// The Spikformer for CIFAR-10 with codes of `bits` in each scale; three
    /// scales are coarse, middle and fine.
    pub fn cifar(depth: usize, dim: usize, heads: usize, bits: Vec<usize>) -> Self {
        let bandwidths = if bits.len() == 3 { vec![4.0, 1.0, 0.25] } else { Vec::new() };
        let attention = Attention::Hashed(Hashed { bandwidths, ..Hashed::new(bits) });
        Self { host: spikformer::Config::cifar(depth, dim, heads), attention }
    }

    /// What the network takes.
    pub fn input(&self) -> InputShape {
        self.host.input()
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        self.host.validate()?;
        if self.host.similarity != Similarity::Dot {
            let found = format!("{:?}", self.host.similarity);
            let expected = "the default: the attention compares codes".into();
            return Err(LoadError::Config { field: "host.similarity", found, expected });
        }
        match &self.attention {
            Attention::Hashed(hashed) => hashed.validate(),
            Attention::Softmax => Ok(()),
        }
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration is contradictory or tensors do not
    /// fit it.
    pub fn build<B: Attend + 'static>(
        &self,
        from: &Builder<'_, B>,
    ) -> Result<Spikformer<B>, LoadError> {
        self.validate()?;
        let (dim, heads) = (self.host.dim, self.host.heads);
        self.host.build_with(from, &|from| {
            Ok(match &self.attention {
                Attention::Hashed(hashed) => {
                    Box::new(HashedAttention::new(hashed, dim, heads, from)?)
                }
                Attention::Softmax => Box::new(SoftmaxAttention::new(dim, heads, from)?),
            })
        })
    }
}
