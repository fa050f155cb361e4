//! Weights as authors publish them.
#![warn(missing_docs)]

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
