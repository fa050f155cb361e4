use std::path::PathBuf;

use crate::{encode::ttfs::TtfsError, neuron::NeuronError};

/// Why weights do not become a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read or written.
    #[error("cannot access checkpoint {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no whole safetensors file.
    #[error(
        "{} is not a complete safetensors file: truncated, damaged or of another format; \
         copy or export it again", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: safetensors::SafeTensorError,
    },
    /// A tensor has an element type that no weight has.
    #[error("tensor `{name}` of {} holds {found}, expected floats, or integers of at most 64 bits", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type.
        found: String,
    },
    /// A tensor holds NaN or an infinity.
    #[error(
        "tensor `{name}` holds {found} at element {index}, expected finite numbers; \
         the training that wrote it has diverged, or the file is damaged"
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// The value.
        found: f32,
        /// Its place in row-major order.
        index: usize,
    },
    /// A tensor that the network needs is not there.
    #[error(
        "tensor `{name}` is missing, expected shape {expected:?}; \
         is this checkpoint of another system or preset?{}",
        nearest(near)
    )]
    Missing {
        /// The tensor.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
        /// The tensor of the file with the likest name.
        near: Option<String>,
    },
    /// A tensor that the network does not know.
    #[error(
        "unexpected tensor `{name}` of shape {found:?}{}; \
         is this checkpoint of another system or preset?", more(*others)
    )]
    Extra {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// Further unexpected tensors.
        others: usize,
    },
    /// A tensor has another shape.
    #[error(
        "tensor `{name}` has shape {found:?}, expected {expected:?}; \
         the configuration does not fit the weights"
    )]
    Shape {
        /// The tensor.
        name: String,
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// The shape in the checkpoint.
        found: Vec<usize>,
    },
    /// A neuron parameter is out of range.
    #[error(transparent)]
    Neuron(#[from] NeuronError),
    /// The numbers of a code in time are out of range.
    #[error("code `{name}`: {source}")]
    Code {
        /// The code.
        name: String,
        /// What is out of range.
        source: TtfsError,
    },
    /// The configuration contradicts itself.
    #[error("configuration field `{field}` is {found}, expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
}

fn nearest(near: &Option<String>) -> String {
    near.as_ref().map(|n| format!(" The file has `{n}`.")).unwrap_or_default()
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}
