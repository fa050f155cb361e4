//! Products of one block of rows with a tile of output channels, in integers.
//!
//! Both kernels add to `out[n][row]` the sum over groups of what the entry of
//! that row selects for channel `n`. They are exact in wrapping 32-bit
//! arithmetic; whoever prepares tables and weights sees to it that the result
//! fits.

mod dense;
mod dot;
mod fire;
mod lut;

pub(super) use dense::dense;
pub(super) use dot::{dot_f32, dot_f64};
pub(super) use fire::{Dynamics, Membranes, Tile, fire, fire_integers, scale_sums};
pub(super) use lut::lut;

use super::layout::LANES;

/// Output channels of a tile: their spikes make one nibble.
pub(super) const TILE: usize = 4;

/// Sums of a tile: `[channel][row]`.
pub(super) type Sums = [[i32; LANES]; TILE];
