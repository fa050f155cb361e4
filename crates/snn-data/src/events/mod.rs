//! Event cameras: files as they are published, and frames from them.
//!
//! [`Reader`] streams any of the formats of [`Format`] with bounded memory. Coordinates, polarity
//! and times are those of the file: nothing is mirrored or shifted here.

mod bytes;
mod digest;
mod error;
mod event;
mod format;
mod formats;
pub mod frames;
mod input;
mod reader;
mod records;
pub mod sets;
pub mod transform;

pub use digest::EventDigest;
pub use error::EventError;
pub use event::{Event, Sensor};
pub use format::Format;
pub use formats::{aedat2::Address, hdf5::SpikeFile};
pub use reader::{Options, Reader, read};
