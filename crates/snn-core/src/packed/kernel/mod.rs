//! Products of one block of rows with a tile of output channels, in integers.
//!
//! All kernels add to `out[n][row]` the sum over groups of what the entry of
//! that row selects for channel `n`. They are exact in wrapping 32-bit
//! arithmetic; whoever prepares tables and weights sees to it that the result
//! fits.

mod activity;
mod counted;
mod dense;
mod dot;
mod events;
mod fire;
mod lut;
mod matrix;
mod multiply;
mod overlaps;
mod plane;
mod pool;
mod quantize;
mod rows;
mod subsets;
mod tabulate;

pub(super) use activity::{most_spikes, most_units};
pub(super) use counted::{Counted, fire_counted};
pub(super) use dense::dense;
pub(super) use dot::{Column, Weight, dot, dot_arranged};
pub(super) use events::{Event, Events, SPAN, WORD, gather};
pub(super) use fire::{Dynamics, Exact, Given, Membranes, Tile, Worth, fire, fire_exact};
pub(super) use lut::{Table, WORTH, arrange, lut};
pub(super) use matrix::{Block, CHANNELS, Corners, DEPTH, MOST, Matrices};
pub(super) use multiply::multiply;
pub(super) use overlaps::{channel_words, overlaps};
pub(super) use plane::plane;
pub(super) use pool::{lines, pool, room};
pub(super) use quantize::{Stairs, quantize};
pub(super) use rows::{Number, Rows, fire_rows};
pub(super) use subsets::{Entry, Sum, select, subsets};
pub(super) use tabulate::{Bytes, Words, tabulate};

use std::ops::{Deref, DerefMut};

use super::{
    isa::{Isa, Level},
    layout::LANES,
};

/// Output channels of a tile: their spikes make one nibble.
pub(super) const TILE: usize = 4;

/// Groups that a table serves; panels hold whole quads.
pub(super) const QUAD: usize = 4;

/// What starts with a line of the cache: a load of a whole one from elsewhere reads two.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Aligned<T>(pub(super) T);

impl<T> Deref for Aligned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Asks for memory that is read soon: weights are larger than caches, and the
/// CPU does not see the next piece coming.
#[inline]
#[allow(unsafe_code)]
pub(super) fn prefetch<T>(memory: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..size_of_val(memory).div_ceil(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, for an address inside the slice; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(memory.as_ptr().cast::<i8>().add(64 * line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = memory;
}

/// What some channels of a block of rows spike at one step.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The nibbles of group `g` are tile `g * stride`.
    pub(super) tiles: &'a [[u8; LANES]],
    pub(super) stride: usize,
    /// The lanes that count; others are silent.
    pub(super) there: u64,
}

impl<'a> View<'a> {
    fn groups(&self) -> impl ExactSizeIterator<Item = &'a [u8; LANES]> {
        self.tiles.iter().step_by(self.stride)
    }
}

/// Sums of a tile: `[channel][row]`.
pub(super) type Sums = [[i32; LANES]; TILE];

/// Sets sums to what they start from, if that is given and the kernel does not do it in registers.
fn begin(isa: Isa, start: Option<[i32; TILE]>, sums: &mut Sums) {
    match (start, isa.level()) {
        #[cfg(target_arch = "x86_64")]
        (_, Level::Avx512) => {}
        (Some(start), _) => sums.iter_mut().zip(start).for_each(|(row, start)| row.fill(start)),
        (None, _) => {}
    }
}
