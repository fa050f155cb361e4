//! Running a synapse by table lookup or integer products: block by block, tile by tile.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::{
    isa::Isa,
    kernel::{self, Column, Given, Sums, TILE, Table, Weight},
    layout::{GROUP, Geometry, LANES},
    panel::{Entry, Packer},
    sink::{Currents, Doubt, Doubts, Place, Sink, share},
    synapse::PackedSynapse,
    weights::Product,
};

/// An input that meets weights.
pub(super) trait Factor: Entry {
    /// Lays the entries of a panel out as the kernel reads them.
    fn arrange(isa: Isa, panel: &mut [Self]);
    /// The greatest number of units that a row of a panel adds: what the error
    /// of a current is proportional to.
    fn activity(isa: Isa, panel: &[Self]) -> f32;
    /// Sums of the products of row `lane` of arranged panels, `[T][len]`, worth 1, 2, 4...,
    /// with `weights`, step by step.
    fn dot<W: Weight>(
        isa: Isa,
        panels: &[&[Self]],
        len: usize,
        lane: usize,
        weights: &[W],
    ) -> Vec<f64>;
    /// Adds products with `seen` to the sums or to `start`, for the groups of a tile at `place`, whose
    /// tables are given.
    fn add(
        product: &Product,
        isa: Isa,
        place: ([usize; 2], &[Table]),
        seen: Groups<'_, Self>,
        start: Option<[i32; TILE]>,
        sums: &mut Sums,
    );
}

/// Some groups of a panel.
pub(super) struct Groups<'a, E> {
    entries: &'a [E],
    /// Entries are worth `2^bit`.
    bit: u32,
    /// None is greater.
    max: u32,
}

impl Factor for u8 {
    fn arrange(isa: Isa, panel: &mut [u8]) {
        kernel::arrange(isa, panel);
    }
    fn activity(isa: Isa, panel: &[u8]) -> f32 {
        kernel::most_spikes(isa, panel) as f32
    }
    fn dot<W: Weight>(
        isa: Isa,
        panels: &[&[u8]],
        len: usize,
        lane: usize,
        weights: &[W],
    ) -> Vec<f64> {
        kernel::dot_arranged(isa, panels, len, lane, weights)
    }
    fn add(
        product: &Product,
        isa: Isa,
        (_, tables): ([usize; 2], &[Table]),
        Groups { entries, bit, .. }: Groups<'_, u8>,
        start: Option<[i32; TILE]>,
        sums: &mut Sums,
    ) {
        product.look_up(isa, tables, (entries, bit), start, sums);
    }
}

impl Factor for [u8; GROUP] {
    fn arrange(_: Isa, _: &mut [Self]) {}
    fn activity(isa: Isa, panel: &[Self]) -> f32 {
        kernel::most_units(isa, panel) as f32
    }
    fn dot<W: Weight>(
        isa: Isa,
        panels: &[&[Self]],
        len: usize,
        lane: usize,
        weights: &[W],
    ) -> Vec<f64> {
        let of_step = |panel: &[Self]| {
            kernel::dot(isa, Column { entries: &panel[lane..], stride: 1 }, weights)
        };
        panels.iter().flat_map(|panel| panel.chunks_exact(len)).map(of_step).collect()
    }
    fn add(
        product: &Product,
        isa: Isa,
        ([tile, group], _): ([usize; 2], &[Table]),
        Groups { entries, max, .. }: Groups<'_, Self>,
        start: Option<[i32; TILE]>,
        sums: &mut Sums,
    ) {
        product.multiply(isa, [tile, group], (entries, max), start, sums);
    }
}

/// What is read of a block of rows: panels `[bits][T]`, and how active it is, step by step.
struct Seen<E> {
    panels: Vec<Vec<E>>,
    activity: Vec<f32>,
}

/// What a thread works with: the blocks that it last worked on, the first of them, tables of a chunk,
/// sums of a tile, `[blocks][T]`, and who is in doubt.
struct Scratch<E> {
    first: usize,
    blocks: Vec<Seen<E>>,
    tables: Vec<Table>,
    sums: Vec<Sums>,
    doubts: Doubts,
}

/// Bytes of panels that stay in the second-level cache.
const NEAR: usize = 1 << 19;

/// Blocks that share tables: a table is made once for all of them.
fn together<E>(to: &Geometry, bits: usize, len: usize) -> usize {
    let size = size_of::<E>() * to.steps * bits * len;
    let threads = rayon::current_num_threads();
    (to.blocks() / threads).min(NEAR / size.max(1)).clamp(1, 4)
}

