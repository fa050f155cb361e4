//! Training of spiking transformers on libtorch.
//!
//! [`Torch`] is the backend that learns, [`loss`] and [`optim`] are what it learns with, and
//! [`run`] is a whole training run in its folder.
//!
//! ```
//! use ndarray::ArrayD;
//! use snn_core::{Backend, Builder, Neuron, Pass, Stage};
//! use snn_train::{
//!     Precision, Torch, loss,
//!     optim::{AdamW, AdamWOptions, Optimizer},
//! };
//!
//! let backend = Torch::new(tch::Device::Cpu, Precision::Single)?;
//! let builder = Builder::draw(&backend, 1);
//! let hidden = builder.synapse(Stage::linear("hidden", 4, 16).norm("hidden_bn"))?;
//! let lif = builder.neuron("lif", Neuron::lif(2.0))?;
//! let head = builder.synapse(Stage::linear("head", 16, 2))?;
//! let mut optimizer = AdamW::new(backend.parameters(), AdamWOptions::default());
//!
//! // One frame [T, B, C] that stands for four time steps; the classes are its even and odd samples.
//! let x = ArrayD::from_shape_fn(vec![1, 8, 4], |i| ((i[1] + i[2]) % 2) as f32);
//! let targets = ArrayD::from_shape_fn(vec![8, 2], |i| f32::from(i[0] % 2 == i[1]));
//! let (x, targets) = (backend.real(&x), backend.real(&targets));
//! let mut losses = Vec::new();
//! for _ in 0..60 {
//!     let mut pass = Pass::train(&backend);
//!     let current = hidden.forward_repeated(&mut pass, &x, 4);
//!     let spikes = lif.forward(&mut pass, &current);
//!     let logits = backend.mean_time(&head.forward(&mut pass, &spikes));
//!     let loss = loss::cross_entropy(logits.tensor(), targets.tensor(), 0.0);
//!     optimizer.zero_grad();
//!     loss.backward();
//!     optimizer.step(0.03);
//!     losses.push(loss.double_value(&[]));
//! }
//! assert!(losses[59] < losses[0] / 2.0);
//! assert!(backend.weights().get("hidden_bn.running_mean").is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

pub mod golden;
pub mod loss;
pub mod optim;
pub mod run;
mod shim;
pub mod torch;

pub use torch::{Precision, Torch};
