//! Where currents go.

use super::{
    kernel::{Given, TILE},
    layout::LANES,
};

/// Takes the currents of one tile at a time.
pub(super) trait Sink: Sync {
    /// What a task writes to.
    type Out: Send;

    /// Length of what one step of one tile writes.
    const LEN: usize;

    /// Whether it reads the activity of the input and may be in doubt.
    fn certifies(&self) -> bool;

    /// Takes the currents at `place`, writes all steps of it, and says where it is in doubt: bit `n`
    /// of a row is channel `n`.
    fn take(&self, place: Place, currents: Currents<'_>, out: &mut [Self::Out]) -> [u8; LANES];

    /// Writes channel `n` of row `lane` anew, from its exact currents, step by step. One that is never
    /// in doubt is never asked to.
    fn settle(&self, [lane, n]: [usize; 2], currents: &[f64], out: &mut [Self::Out]) {
        let _ = (lane, n, currents, out);
    }
}

/// The currents of a tile.
pub(super) struct Currents<'a> {
    pub(super) values: Given<'a>,
    /// No row of the block had an input that was more active, step by step.
    pub(super) activity: &'a [f32],
}

/// Where a tile lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) block: usize,
    pub(super) tile: usize,
}

/// The channels in doubt of a row.
pub(super) fn channels(doubt: u8) -> impl Iterator<Item = usize> {
    (0..TILE).filter(move |n| doubt >> n & 1 == 1)
}

/// A neuron in doubt.
#[derive(Clone, Copy)]
pub(super) struct Doubt {
    pub(super) block: usize,
    pub(super) lane: usize,
    /// The output channel.
    pub(super) output: usize,
}

/// Neurons in doubt of the tiles of a task, which are worked out when it is through.
#[derive(Default)]
pub(super) struct Doubts(Vec<Doubt>);

/// So many neurons before its turn, the weights of one are asked for: they are far from the caches.
const AHEAD: usize = 3;

impl Doubts {
    pub(super) fn note(&mut self, Place { block, tile }: Place, doubt: &[u8; LANES]) {
        if *doubt == [0; LANES] {
            return;
        }
        for (lane, &doubt) in doubt.iter().enumerate().filter(|(_, doubt)| **doubt != 0) {
            for n in channels(doubt) {
                self.0.push(Doubt { block, lane, output: tile * TILE + n });
            }
        }
    }

    /// Hands out all of them, those whose rows lie in the same lines of the cache one after the other;
    /// `fetch` asks for the weights of an output.
    pub(super) fn settle(&mut self, fetch: impl Fn(usize), mut settle: impl FnMut(Doubt)) {
        self.0.sort_unstable_by_key(|doubt| (doubt.block, doubt.lane));
        self.0.iter().take(AHEAD).for_each(|doubt| fetch(doubt.output));
        for (i, &doubt) in self.0.iter().enumerate() {
            if let Some(next) = self.0.get(i + AHEAD) {
                fetch(next.output);
            }
            settle(doubt);
        }
        self.0.clear();
    }
}

/// Tiles of a task of `tiles`, whole `spans` of them, where as much is to do `times`: enough tasks
/// that a busy core does not stall the rest, each large enough to pay for a panel.
pub(super) fn share(tiles: usize, times: usize, span: usize) -> usize {
    let wanted = (4 * rayon::current_num_threads()).div_ceil(times.max(1));
    tiles.div_ceil(wanted).next_multiple_of(span).min(tiles.max(1))
}
