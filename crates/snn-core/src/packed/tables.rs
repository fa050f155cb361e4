//! Running a synapse by table lookup or integer products: block by block, tile by tile.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::{
    isa::Isa,
    kernel::{self, Column, Membranes, Sums, TILE, Weight, scale_sums},
    layout::{GROUP, Geometry, LANES},
    panel::{Entry, Packer},
    sink::{Currents, Place, Sink, share},
    synapse::PackedSynapse,
    weights::Product,
};

/// An input that meets weights.
pub(super) trait Factor: Entry {
    /// Groups of a panel that, over four steps, fit the first-level cache.
    const CHUNK: usize;
    /// Lays the entries of a panel out as the kernel reads them.
    fn arrange(isa: Isa, panel: &mut [Self]);
    /// The greatest number of units that a row of a panel adds: what the error
    /// of a current is proportional to.
    fn activity(panel: &[Self]) -> f32;
    /// Sum of the products of row `lane` of arranged panels, worth 1, 2, 4...,
    /// with `weights`.
    fn dot<W: Weight>(isa: Isa, panels: &[&[Self]], lane: usize, weights: &[W]) -> f64;
    /// Adds products with the groups of `panel`, which start at `group` and are
    /// worth `2^bit`.
    fn add(
        product: &Product,
        isa: Isa,
        tile: usize,
        group: usize,
        panel: (&[Self], u32),
        sums: &mut Sums,
    );
}

impl Factor for u8 {
    const CHUNK: usize = 64;
    fn arrange(isa: Isa, panel: &mut [u8]) {
        kernel::arrange(isa, panel);
    }
    /// Groups that select an entry.
    fn activity(panel: &[u8]) -> f32 {
        let mut sums = [0u32; LANES];
        for groups in panel.chunks(LANES * usize::from(u8::MAX)) {
            let mut active = [0u8; LANES];
            for nibbles in groups.chunks_exact(LANES) {
                for (active, &nibble) in active.iter_mut().zip(nibbles) {
                    *active += u8::from(nibble != 0);
                }
            }
            sums.iter_mut().zip(active).for_each(|(sum, active)| *sum += u32::from(active));
        }
        sums.into_iter().max().unwrap_or(0) as f32
    }
    fn dot<W: Weight>(isa: Isa, panels: &[&[u8]], lane: usize, weights: &[W]) -> f64 {
        kernel::dot_arranged(isa, panels, lane, weights)
    }
    fn add(
        product: &Product,
        isa: Isa,
        tile: usize,
        group: usize,
        panel: (&[u8], u32),
        sums: &mut Sums,
    ) {
        product.look_up(isa, tile, group, panel, sums);
    }
}

impl Factor for [u8; GROUP] {
    const CHUNK: usize = 32;
    fn arrange(_: Isa, _: &mut [Self]) {}
    /// The sum of all counts.
    fn activity(panel: &[Self]) -> f32 {
        let mut sums = [0u32; LANES];
        for counts in panel.chunks_exact(LANES) {
            for (sum, counts) in sums.iter_mut().zip(counts) {
                *sum += counts.iter().copied().map(u32::from).sum::<u32>();
            }
        }
        sums.into_iter().max().unwrap_or(0) as f32
    }
    fn dot<W: Weight>(isa: Isa, panels: &[&[Self]], lane: usize, weights: &[W]) -> f64 {
        let entries = panels.first().map_or(&[][..], |panel| &panel[lane..]);
        kernel::dot(isa, Column { entries, stride: 1 }, weights)
    }
    fn add(
        product: &Product,
        isa: Isa,
        tile: usize,
        group: usize,
        (panel, _): (&[Self], u32),
        sums: &mut Sums,
    ) {
        product.multiply(isa, tile, group, panel, sums);
    }
}

/// What a thread works with: the panels `[bits][T]` of the block that it last
/// worked on, how active that block is, and sums and currents of a tile, `[T]`.
struct Scratch<E> {
    block: usize,
    panels: Vec<Vec<E>>,
    activity: Vec<f32>,
    sums: Vec<Sums>,
    currents: Vec<Membranes>,
}

/// Runs `sink` over all tiles; input is the sum of what `packers` give, worth 1,
/// 2, 4...
pub(super) fn tiles<E: Factor, S: Sink>(
    isa: Isa,
    synapse: &PackedSynapse,
    packers: &[Packer<'_, E>],
    product: &Product,
    to: &Geometry,
    sink: &S,
    out: &mut [S::Out],
) {
    let (steps, tiles, unit) = (to.steps, to.groups(), synapse.parts.unit());
    let (piece, len) = (steps * S::LEN, packers[0].len());
    let share = share(to, 4);
    let scratch = || {
        let panels = packers.iter().map(|_| Vec::new()).collect();
        let currents = vec![[[0.0; LANES]; TILE]; steps];
        let activity = vec![0.0; steps];
        Mutex::new(Scratch { block: usize::MAX, panels, activity, sums: Vec::new(), currents })
    };
    let scratches: Vec<_> = (0..rayon::current_num_threads()).map(|_| scratch()).collect();
    let parts = out.par_chunks_mut(tiles * piece).enumerate().flat_map(|(block, out)| {
        let parts = out.par_chunks_mut(share * piece).enumerate();
        parts.map(move |(part, out)| (block, part * share, out))
    });
    parts.for_each(|(block, first, out)| {
        let own = &scratches[rayon::current_thread_index().unwrap_or(0)];
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        let Scratch { block: packed, panels, activity, sums, currents } = &mut *own;
        if *packed != block {
            activity.fill(0.0);
            for (bit, (packer, panels)) in (0..).zip(packers.iter().zip(&mut *panels)) {
                packer.pack(block, panels);
                let asked = if sink.certifies() { steps } else { 0 };
                for (activity, panel) in
                    activity.iter_mut().zip(panels.chunks_exact(len)).take(asked)
                {
                    *activity += E::activity(panel) * (1 << bit) as f32;
                }
                E::arrange(isa, panels);
            }
            *packed = block;
        }
        for (tile, out) in (first..).zip(out.chunks_exact_mut(piece)) {
            sums.clear();
            sums.resize(steps, product.start(tile, packers.len()));
            for start in (0..len).step_by(E::CHUNK * LANES) {
                let end = (start + E::CHUNK * LANES).min(len);
                let group = start / LANES;
                for (t, sums) in sums.iter_mut().enumerate() {
                    // The next chunk is on its way; ask for that behind it.
                    product.prefetch((tile, group), (2 * E::CHUNK, E::CHUNK), [t, steps]);
                    for (bit, panels) in (0..).zip(&*panels) {
                        let panel = &panels[t * len + start..t * len + end];
                        E::add(product, isa, tile, group, (panel, bit), sums);
                    }
                }
            }
            let (scale, bias) = product.worth(tile);
            for (sums, currents) in sums.iter().zip(&mut *currents) {
                scale_sums(isa, sums, &scale, &bias, currents);
            }
            let exact = |lane: usize, n: usize| -> Vec<f64> {
                let current = |t: usize| {
                    let panels = panels.iter().map(|panels| &panels[t * len..(t + 1) * len]);
                    let panels: Vec<&[E]> = panels.collect();
                    synapse.exact().of_panels(isa, tile * TILE + n, lane, unit, &panels)
                };
                (0..steps).map(current).collect()
            };
            let currents = Currents { values: currents, activity, exact: &exact };
            sink.take(Place { block, tile }, currents, out);
        }
    });
}

const _: () = assert!(GROUP == TILE, "a tile of outputs is a group of the next input");
