use std::{io, path::PathBuf};

use snn_core::LoadError;

use crate::{Differences, Unreadable, pickle::PickleError};

/// Why a file cannot be read as a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refused, or the file ended.
    #[error("the file cannot be read to its end")]
    Io(#[from] io::Error),
    /// It is of another format.
    #[error(
        "it begins with {begins:02x?}, expected a file that torch.save or safetensors wrote; \
         unpack it if it is an archive, or save the state dict again"
    )]
    Format {
        /// Its first bytes.
        begins: Vec<u8>,
    },
    /// It is an archive of something else.
    #[error(
        "a {kind} archive without {lacks}, so not of torch.save; it holds {}; \
         unpack it and import what is in it",
        list(holds)
    )]
    Archive {
        /// zip or tar.
        kind: &'static str,
        /// The entry that every checkpoint has.
        lacks: &'static str,
        /// Names of the entries that are there.
        holds: Vec<String>,
    },
    /// It is a program.
    #[error(
        "it is a TorchScript program, which is never run here; load it in Python and save its \
         weights: torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\")"
    )]
    Script,
    /// It is a pickle of something else.
    #[error("a pickle of {found}, expected what torch.save writes; save it with torch.save")]
    Pickle {
        /// What was pickled.
        found: String,
    },
    /// A compressed entry.
    #[error(
        "entry {entry} is compressed, and PyTorch stores its entries as they are; \
         unpack the archive and pack it again without compression (zip -0), or save it again"
    )]
    Compressed {
        /// The entry.
        entry: String,
    },
    /// The archive is damaged.
    #[error("the zip archive is damaged or cut; copy or download the file again")]
    Zip(#[from] zip::result::ZipError),
    /// The header of a safetensors file is damaged.
    #[error("the header of the safetensors file is damaged; copy or download the file again")]
    Header(#[from] serde_json::Error),
    /// It was written on a machine that puts the greatest byte first.
    #[error("it was written with the greatest byte first; save it again on another machine")]
    ByteOrder,
    /// A pickle is damaged.
    #[error("the file is damaged or cut; copy or download it again")]
    Load(#[from] PickleError),
    /// Something in it is not what it must be.
    #[error("{what} is {found}, expected {expected}; copy or download the file again")]
    Damaged {
        /// What.
        what: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A checksum is wrong.
    #[error(
        "the {bytes} bytes from byte {start} on do not have their checksum: the file is damaged; \
         copy or download it again"
    )]
    Checksum {
        /// First of the bytes.
        start: u64,
        /// How many.
        bytes: u64,
    },
    /// Its names are too long.
    #[error("the names in it fill more than {most} bytes, which no checkpoint's do")]
    Names {
        /// Bytes that all names together may have.
        most: usize,
    },
    /// Its tensors share storages without end.
    #[error(
        "its tensors have {bytes} bytes and the file {length}: they repeat each other more often \
         than in any checkpoint"
    )]
    Shared {
        /// Bytes of all tensors that are wanted.
        bytes: u64,
        /// Bytes of the file.
        length: u64,
    },
}

fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".into(),
        [.., _, _, _, _] => format!("{} and {} more", names[..3].join(", "), names.len() - 3),
        _ => names.join(", "),
    }
}

/// A file that gives no network.
#[derive(Debug, thiserror::Error)]
#[error("cannot import {}", path.display())]
pub struct ImportError {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub source: Why,
}

/// Why a file gives no network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// The file cannot be opened.
    #[error("it cannot be opened")]
    Open(#[source] io::Error),
    /// It cannot be read as a checkpoint.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no dictionary with tensors in it.
    #[error("it holds no tensors under names: {}; save the state dict of a network", list(holds))]
    Empty {
        /// What is there.
        holds: Vec<String>,
    },
    /// No tensor is called as in any network of the zoo.
    #[error(
        "none of its tensors ({tensors}, the first `{first}`) is called as in a network of the \
         zoo, which `snn models` lists"
    )]
    Foreign {
        /// How many there are.
        tensors: usize,
        /// Name of one of them.
        first: String,
    },
    /// There is no such part.
    #[error("it has no part `{part}`; networks are in {}", list(parts))]
    Part {
        /// What was asked for.
        part: String,
        /// What there is.
        parts: Vec<String>,
    },
    /// No such system.
    #[error("there is no system `{system}`; known are {}", known.join(", "))]
    System {
        /// What was asked for.
        system: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// No such preset.
    #[error("there is no preset `{preset}`; `snn models` lists them")]
    Preset {
        /// What was asked for.
        preset: String,
    },
    /// A setting cannot be made.
    #[error("--set {change}: {reason}")]
    Set {
        /// The setting.
        change: String,
        /// Why not.
        reason: String,
    },
    /// The tensors are those of no network of the zoo.
    #[error(
        "`{part}` is no network of the zoo; it comes closest to {nearest}, and {differences}; \
         pass --ignore NAME for tensors that may be left out, --part NAME for another part"
    )]
    Nothing {
        /// Where the tensors are.
        part: String,
        /// The system that comes closest.
        nearest: String,
        /// What is different.
        differences: Differences,
    },
    /// The tensors are those of another system.
    #[error("the tensors are those of {found}, not of {asked}; pass --system {found}, or none")]
    Other {
        /// The system that was asked for.
        asked: String,
        /// The system that has such tensors.
        found: String,
    },
    /// The tensors are not those of the network that was asked for.
    #[error(
        "the tensors are not those of {asked}: {differences}; leave --preset and --set out to \
         have them recognised"
    )]
    Misfit {
        /// The network.
        asked: String,
        /// What is different.
        differences: Differences,
    },
    /// Several systems have these tensors.
    #[error(
        "{} have tensors of the same names and shapes; say which by --system NAME",
        systems.join(" and ")
    )]
    Ambiguous {
        /// The systems.
        systems: Vec<String>,
    },
    /// Fields that neither tensors nor published networks tell.
    #[error(
        "no published network of {system} has these shapes, and shapes do not tell {}; \
         pass --set {}", fields.join(", "), settings(fields)
    )]
    Untold {
        /// The system.
        system: String,
        /// The fields.
        fields: Vec<String>,
    },
    /// A tensor that the network needs cannot be read.
    #[error("tensor `{name}` cannot be used")]
    Unreadable {
        /// The tensor.
        name: String,
        /// Why not.
        source: Unreadable,
    },
    /// The configuration contradicts itself, or numbers are not finite.
    #[error("{0}; --set KEY=VALUE changes a field")]
    Config(LoadError),
    /// A tensor's numbers are of no use.
    #[error(transparent)]
    Load(LoadError),
}

impl Why {
    pub(crate) fn set(change: &str, reason: impl Into<String>) -> Self {
        Self::Set { change: change.to_owned(), reason: reason.into() }
    }
}

impl From<LoadError> for Why {
    fn from(source: LoadError) -> Self {
        match source {
            LoadError::Config { .. } => Self::Config(source),
            other => Self::Load(other),
        }
    }
}

fn settings(fields: &[String]) -> String {
    let settings = fields.iter().map(|field| format!("{field}=VALUE"));
    settings.collect::<Vec<_>>().join(" --set ")
}
