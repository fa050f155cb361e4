//! What can go wrong on the way to a dataset.

use std::path::{Path, PathBuf};

/// A dataset that cannot be brought or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The manifest lists no file.
    #[error("dataset `{dataset}` has no files to get: it is part of the program")]
    Nothing {
        /// Dataset.
        dataset: String,
    },
    /// Another program holds the folder.
    #[error("{}: another program is getting this dataset; wait for it", dir.display())]
    Busy {
        /// Folder of the dataset.
        dir: PathBuf,
    },
    /// The publishers do not hand the files to a program.
    #[error(transparent)]
    ByHand(Box<ByHand>),
    /// No address gave the file.
    #[error(
        "cannot download {name}: {}; check the network, or get the file by hand and use --from",
        failures.join("; ")
    )]
    Download {
        /// File.
        name: String,
        /// What happened at each address.
        failures: Vec<String>,
    },
    /// A sum differs from the published one.
    #[error(
        "{}: {kind} is {found}, expected {expected}; it is damaged or another version: get it again",
        path.display()
    )]
    Sum {
        /// File.
        path: PathBuf,
        /// `md5` or `sha256`.
        kind: &'static str,
        /// Published sum.
        expected: String,
        /// Sum of the file.
        found: String,
    },
    /// A size differs from the published one.
    #[error("{}: {found} bytes, expected {expected}; it is cut short or another version: get it again",
        path.display())]
    Size {
        /// File.
        path: PathBuf,
        /// Published size.
        expected: u64,
        /// Size of the file.
        found: u64,
    },
    /// An archive is damaged or hostile.
    #[error("{}: {what} is {found}, expected {expected}; nothing was unpacked", archive.display())]
    Unpack {
        /// Archive.
        archive: PathBuf,
        /// Part at fault.
        what: String,
        /// What an honest archive has there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// An archive lacks a file that the manifest promises.
    #[error("{}: no {name} after unpacking; the archives hold another version", dir.display())]
    NotInArchive {
        /// File.
        name: String,
        /// Folder of the dataset.
        dir: PathBuf,
    },
    /// A note about unpacked files cannot be understood.
    #[error("{}: line {line} is no sum, size and name; remove the file and get the dataset again",
        path.display())]
    Receipt {
        /// The note.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
}

/// A dataset that a person has to fetch, and how.
#[derive(Debug, thiserror::Error)]
#[error(
    "dataset `{dataset}` {}: {}; get {} from {} ({licence}), put them into one folder, and \
     run the command again with --from FOLDER",
    if *registration { "needs an account or a signature" } else { "is fetched by hand" },
    match from {
        Some(from) => format!("{} has no {missing}", from.display()),
        None => format!("{missing} cannot be downloaded by a program"),
    },
    files.join(", "), sources.join(" or ")
)]
pub struct ByHand {
    /// Dataset.
    pub dataset: String,
    /// Whether the publishers ask for an account or a signature.
    pub registration: bool,
    /// The first file that is missing.
    pub missing: String,
    /// Folder that was searched.
    pub from: Option<PathBuf>,
    /// Pages of the publishers.
    pub sources: Vec<String>,
    /// Files that are needed.
    pub files: Vec<String>,
    /// Terms of use.
    pub licence: String,
}

impl FetchError {
    pub(super) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }
}
