//! Training of spiking transformers on libtorch.
#![warn(missing_docs)]

pub mod golden;
pub mod loss;
pub mod optim;
pub mod run;
mod shim;
pub mod torch;

pub use torch::{Precision, Torch};
