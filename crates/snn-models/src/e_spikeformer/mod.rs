//! E-SpikeFormer (Spike-driven Transformer V3): trained with integer neurons,
//! run with spikes. Source: Yao et al., *Scaling Spike-driven Transformer with
//! Efficient Spike Firing Approximation Training*, TPAMI 2025, arXiv 2411.16061.
//!
//! The authors released two families of networks with little in common, down to
//! how a neuron rounds. Parameter names are theirs.
//!
//! A network runs on spikes on [`Unfolded`](snn_core::Unfolded) backends: level
//! `n` of a neuron is then `n` spikes over `levels` virtual steps.

pub mod base;
pub mod large;

use serde::{Deserialize, Serialize};
use snn_attn::Attend;
use snn_core::{Builder, IntegerNeuron, LoadError, neuron::Rounding};

use crate::{
    network::{InputShape, Network},
    pyramid::Cells,
    zoo::{self, Preset, Status},
};

/// Shape of an E-SpikeFormer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "variant", rename_all = "kebab-case")]
pub enum Config {
    /// The family of 5 to 19 million parameters.
    Base(base::Config),
    /// The family of 83 and 172 million parameters.
    Large(large::Config),
}

impl Config {
    /// What the network takes.
    pub const fn input(&self) -> InputShape {
        match self {
            Self::Base(config) => config.input(),
            Self::Large(config) => config.input(),
        }
    }

    /// Classes that it tells apart.
    pub const fn classes(&self) -> usize {
        match self {
            Self::Base(config) => config.classes,
            Self::Large(config) => config.classes,
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
    ) -> Result<Box<dyn Network<B>>, LoadError> {
        Ok(match self {
            Self::Base(config) => Box::new(config.build(from)?),
            Self::Large(config) => Box::new(config.build(from)?),
        })
    }
}

/// Integer neurons whose levels are shares of the greatest, but for those in
/// front of the classifier, which pass levels on as they are.
fn cells(levels: u32, rounding: Rounding, word: &'static str) -> Cells<IntegerNeuron> {
    let neuron = IntegerNeuron { levels, gain: 1.0, unit: 1.0 / f64::from(levels), rounding };
    let head = IntegerNeuron { unit: 1.0, ..neuron };
    Cells { neuron, attention: neuron, head, word, weight_bits: None }
}

/// The published networks with their parameter counts, measured on the authors'
/// code.
pub(crate) fn presets() -> Vec<Preset> {
    const SOURCE: &str =
        "Yao et al., Scaling Spike-driven Transformer, TPAMI 2025, arXiv 2411.16061";
    const AT_BEST: &str = "Yao et al., Scaling Spike-driven Transformer, TPAMI 2025, arXiv \
        2411.16061: at the best resolution and number of levels";
    let preset = |name, parameters, accuracy, source, status, config| Preset {
        name,
        task: "ImageNet",
        parameters,
        accuracy,
        source,
        status,
        config: zoo::Config::ESpikeformer(config),
    };
    let base = |name, parameters, accuracy, embed_dims| {
        let config = Config::Base(base::Config::imagenet(embed_dims));
        preset(name, parameters, accuracy, SOURCE, Status::Reproduced, config)
    };
    let large = |name, parameters, accuracy, status, config| {
        preset(name, parameters, accuracy, AT_BEST, status, Config::Large(config))
    };
    let plain = |config| large::Config { distill_head: false, ..config };
    let (m83, m172) = (large::Config::base_choice(), large::Config::large_choice());
    let (read, same) = (Status::OurReading, Status::Reproduced);
    vec![
        base("e-spikeformer-t", 2_702_048, None, [24, 48, 96, 128]),
        base("e-spikeformer-s", 5_105_608, Some(75.3), [32, 64, 128, 192]),
        base("e-spikeformer-m", 10_023_112, Some(78.5), [48, 96, 192, 240]),
        base("e-spikeformer-l", 18_987_504, Some(79.8), [64, 128, 256, 360]),
        large("e-spikeformer-12-512", 82_502_952, None, read, plain(m83.clone())),
        large("e-spikeformer-12-512-distilled", 83_015_952, Some(84.0), read, m83),
        large("e-spikeformer-12-768", 170_971_714, None, same, plain(m172.clone())),
        large("e-spikeformer-12-768-distilled", 171_740_714, Some(86.2), same, m172),
    ]
}
