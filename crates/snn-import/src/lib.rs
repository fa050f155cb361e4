//! Weights as the authors of spiking transformers publish them.
//!
//! Files of PyTorch (`.pth`, `.pth.tar`, `.pt`, `.bin`, of every release and pickle protocol)
//! and safetensors are read without Python, and without running what is in them:
//! [`Checkpoint`] finds the tensors, [`import`] recognises the network by their names and shapes.
//!
//! ```
//! use snn_core::Reference;
//! use snn_import::{Request, import};
//! use snn_models::Preset;
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("weights.safetensors");
//! let published = Preset::named("spikformer-2-256-gesture").expect("it is in the zoo");
//! let (_, weights) = published.config.draw(&Reference::<f32>::new(), 1)?;
//! weights.save(&file)?;
//!
//! let found = import(&file, &Request::default())?;
//! assert_eq!(found.config, published.config);
//! assert_eq!(found.weights.tensors, weights.tensors);
//! assert_eq!(found.report.preset, Some("spikformer-2-256-gesture"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Hostile files cost no more than their length: no length in them is believed before it is
//! compared with that of the file, nothing compressed is unpacked, nothing recurses, and a
//! network is built only from tensors that are there.
#![warn(missing_docs)]
#![allow(clippy::result_large_err)] // an import fails once, and then says much

mod checkpoint;
mod container;
mod error;
mod import;
mod parts;
mod pickle;
mod recognise;
mod tensor;
mod torch;
mod tree;

pub use checkpoint::Checkpoint;
pub use container::Format;
pub use error::{ImportError, ReadError, Why};
pub use import::{Ignored, Import, Report, Request, import};
pub use pickle::{PickleError, Problem};
pub use recognise::{Differences, Field, Origin};
pub use tensor::Unreadable;
