use std::path::PathBuf;

/// Why something does not become codes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodesError {
    /// A code of width zero.
    #[error("codes have 0 bits, expected at least 1")]
    NoBits,
    /// No whole number of codes.
    #[error("{found} {unit} are no whole number of codes of {bits} bits, {each} {unit} each")]
    Length {
        /// Bits of a code.
        bits: usize,
        /// Words or bytes.
        unit: &'static str,
        /// Of them for each code.
        each: usize,
        /// How many there are.
        found: usize,
    },
    /// A bit past the last one is set.
    #[error("code {code} has a set bit past its {bits} bits, expected zeros; is the width right?")]
    Tail {
        /// The code.
        code: usize,
        /// Bits of a code.
        bits: usize,
    },
    /// The file cannot be read or written.
    #[error("cannot access codes {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no whole safetensors file.
    #[error(
        "{} is not a complete safetensors file: truncated, damaged or of another format; \
         copy or save it again", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: safetensors::SafeTensorError,
    },
    /// The file holds something else than codes.
    #[error("{} holds no codes: {what} is {found}, expected {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// A tensor or an entry of the metadata.
        what: &'static str,
        /// What codes have there.
        expected: String,
        /// What the file has.
        found: String,
    },
}
