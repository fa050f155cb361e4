//! Weights of four bits: logarithmic codes and NormalFloat (NF4).
//!
//! Both are looked up, not computed with: a code of 4 bits names one of sixteen numbers, times
//! the greatest weight of its row or block.
//!
//! ```
//! use ndarray::arr2;
//! use snn_core::quant::{Base, LogCode};
//!
//! let weights = arr2(&[[1.0, -0.5, 0.24, 0.0]]).into_dyn();
//! let code = LogCode::new(4, Base::Two)?.quantize(&weights)?;
//! assert_eq!(code.codes.as_slice(), Some(&[7, -6, 5, 0][..]));
//! assert_eq!(code.dequantize().as_slice(), Some(&[1.0, -0.5, 0.25, 0.0][..]));
//! # Ok::<(), snn_core::quant::QuantError>(())
//! ```

mod log;
mod log1p;
mod nested;
mod nf4;
mod nibbles;

pub use log::{Base, LogCode, LogWeights};
pub use log1p::Log1pWeights;
pub use nested::{Nested, SIGNED_DYNAMIC_BLOCK, signed_dynamic_map};
pub use nf4::{NF4, Nf4, Nf4Weights};
pub use nibbles::{pack, unpack};

/// What cannot be quantised, or read back.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantError {
    /// A weight that is no number.
    #[error("weight {index} is {found}, expected a finite number")]
    NotFinite {
        /// Place in row-major order.
        index: usize,
        /// The value.
        found: f32,
    },
    /// Codes of other bits than there are.
    #[error("codes of {found} bits, expected 2 to 8")]
    Bits {
        /// Bits asked for.
        found: u32,
    },
    /// Blocks of a size that is not used.
    #[error("blocks of {found} weights, expected a power of two from 32 to 4096")]
    Block {
        /// Weights of a block.
        found: usize,
    },
    /// Another number of bytes or scales than the weights need.
    #[error("{what}: {found}, expected {expected} for {weights} weights")]
    Length {
        /// What is too long or too short.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
        /// Weights.
        weights: usize,
    },
    /// A code that is not used.
    #[error("code {found} of weight {index}, expected {least} to {greatest}")]
    Code {
        /// Place in row-major order.
        index: usize,
        /// The code.
        found: i8,
        /// The least code.
        least: i8,
        /// The greatest code.
        greatest: i8,
    },
}

/// The first weight that is not finite.
fn check<'a>(weights: impl IntoIterator<Item = &'a f32>) -> Result<(), QuantError> {
    match weights.into_iter().enumerate().find(|(_, w)| !w.is_finite()) {
        Some((index, &found)) => Err(QuantError::NotFinite { index, found }),
        None => Ok(()),
    }
}
