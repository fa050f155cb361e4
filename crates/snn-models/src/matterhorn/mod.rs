//! Matterhorn: the encoder of [`wta_spikingformer`](crate::wta_spikingformer) with masked
//! time-to-first-spike codes between its layers, for analog memory that computes. Source: Yan et
//! al., *Matterhorn*, arXiv 2601.22876; no code or weights were released, and we have read its
//! abstract and a summary.
//!
//! Published: a language model of the size of BERT-base, on GLUE; silence stands for the most
//! frequent membrane instead of the lowest (M-TTFS, no loss), and a dead zone around it for its
//! neighbours (lossy); weights are not fetched where memory integrates; training is that of the
//! equivalent quantised network; up to 95.2 % silent at k = 3. Published of its kin (Otters, arXiv
//! 2509.18968): activations and weights of 4 bits, 8 for embeddings and classifier.
//!
//! Our reading: all formulas ([`snn_core::encode::ttfs`]); the winner-take-all encoder below
//! (queries, keys and values stay counts, so that scores need no products); norms behind every
//! synapse, which leave the step and zero point of a code to be learned but never multiplied with;
//! logarithmic weights; calibration; that nothing is distilled from a BERT that was trained before,
//! which the paper does and we lack the weights for.

mod devices;

use serde::{Deserialize, Serialize};
use snn_core::{LoadError, backend::CoderConfig, quant::LogCode};

pub use devices::{AnalogDevices, Imperfections, program};

use crate::{
    check::within,
    wta_spikingformer::{Config, Task},
    zoo::{Preset, Status},
};

/// How layers send their activations, and on what grid weights lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// Bits of an activation: a window has `2^bits - 1` slots.
    pub bits: u32,
    /// How far a level may be from the mask and still be silent, in the end.
    #[serde(default)]
    pub dead_zone: u32,
    /// Training passes after which the dead zone grows by one, from 0 on; 0 has it whole from the
    /// start.
    #[serde(default)]
    pub widen_every: u64,
    /// Training passes after which the mask levels are looked for again.
    #[serde(default = "refresh")]
    pub refresh_every: u64,
    /// Code of the weights between the blocks' neurons; none leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<LogCode>,
    /// Bits of embeddings and classifier; none leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_bits: Option<u32>,
}

const fn refresh() -> u64 {
    1000
}

impl Coding {
    /// 4 bits, 8 for embeddings and classifier, weights in powers of two, no dead zone.
    pub const fn published() -> Self {
        let weights = match LogCode::new(4, snn_core::quant::Base::Two) {
            Ok(code) => Some(code),
            Err(_) => None,
        };
        Self {
            bits: 4,
            dead_zone: 0,
            widen_every: 0,
            refresh_every: refresh(),
            weights,
            table_bits: Some(8),
        }
    }

    /// What a code is made of.
    pub(crate) fn coder(&self) -> CoderConfig {
        CoderConfig {
            levels: 1 << self.bits,
            dead_zone: self.dead_zone,
            widen_every: self.widen_every,
            refresh_every: self.refresh_every,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), LoadError> {
        let Self { bits, dead_zone, widen_every: _, refresh_every, weights, table_bits } = self;
        within("coding.bits", *bits as usize, 1..=8)?;
        within("coding.dead_zone", *dead_zone as usize, 0..=254)?;
        within("coding.refresh_every", *refresh_every as usize, 1..=usize::MAX)?;
        if let Some(code) = weights {
            within("coding.weights.bits", code.bits() as usize, 2..=8)?;
        }
        within("coding.table_bits", table_bits.unwrap_or(8) as usize, 2..=16)
    }
}

/// The encoder of the size that is published, on our reading of its layers.
pub fn presets() -> Vec<Preset<Config>> {
    let preset = |name, task, parameters, config| Preset {
        name,
        task,
        parameters,
        accuracy: None,
        source: "Yan et al., Matterhorn, arXiv 2601.22876",
        status: Status::OurReading,
        config,
    };
    let coded = |task| Config { coding: Some(Coding::published()), ..Config::encoder(task) };
    vec![
        preset("matterhorn-sst2", "SST-2", 108_936_245, coded(Task::Classify { classes: 2 })),
        preset("matterhorn", "GLUE", 109_526_833, coded(Task::Masked)),
    ]
}
