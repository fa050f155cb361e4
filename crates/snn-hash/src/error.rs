/// Why there is no hash function.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The parts of a hash do not fit each other.
    #[error("{what} of the hash has shape {found:?}, expected {expected}")]
    Shape {
        /// The part.
        what: &'static str,
        /// The shape that fits the other parts.
        expected: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// Fewer tokens than support points.
    #[error(
        "{points} support points from {tokens} tokens, expected at most as many points as tokens; \
         lower `points` or take longer samples"
    )]
    Tokens {
        /// Support points that were asked for.
        points: usize,
        /// Tokens of a sample.
        tokens: usize,
    },
    /// The fit left the numbers.
    #[error("the fit of bit {bit} diverged to NaN; lower `rate`, or look for NaN in the tokens")]
    Diverged {
        /// The bit.
        bit: usize,
    },
}
