//! Tensors, backends, neurons, encoders and the energy account of spiking
//! transformers.
//!
//! A network is written once, generic over a [`Backend`]; [`Reference`] is the
//! obvious one, [`Outline`] runs on shapes alone, and [`Unfolded`] runs integer
//! neurons as spikes. Tensors say what they are: spikes, sums of spikes, or
//! numbers. Axes are `[T, B, positions..., C]`.
//!
//! ```
//! use ndarray::ArrayD;
//! use snn_core::{Builder, Init, Neuron, Pass, Reference, Stage, probe::Rates, Backend, Signal};
//!
//! // A linear synapse and a layer of LIF neurons, with weights by name.
//! let backend = Reference::<f32>::new();
//! let builder = Builder::draw(&backend, 7);
//! let fc = builder.synapse(Stage::linear("fc", 3, 8).init(Init::Normal(1.0)))?;
//! let lif = builder.neuron("lif", Neuron::lif(2.0))?;
//!
//! // Four time steps of two samples: [T, B, C].
//! let x = backend.real(&ArrayD::ones(vec![4, 2, 3]));
//! let mut rates = Rates::new();
//! let mut pass = Pass::new(&backend).with_probe(&mut rates);
//! let current = fc.forward(&mut pass, &x);
//! let spikes = lif.forward(&mut pass, &current);
//! assert_eq!(Signal::<Reference<f32>>::shape(&spikes), [4, 2, 8]);
//! assert_eq!(rates.layers()[0].name, "lif");
//! # Ok::<(), snn_core::LoadError>(())
//! ```
#![warn(missing_docs)]

pub mod analog;
pub mod backend;
pub mod encode;
pub mod files;
#[cfg(feature = "proptest")]
pub mod laws;
pub mod layer;
pub mod map;
pub mod memory;
pub mod neuron;
pub mod outline;
pub mod packed;
pub mod pass;
pub mod probe;
pub mod quant;
pub mod reference;
pub mod tensor;
pub mod unfold;
pub mod weights;

pub use backend::{Activation, Activity, Backend, Input, Mode, Signal};
pub use map::{Map, Response, Window};
pub use neuron::{IntegerNeuron, Neuron};
pub use outline::Outline;
pub use packed::Packed;
pub use pass::{Devices, Event, Pass, Probe, State};
pub use reference::Reference;
pub use unfold::Unfolded;
pub use weights::{Builder, Init, LoadError, Stage, Tensor, Weights};
