//! Published spiking transformers, each written once for every backend, with
//! their authors' weights.
#![warn(missing_docs)]

mod attention;
mod check;
pub mod e_spikeformer;
pub mod ecoformer;
pub mod efficient;
pub mod golden;
pub mod lsformer;
pub mod matterhorn;
mod membrane_shortcut;
pub mod meta_spikeformer;
pub mod network;
mod pyramid;
pub mod qkformer;
pub mod qsd_transformer;
pub mod select;
pub mod spike_driven_transformer;
pub mod spikformer;
pub mod statten;
pub mod teformer;
pub mod wta_spikingformer;
pub mod zoo;

pub use network::{Frames, InputShape, Network, mean_logits};
pub use select::select;
pub use zoo::{Config, Preset, Status};
