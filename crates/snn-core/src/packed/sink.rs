//! Where currents go.

use super::kernel::Given;

/// Takes the currents of one tile at a time.
pub(super) trait Sink: Sync {
    /// What a task writes to.
    type Out: Send;

    /// Length of what one step of one tile writes.
    const LEN: usize;

    /// Whether it reads the activity of the input and may ask for exact currents.
    fn certifies(&self) -> bool;

    /// Takes the currents at `place` and writes all steps of it.
    fn take(&self, place: Place, currents: Currents<'_>, out: &mut [Self::Out]);
}

/// The currents of a tile.
pub(super) struct Currents<'a> {
    pub(super) values: Given<'a>,
    /// No row of the block had an input that was more active, step by step.
    pub(super) activity: &'a [f32],
    /// Gives the exact currents of a lane and channel, step by step.
    pub(super) exact: &'a dyn Fn(usize, usize) -> Vec<f64>,
}

/// Where a tile lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) block: usize,
    pub(super) tile: usize,
}

/// Tiles of a task of `tiles`, whole `spans` of them, where as much is to do `times`: enough tasks
/// that a busy core does not stall the rest, each large enough to pay for a panel.
pub(super) fn share(tiles: usize, times: usize, span: usize) -> usize {
    let wanted = (4 * rayon::current_num_threads()).div_ceil(times.max(1));
    tiles.div_ceil(wanted).next_multiple_of(span).min(tiles.max(1))
}
