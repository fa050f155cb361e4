//! Published spiking transformers, each written once for every backend, with
//! their authors' weights.
#![warn(missing_docs)]

mod attention;
mod check;
pub mod golden;
pub mod network;
pub mod spikformer;
pub mod zoo;

pub use network::{Frames, InputShape, Network, mean_logits};
pub use zoo::{Config, Preset, Status};
