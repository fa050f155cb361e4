use std::{
    io,
    path::{Path, PathBuf},
};

use snn_core::LoadError;
use snn_data::DataError;
use snn_hash::HashError;
use snn_models::wta_spikingformer::TokenError;

use crate::torch::DeviceError;

/// Why a run cannot begin, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No preset of that name.
    #[error(
        "unknown preset `{name}`; known are {}; --config takes a file of yours", known.join(", ")
    )]
    Preset {
        /// The name that was asked for.
        name: String,
        /// Every name that would have been right.
        known: Vec<&'static str>,
    },
    /// A configuration is no TOML, has unknown or missing keys, or values of another type.
    #[error("{origin}: {reason}")]
    Config {
        /// What was read.
        origin: String,
        /// The mistake, with its key.
        reason: String,
    },
    /// A value of a configuration is out of its range.
    #[error("`{key}` is {found}, expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// Its range in words.
        expected: &'static str,
    },
    /// A loss over time steps, for a network that gives logits once.
    #[error(
        "`loss.kind` is tet, which needs logits at every time step, and the model gives them \
         once; use cross-entropy"
    )]
    Steps,
    /// The dataset is not of the shape that the network takes.
    #[error("the dataset has {what} {found}, and the model takes {expected}")]
    Dataset {
        /// What differs.
        what: &'static str,
        /// What the model takes.
        expected: String,
        /// What the dataset has.
        found: String,
    },
    /// A teacher that the network cannot learn from.
    #[error(
        "`distill.teacher`: the network of {} has {what} {found}, expected {expected} as in the \
         network that it teaches", path.display()
    )]
    Teacher {
        /// Run folder of the teacher.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the network that is trained has.
        expected: String,
        /// What the teacher has.
        found: String,
    },
    /// A network is trained with fewer images than one step takes.
    #[error("`batch` is {batch}, expected at most the {images} training images")]
    Batch {
        /// Images in a step.
        batch: usize,
        /// Images in the training set.
        images: usize,
    },
    /// Another process trains in the folder.
    #[error(
        "run folder {} is in use by another training; wait until it ends, or choose another \
         with --out", path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A new run would lie over an old one.
    #[error(
        "{} holds a run already; go on with it by --resume {}, or choose another folder with \
         --out", path.display(), path.display()
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// There is no run to go on with.
    #[error("{} is no run folder: it has no config.toml", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file of the run could not be written; what was there before is untouched.
    #[error(
        "cannot write {} ({:.1} MB), nothing is lost: make room, then go on with \
         `snn train --resume {}`", path.display(), *bytes as f64 / 1e6, folder.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
        /// The run folder.
        folder: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file of the run folder contradicts the others.
    #[error("{}: {what} is {found}, expected {expected}; start a new run", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        what: &'static str,
        /// What belongs there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Weights of the run folder do not load.
    #[error("cannot use {}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The tensor, and what is wrong with it.
        source: LoadError,
    },
    /// The loss is no number any more.
    #[error(
        "the loss is {loss} in epoch {epoch}, step {step}, at learning rate {lr:.1e}: training \
         has diverged; lower `schedule.lr`, lengthen `schedule.warmup`, or set `clip=1.0`"
    )]
    Diverged {
        /// What it is.
        loss: f64,
        /// Epoch, from 1.
        epoch: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// Learning rate of the step.
        lr: f64,
    },
    /// Hash functions cannot be fitted.
    #[error("cannot fit the hash functions of `{name}`")]
    Hash {
        /// The attention.
        name: String,
        /// Why.
        source: HashError,
    },
    /// The configuration of the network contradicts itself.
    #[error(transparent)]
    Model(#[from] LoadError),
    /// The dataset cannot be read, or augmented as asked for.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A text cannot be learned from.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The device is not there.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl RunError {
    /// For `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}
