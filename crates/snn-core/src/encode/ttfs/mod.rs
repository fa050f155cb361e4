//! Time to first spike (TTFS) codes: a number becomes a level, a level the slot of at most one
//! spike in a window of `T = L - 1` slots, the greater the earlier.
//!
//! Plain TTFS lets the lowest level be silent. Masked TTFS (M-TTFS) gives silence to the level
//! that is most frequent, and a dead zone around it to its neighbours too. Published (Yan et al.,
//! *Matterhorn*, arXiv 2601.22876, abstract and summary): silence means the most frequent value
//! without loss, and a dead zone trades exactness for more of it. The formulas here are our
//! reading; no code was released.
//!
//! ```
//! use ndarray::arr1;
//! use snn_core::encode::ttfs::{Histogram, MaskedTtfs, Quantizer};
//!
//! let quantizer = Quantizer::new(16, 0.5, 7)?;
//! let x = arr1(&[0.1, -0.2, 0.0, 1.9, -1.5]).into_dyn();
//! let histogram = Histogram::of(&quantizer, &x)?;
//! let code = MaskedTtfs::new(quantizer, histogram.mode(&quantizer)?, 0)?;
//! let times = code.times(&x)?;
//! assert_eq!(times.as_slice(), Some(&[None, None, None, Some(4), Some(10)][..]));
//! # Ok::<(), snn_core::encode::ttfs::TtfsError>(())
//! ```

mod calibrate;
mod linear;
mod masked;
mod neuron;
mod quantizer;

pub use calibrate::Histogram;
pub use linear::TtfsLinear;
pub use masked::{MaskedTtfs, Times};
pub use quantizer::Quantizer;

/// What no code can be made of.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TtfsError {
    /// A quantiser of too few levels, or too many for a float to tell apart.
    #[error("a code of {found} levels, expected 2 to {most}")]
    Levels {
        /// Levels asked for.
        found: u32,
        /// Most that there can be.
        most: u32,
    },
    /// A step that is no length.
    #[error("a quantiser of step {found}, expected a finite number above 0")]
    Step {
        /// The step.
        found: f32,
    },
    /// A zero point too far away to be exact.
    #[error("zero point {found}, expected {least} to {most}")]
    ZeroPoint {
        /// The zero point.
        found: i32,
        /// Least that it can be.
        least: i32,
        /// Most that it can be.
        most: i32,
    },
    /// A mask level that is no level.
    #[error("mask level {found}, expected 0 to {greatest}, a level of the code")]
    Mask {
        /// The level.
        found: u32,
        /// The greatest level.
        greatest: u32,
    },
    /// An input that is no number.
    #[error("element {index} is {found}, expected a finite number")]
    NotFinite {
        /// Place in row-major order.
        index: usize,
        /// The value.
        found: f32,
    },
    /// A level that the code does not have.
    #[error("element {index} is level {found}, expected 0 to {greatest}")]
    Level {
        /// Place in row-major order.
        index: usize,
        /// The level.
        found: u32,
        /// The greatest level.
        greatest: u32,
    },
    /// A spike after the end of the window, or in a slot of a level that is silent.
    #[error(
        "element {index} spikes in slot {found}, which this code of {slots} slots leaves empty"
    )]
    Slot {
        /// Place in row-major order.
        index: usize,
        /// The slot.
        found: u32,
        /// Slots of a window.
        slots: u32,
    },
    /// A neuron that spikes more than once.
    #[error("element {index} spikes {found} times, expected at most one spike in a window")]
    Spikes {
        /// Place among the neurons, in row-major order.
        index: usize,
        /// Its spikes.
        found: usize,
    },
    /// A window of another length.
    #[error("spikes of {found} time steps, expected a window of {slots} slots")]
    Window {
        /// Steps that there are; 0 if there is no axis of time.
        found: usize,
        /// Slots of a window.
        slots: u32,
    },
    /// A linear layer with another number of inputs or outputs.
    #[error("{what} of {found}, expected {expected}")]
    Channels {
        /// What does not fit.
        what: &'static str,
        /// Channels that it has.
        found: usize,
        /// Channels that it should have.
        expected: usize,
    },
    /// A calibration that has seen nothing.
    #[error("no number was seen, expected at least one to calibrate with")]
    Unseen,
}

/// The first that is not finite.
fn check<'a>(values: impl IntoIterator<Item = &'a f32>) -> Result<(), TtfsError> {
    match values.into_iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((index, &found)) => Err(TtfsError::NotFinite { index, found }),
        None => Ok(()),
    }
}
