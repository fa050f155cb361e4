//! Datasets, augmentation and the loader for spiking transformers; needs no libtorch.
//!
//! ```
//! use snn_data::{Augment, Dataset, Loader, LoaderConfig};
//!
//! let digits = Dataset::open("digits", None)?;
//! let augment = Augment { pad: 1, ..Augment::default() };
//! let config = LoaderConfig { batch: 64, shuffle: true, seed: 1, ..LoaderConfig::default() };
//! let loader = Loader::new(digits.train_source(&augment)?, config)?;
//! for batch in loader.epoch(0).take(2) {
//!     let batch = batch?;
//!     assert_eq!(batch.inputs.shape(), [1, 64, 8, 8, 1]); // time, batch, height, width, channels
//!     assert_eq!(batch.targets.shape(), [64, 10]);
//! }
//! # Ok::<(), snn_data::DataError>(())
//! ```
//!
//! Recordings of event cameras are in [`events`], labelled images of streets and rooms in
//! [`segmentation`], language in [`text`], spoken words in [`sound`]. The feature `fetch` brings
//! the files, `cli` adds the subcommands of a program, `tokenizers` byte pairs.

pub mod augment;
pub mod cache;
#[cfg(feature = "cli")]
pub mod cli;
mod dataset;
mod error;
pub mod events;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod images;
pub mod inspect;
pub mod loader;
pub mod manifest;
mod matlab;
pub mod random;
pub mod segmentation;
pub mod sound;
mod sources;
pub mod text;

pub use augment::Augment;
pub use cache::datasets;
pub use dataset::Dataset;
pub use error::DataError;
pub use images::{Image, Images};
pub use loader::{Batch, Epoch, Loader, LoaderConfig, Source};
pub use manifest::Manifest;
pub use sources::{EventSettings, FrameSize, Limit, Settings, SoundSettings, Sources};
