//! Tensors, backends, neurons, encoders and the energy account of spiking
//! transformers.
#![warn(missing_docs)]

pub mod backend;
pub mod files;
pub mod layer;
pub mod map;
pub mod neuron;
pub mod pass;
pub mod reference;
pub mod tensor;
pub mod weights;

pub use backend::{Activation, Activity, Backend, Input, Mode, Signal};
pub use map::{Map, Window};
pub use neuron::{IntegerNeuron, Neuron};
pub use pass::{Event, Pass, Probe, State};
pub use reference::Reference;
pub use weights::{Builder, Init, LoadError, Stage, Tensor, Weights};
