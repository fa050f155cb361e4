//! Efficient spiking transformer: a Spikformer whose attention compares short
//! learned codes instead of queries and keys.
//!
//! Tokens are hashed by kernels ([EcoFormer](crate::ecoformer), NeurIPS 2022),
//! the bits become spikes over time, and spikes are counted; without a limit on
//! the keys the cost is linear in the number of tokens. That codes become
//! spikes, several scales, delays and everything else beyond EcoFormer is our
//! reading; no paper defines this network.

mod code;
mod config;
mod hashed;
mod softmax;

pub use config::{Attention, Coding, Config, DelayMode, Fusion, Hashed};

use crate::zoo::{self, Preset, Status};

/// One network of the size that CIFAR-10 is usually trained with.
pub(crate) fn presets() -> Vec<Preset> {
    let preset = |name, parameters, config| Preset {
        name,
        task: "CIFAR-10",
        parameters,
        accuracy: None,
        source: "ours, after Liu et al., EcoFormer, NeurIPS 2022, arXiv 2209.09004",
        status: Status::OurReading,
        config: zoo::Config::EfficientSpikingTransformer(config),
    };
    vec![
        preset("efficient-4-384-16bit", 9_383_682, Config::cifar(4, 384, 12, vec![16])),
        preset("efficient-4-384-8-16-32bit", 9_434_094, Config::cifar(4, 384, 12, vec![8, 16, 32])),
    ]
}
