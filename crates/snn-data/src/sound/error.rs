//! What can go wrong with sound.

use std::path::PathBuf;

/// A sound that cannot be read or turned into features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is no wave file that can be read.
    #[error("{}: not a readable wave file ({reason})", path.display())]
    Wave {
        /// File.
        path: PathBuf,
        /// The reader's reason.
        reason: String,
    },
    /// The rate of a file differs from that of the features.
    #[error("{}: {found} samples a second, expected {expected}; convert the file first", path.display())]
    Rate {
        /// File.
        path: PathBuf,
        /// Rate of the features.
        expected: u32,
        /// Rate of the file.
        found: u32,
    },
    /// A setting is out of its range.
    #[error("{setting} is {found}, expected {expected}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its range in words.
        expected: String,
        /// The value.
        found: String,
    },
}
