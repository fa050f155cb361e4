//! Running a synapse several tiles at a time.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::{
    kernel::{Given, Membranes, TILE},
    layout::{Geometry, LANES},
    sink::{Currents, Doubt, Doubts, Place, Sink, share},
};

/// A kernel that works out several tiles at once, a span.
pub(super) trait Engine: Sync {
    /// What it reads of a block of rows, all steps.
    type Panels: Default + Send;
    /// Sums of a span at one step.
    type Sums: Clone + Send;
    /// What a thread holds while it works.
    type Hold;

    /// Tiles of a span.
    fn tiles(&self) -> usize;

    fn hold(&self) -> Self::Hold;

    fn blank(&self) -> Self::Sums;

    /// Packs a block. `activity` takes, step by step, the greatest number of units that a row adds:
    /// what the error of a current is proportional to.
    fn pack(
        &self,
        hold: &Self::Hold,
        block: usize,
        panels: &mut Self::Panels,
        activity: Option<&mut [f32]>,
    );

    /// The sums of span `span`, step by step.
    fn multiply(
        &self,
        hold: &Self::Hold,
        span: usize,
        panels: &Self::Panels,
        sums: &mut [Self::Sums],
    );

    /// The currents of tile `tile` from the sums of its span.
    fn currents(&self, hold: &Self::Hold, tile: usize, sums: &Self::Sums, currents: &mut Membranes);

    /// Asks for the exact weights of output `n`.
    fn fetch(&self, n: usize);

    /// The exact current of output `n` for row `lane`, step by step.
    fn exact(&self, panels: &Self::Panels, n: usize, lane: usize) -> Vec<f64>;
}

/// What a thread works with: the block that it last worked on, how active that is, sums and currents,
/// `[T]`, and who is in doubt.
struct Scratch<E: Engine> {
    block: usize,
    panels: E::Panels,
    activity: Vec<f32>,
    sums: Vec<E::Sums>,
    currents: Vec<Membranes>,
    doubts: Doubts,
}

/// Hands the currents of all tiles to `sink`. `out` is `[blocks][tiles][T]` pieces of `Sink::LEN`.
pub(super) fn run<E: Engine, S: Sink>(engine: &E, to: &Geometry, sink: &S, out: &mut [S::Out]) {
    let (steps, tiles) = (to.steps, to.groups());
    let (piece, of_span) = (steps * S::LEN, engine.tiles());
    let share = share(tiles, to.blocks(), of_span);
    let scratch = || {
        Mutex::new(Scratch::<E> {
            block: usize::MAX,
            panels: E::Panels::default(),
            activity: vec![0.0; steps],
            sums: vec![engine.blank(); steps],
            currents: vec![[[0.0; LANES]; TILE]; steps],
            doubts: Doubts::default(),
        })
    };
    let scratches: Vec<_> = (0..rayon::current_num_threads()).map(|_| scratch()).collect();
    let parts = out.par_chunks_mut(tiles * piece).enumerate().flat_map(|(block, out)| {
        let parts = out.par_chunks_mut(share * piece).enumerate();
        parts.map(move |(part, out)| (block, part * share, out))
    });
    parts.for_each(|(block, first, out)| {
        let own = &scratches[rayon::current_thread_index().unwrap_or(0)];
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        let Scratch { block: packed, panels, activity, sums, currents, doubts } = &mut *own;
        let hold = engine.hold();
        if *packed != block {
            engine.pack(&hold, block, panels, sink.certifies().then_some(activity));
            *packed = block;
        }
        for (tile, out) in (first..).step_by(of_span).zip(out.chunks_mut(of_span * piece)) {
            engine.multiply(&hold, tile / of_span, panels, sums);
            for (tile, out) in (tile..).zip(out.chunks_exact_mut(piece)) {
                for (sums, currents) in sums.iter().zip(&mut *currents) {
                    engine.currents(&hold, tile, sums, currents);
                }
                let (place, values) = (Place { block, tile }, Given::Currents(currents));
                doubts.note(place, &sink.take(place, Currents { values, activity }, out));
            }
        }
        doubts.settle(
            |output| engine.fetch(output),
            |Doubt { lane, output, .. }| {
                let currents = engine.exact(panels, output, lane);
                let start = (output / TILE - first) * piece;
                sink.settle([lane, output % TILE], &currents, &mut out[start..start + piece]);
            },
        );
    });
}
