//! What can keep libtorch from being installed.

use std::io;
use std::path::{Path, PathBuf};

use indicatif::DecimalBytes;

use super::super::VERSION;

/// Each message is one line: what, where, expected, found, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "libtorch can be installed on linux x86_64, this is {os} {arch}: set LIBTORCH to the folder \
         of a libtorch {VERSION}, or activate a Python environment with torch=={VERSION}"
    )]
    Platform { os: &'static str, arch: &'static str },
    #[error(
        "no C++ compiler: {program} is not there, and libtorch needs one; install it (apt install \
         g++, dnf install gcc-c++), or set CXX to yours"
    )]
    NoCompiler { program: String },
    #[error("the C++ compiler {program} does not work: {said}; set CXX to one that does")]
    Compiler { program: String, said: String },
    #[error(
        "no {python} on PATH, which libtorch is downloaded with: install it with pip (apt install \
         python3-pip, dnf install python3-pip), or set LIBTORCH to the folder of libtorch {VERSION}"
    )]
    NoPython { python: String },
    #[error(
        "{python} has no pip, which libtorch is downloaded with ({said}): install it (apt install \
         python3-pip, or {python} -m ensurepip), or set LIBTORCH to the folder of libtorch {VERSION}"
    )]
    NoPip { python: String, said: String },
    #[error(
        "the pip of {python} is not one of those this was made for, 20.3 to 26 ({said}): install \
         one of them ({python} -m pip install 'pip<27'), or set LIBTORCH to the folder of libtorch \
         {VERSION}"
    )]
    UnknownPip { python: String, said: String },
    #[error(
        "pip finds no {file}: {said}; check the network and pip's configuration ({python} -m pip \
         config list), then run the same command again"
    )]
    NotFound { file: &'static str, python: String, said: String },
    #[error(
        "the download of {file} stopped at {} of {}: {said}; run the same command again, it goes on \
         from there",
        DecimalBytes(*have),
        DecimalBytes(*size)
    )]
    Interrupted { file: &'static str, have: u64, size: u64, said: String },
    #[error(
        "{file} is not the file it should be, expected sha256 {expected}, found {found}; it was \
         removed: run the same command again, and if that does not help look at the index that pip \
         uses (python3 -m pip config list)"
    )]
    Hash { file: &'static str, expected: &'static str, found: String },
    #[error(
        "{} needs {} for libtorch and {} are free; make room, or set XDG_CACHE_HOME to a folder on \
         a larger disk, then run the same command again",
        folder.display(), DecimalBytes(*needed), DecimalBytes(*free)
    )]
    Space { folder: PathBuf, needed: u64, free: u64 },
    #[error(
        "the disk is full: cannot {action} {}; make room, or set XDG_CACHE_HOME to a folder on a \
         larger disk, then run the same command again: what was downloaded is kept",
        path.display()
    )]
    Full { action: &'static str, path: PathBuf },
    #[error("cannot unpack {}; remove it and run the same command again", path.display())]
    Zip { path: PathBuf, source: zip::result::ZipError },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl Error {
    /// What failed to do `action` to `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { action, path }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// What failed to read the wheel `path`.
    pub fn zip(path: &Path) -> impl FnOnce(zip::result::ZipError) -> Self {
        let path = path.to_owned();
        move |source| Self::Zip { path, source }
    }
}
