//! Training runs: what one is ([`Config`]), where it lives ([`RunFolder`]), and the loop
//! ([`Trainer`]).
//!
//! A run folder holds
//!
//! | file | what |
//! | --- | --- |
//! | `config.toml` | the [`Config`], and the command that made it |
//! | `metrics.jsonl` | [`Metrics`], one JSON object an epoch |
//! | `model.safetensors` | the network of the epoch with the best test accuracy |
//! | `last.safetensors` | the network after the last epoch (`model.*`) and the state of the optimiser (`optimizer.*`) |
//! | `lock` | held by the process that trains |
//!
//! Every file is replaced as a whole, `last.safetensors` after the others: it alone says which
//! epochs are done. So a run that was killed at any moment goes on as if nothing had happened,
//! and on a CPU ends with the same bits.

mod alignment;
mod checkpoint;
mod codes;
mod config;
mod distill;
mod error;
mod evaluate;
mod folder;
mod hash_fit;
mod learner;
mod metrics;
mod overrides;
mod preset;
mod scale;
pub mod text;
mod train;

pub use alignment::AlignmentConfig;
pub use codes::CodesConfig;
pub use config::{
    Config, DistillConfig, LossConfig, OptimizerConfig, PrecisionConfig, ScheduleConfig,
};
pub use error::RunError;
pub use folder::RunFolder;
pub use hash_fit::HashFitConfig;
pub use metrics::Metrics;
pub use preset::{preset, preset_names};
pub use train::{Progress, Trainer, Watch};
