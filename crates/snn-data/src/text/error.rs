//! What can go wrong with text.

use std::path::{Path, PathBuf};

/// Text that cannot be read or turned into tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The operating system refused, or the file is no text.
    #[error("cannot read {}", path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A line of a table breaks its rules.
    #[error("{}: line {line}: {what} is {found}, expected {expected}", path.display())]
    Line {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Field.
        what: String,
        /// What belongs there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A character or word is not in the vocabulary.
    #[error(
        "`{found}` is not in the vocabulary of {size} tokens; build it from a text that has it"
    )]
    Unknown {
        /// Character or word.
        found: String,
        /// Size of the vocabulary.
        size: usize,
    },
    /// A number names no token.
    #[error("token {found} does not exist; the vocabulary has {size}")]
    Token {
        /// The number.
        found: u32,
        /// Size of the vocabulary.
        size: usize,
    },
    /// A text is shorter than a window.
    #[error("{found} tokens, expected more than the {window} of a window")]
    TooShort {
        /// Number of tokens.
        found: usize,
        /// Length of a window.
        window: usize,
    },
    /// Nobody said where the files are.
    #[error(
        "the files of {dataset} are needed: name their folder with `--data DIR`, or fetch them with `snn data get {dataset}`"
    )]
    NoFolder {
        /// Dataset.
        dataset: String,
    },
    /// There is no text of that name.
    #[error("dataset is `{found}`, expected one of {}", known.join(", "))]
    Dataset {
        /// What was given.
        found: String,
        /// What there is.
        known: &'static [&'static str],
    },
    /// The tokenizer refused.
    #[error("the tokenizer failed: {reason}")]
    Tokenizer {
        /// Its reason.
        reason: String,
    },
}

impl TextError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}

/// Reads a whole text, unpacking gzip.
pub(super) fn read(path: &Path) -> Result<String, TextError> {
    use std::io::Read;
    let bytes = std::fs::read(path).map_err(|e| TextError::io(path, e))?;
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        let mut gz = flate2::read::MultiGzDecoder::new(&bytes[..]).take(8 << 30);
        gz.read_to_end(&mut unpacked).map_err(|e| TextError::io(path, e))?;
        unpacked
    } else {
        bytes
    };
    String::from_utf8(bytes).map_err(|e| {
        let invalid = std::io::ErrorKind::InvalidData;
        TextError::io(path, std::io::Error::new(invalid, e.utf8_error()))
    })
}
