//! Running a synapse in matrix registers: from bytes, several tiles at once.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::{
    isa::Isa,
    kernel::{self, CHANNELS, Corners, DEPTH, MOST, Matrices, Membranes, TILE},
    layout::{CountForm, Counts, GROUP, Geometry, LANES, Spikes},
    panel::Packer,
    product::{Currents, Place, Sink, Source, share},
    synapse::PackedSynapse,
    weights::Product,
};

/// What a thread works with: the panels `[T]` of the block that it last worked on, as bytes and
/// as nibbles, how active that block is, and sums and currents, `[T]`.
struct Scratch {
    block: usize,
    /// Of spikes: arranged, for neurons in doubt.
    nibbles: Vec<u8>,
    panels: Vec<[u8; GROUP]>,
    activity: Vec<f32>,
    sums: Vec<Corners>,
    currents: Vec<Membranes>,
}

enum Input<'a> {
    Spikes(Packer<'a, u8>),
    Counts(Packer<'a, [u8; GROUP]>),
}

/// Runs `sink` over all tiles, several at once in matrix registers, from bytes.
pub(super) fn run<S: Sink>(
    isa: Isa,
    synapse: &PackedSynapse,
    input: &Source,
    product: &Product,
    to: &Geometry,
    sink: &S,
    out: &mut [S::Out],
) {
    let packer = match input {
        Source::Spikes(Spikes { geometry, nibbles })
        | Source::Counts(Counts { form: CountForm::Bits(Spikes { geometry, nibbles }), .. }) => {
            Input::Spikes(Packer::new(synapse.map(), nibbles, geometry).in_whole(DEPTH))
        }
        Source::Counts(Counts { form: CountForm::Bytes { geometry, bytes }, .. }) => {
            Input::Counts(Packer::new(synapse.map(), bytes, geometry).in_whole(DEPTH))
        }
        _ => unreachable!("only spikes and counts up to 255 have kernels"),
    };
    let len = match &packer {
        Input::Spikes(packer) => packer.len(),
        Input::Counts(packer) => packer.len(),
    };
    let (steps, tiles, unit) = (to.steps, to.groups(), synapse.parts.unit());
    let (piece, of_span) = (steps * S::LEN, product.span() / TILE);
    let share = share(to, of_span);
    let scratch = || {
        Mutex::new(Scratch {
            block: usize::MAX,
            nibbles: Vec::new(),
            panels: Vec::new(),
            activity: vec![0.0; steps],
            sums: vec![[[[0; LANES]; CHANNELS]; MOST]; steps],
            currents: vec![[[0.0; LANES]; TILE]; steps],
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
        let Scratch { block: packed, nibbles, panels, activity, sums, currents } = &mut *own;
        let Some(matrices) = Matrices::new(isa) else { unreachable!("only called with AMX") };
        if *packed != block {
            match &packer {
                Input::Spikes(packer) => {
                    packer.pack(block, nibbles);
                    panels.resize(nibbles.len(), [0; GROUP]);
                    matrices.spread(nibbles, panels);
                }
                Input::Counts(packer) => packer.pack(block, panels),
            }
            if sink.certifies() {
                kernel::arrange(isa, nibbles);
                for (activity, panel) in activity.iter_mut().zip(panels.chunks_exact(len)) {
                    *activity = matrices.activity(panel) as f32;
                }
            }
            *packed = block;
        }
        for (tile, out) in (first..).step_by(of_span).zip(out.chunks_mut(of_span * piece)) {
            for (t, (panel, sums)) in panels.chunks_exact(len).zip(&mut *sums).enumerate() {
                product.by_blocks(&matrices, tile / of_span, (panel, t), sums);
            }
            for (i, out) in out.chunks_exact_mut(piece).enumerate() {
                let tile = tile + i;
                for (sums, currents) in sums.iter().zip(&mut *currents) {
                    product.currents_of_blocks(&matrices, tile, sums, currents);
                }
                let exact = |lane: usize, n: usize| -> Vec<f64> {
                    let (exact, n) = (synapse.exact(), tile * TILE + n);
                    let at = |t: usize| t * len..(t + 1) * len;
                    let current = |t: usize| match &packer {
                        Input::Spikes(_) => exact.of_panels(isa, n, lane, unit, &[&nibbles[at(t)]]),
                        Input::Counts(_) => exact.of_panels(isa, n, lane, unit, &[&panels[at(t)]]),
                    };
                    (0..steps).map(current).collect()
                };
                let currents = Currents { values: currents, activity, exact: &exact };
                sink.take(Place { block, tile }, currents, out);
            }
        }
    });
}