/// Runs `sink` over all tiles; input is the sum of what `packers` give, none of it above `max`, worth
/// 1, 2, 4...
pub(super) fn tiles<E: Factor, S: Sink>(
    isa: Isa,
    synapse: &PackedSynapse,
    (packers, max): (&[Packer<'_, E>], u32),
    product: &Product,
    to: &Geometry,
    sink: &S,
    out: &mut [S::Out],
) {
    let (steps, tiles, unit) = (to.steps, to.groups(), synapse.parts.unit());
    let (piece, len) = (steps * S::LEN, packers[0].len());
    let together = together::<E>(to, packers.len(), len);
    let share = share(to.groups(), to.blocks().div_ceil(together), 1);
    let scratch = || {
        let seen = || Seen { panels: vec![Vec::new(); packers.len()], activity: vec![0.0; steps] };
        let blocks = (0..together).map(|_| seen()).collect();
        let sums = vec![[[0; LANES]; TILE]; together * steps];
        let (tables, doubts) = (Vec::new(), Doubts::default());
        Mutex::new(Scratch { first: usize::MAX, blocks, tables, sums, doubts })
    };
    let scratches: Vec<_> = (0..rayon::current_num_threads()).map(|_| scratch()).collect();
    let pack = |block: usize, Seen { panels, activity }: &mut Seen<E>| {
        activity.fill(0.0);
        for (bit, (packer, panels)) in (0..).zip(packers.iter().zip(panels)) {
            packer.pack(block, panels);
            let asked = if sink.certifies() { steps } else { 0 };
            for (activity, panel) in activity.iter_mut().zip(panels.chunks_exact(len)).take(asked) {
                *activity += E::activity(isa, panel) * (1 << bit) as f32;
            }
            E::arrange(isa, panels);
        }
    };
    parts(out, [together, tiles, share], piece).into_par_iter().for_each(|mut part| {
        let own = &scratches[rayon::current_thread_index().unwrap_or(0)];
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        let Scratch { first, blocks, tables, sums, doubts } = &mut *own;
        let blocks = &mut blocks[..part.out.len()];
        if *first != part.block {
            (part.block..).zip(&mut *blocks).for_each(|(block, seen)| pack(block, seen));
            *first = part.block;
        }
        for tile in part.tile..(part.tile + share).min(tiles) {
            let offset = product.start(tile, packers.len());
            let chunk = product.chunk(isa) * LANES;
            for start in (0..len).step_by(chunk) {
                let end = (start + chunk).min(len);
                let group = start / LANES;
                product.tabulate(isa, tile, group, (end - start) / LANES, tables);
                for (seen, sums) in blocks.iter().zip(sums.chunks_exact_mut(steps)) {
                    for (t, sums) in sums.iter_mut().enumerate() {
                        for (bit, panels) in (0..).zip(&seen.panels) {
                            let entries = &panels[t * len + start..t * len + end];
                            let groups = Groups { entries, bit, max };
                            let fresh = (group == 0 && bit == 0).then_some(offset);
                            let place = ([tile, group], &tables[..]);
                            E::add(product, isa, place, groups, fresh, sums);
                        }
                    }
                }
            }
            let worth = product.worth(tile);
            for (i, (seen, sums)) in blocks.iter().zip(sums.chunks_exact(steps)).enumerate() {
                let place = Place { block: part.block + i, tile };
                let currents =
                    Currents { values: Given::Sums(sums, &worth), activity: &seen.activity };
                doubts.note(place, &sink.take(place, currents, part.piece(place, piece)));
            }
        }
        let exact = synapse.exact();
        let of_block = blocks.iter().map(|seen| seen.panels.iter().map(Vec::as_slice).collect());
        let panels: Vec<Vec<&[E]>> = of_block.collect();
        doubts.settle(
            |output| exact.fetch(output),
            |Doubt { block, lane, output }| {
                let panels = (&panels[block - part.block][..], len);
                let currents = exact.of_panels(isa, output, lane, unit, panels);
                let place = Place { block, tile: output / TILE };
                sink.settle([lane, output % TILE], &currents, part.piece(place, piece));
            },
        );
    });
}

/// What a task writes: some tiles of some blocks.
struct Part<'a, O> {
    block: usize,
    tile: usize,
    /// Block by block.
    out: Vec<&'a mut [O]>,
}

impl<O> Part<'_, O> {
    /// The piece of a tile, where each has `len`.
    fn piece(&mut self, Place { block, tile }: Place, len: usize) -> &mut [O] {
        let start = (tile - self.tile) * len;
        &mut self.out[block - self.block][start..start + len]
    }
}

/// Parts of `out`, `[blocks][tiles]` pieces: of `together` blocks and `share` tiles each.
fn parts<O>(out: &mut [O], [together, tiles, share]: [usize; 3], piece: usize) -> Vec<Part<'_, O>> {
    let mut all = Vec::new();
    for (i, blocks) in out.chunks_mut(together * tiles * piece).enumerate() {
        let first = all.len();
        let part = |tile| Part { block: i * together, tile, out: Vec::new() };
        all.extend((0..tiles).step_by(share).map(part));
        for block in blocks.chunks_mut(tiles * piece) {
            for (part, out) in all[first..].iter_mut().zip(block.chunks_mut(share * piece)) {
                part.out.push(out);
            }
        }
    }
    all
}

const _: () = assert!(GROUP == TILE, "a tile of outputs is a group of the next input");
