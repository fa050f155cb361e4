//! Running a synapse over a tensor: block by block, tile by tile.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::{
    Packed,
    isa::Isa,
    kernel::{Membranes, Sums, TILE, scale_sums},
    layout::{CountForm, Counts, GROUP, Geometry, LANES, Spikes},
    panel::{Entry, Packer},
    real::Real,
    synapse::{PackedSynapse, Product},
};

/// What a synapse reads.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Spikes(Spikes),
    Counts(Counts),
    Real(Real),
}

impl Source {
    /// The numbers, `[T, ...]`.
    pub(super) fn exact(&self) -> ArrayD<f64> {
        match self {
            Self::Spikes(x) => x.unpack().mapv(f64::from),
            Self::Counts(x) => x.unpack().mapv(f64::from),
            Self::Real(x) => x.exact().clone(),
        }
    }

    /// What output row `row` sees at each step, laid out as the weights and
    /// multiplied by the unit of the synapse.
    pub(super) fn exact_rows(&self, synapse: &PackedSynapse, row: usize) -> Vec<Vec<f64>> {
        fn rows<E: Entry>(
            synapse: &PackedSynapse,
            input: &[E],
            geometry: &Geometry,
            row: usize,
        ) -> Vec<Vec<f64>> {
            let unit = synapse.parts.unit();
            let steps = Packer::new(synapse.map(), input, geometry).row(row);
            let numbers = |entry: &E| entry.channels().map(|x| f64::from(x) * unit);
            steps.iter().map(|step| step.iter().flat_map(numbers).collect()).collect()
        }
        match self {
            Self::Spikes(Spikes { geometry, nibbles })
            | Self::Counts(Counts {
                form: CountForm::Bits(Spikes { geometry, nibbles }), ..
            }) => rows(synapse, nibbles, geometry, row),
            Self::Counts(Counts { form: CountForm::Bytes { geometry, bytes }, .. }) => {
                rows(synapse, bytes, geometry, row)
            }
            _ => unreachable!("currents of real input are computed exactly at once"),
        }
    }
}

/// The row in `lane` of a panel, as numbers.
pub(super) fn seen<E: Entry>(panel: &[E], lane: usize, unit: f64) -> Vec<f64> {
    let entries = panel.iter().skip(lane).step_by(LANES);
    entries.flat_map(|entry| entry.channels().map(|x| f64::from(x) * unit)).collect()
}

/// Takes the sums of one tile at a time; steps of a tile come in order.
pub(super) trait Sink: Sync {
    /// What a task writes to, for one time step of one tile.
    type Out: Send;
    /// What is kept between the steps of a tile.
    type State: Default;

    /// Length of what one step of one tile writes.
    const LEN: usize;

    /// Takes currents of rows of `block` and channels of `tile` at step `t`.
    fn take(
        &self,
        state: &mut Self::State,
        place: Place,
        currents: &Membranes,
        out: &mut [Self::Out],
    );

    /// All steps of a tile are done; `seen` gives what a row of the panel saw,
    /// step by step.
    fn done(
        &self,
        state: Self::State,
        place: Place,
        seen: &dyn Fn(usize) -> Vec<Vec<f64>>,
        out: &mut [Self::Out],
    );
}

/// Where a tile lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) block: usize,
    pub(super) tile: usize,
    pub(super) t: usize,
}

/// Runs `synapse` over `input` and hands the currents to `sink`. `out` is
/// `[blocks][tiles][T]` pieces of `Sink::LEN`.
pub(super) fn run<S: Sink>(
    packed: &Packed,
    synapse: &PackedSynapse,
    input: &Source,
    to: &Geometry,
    sink: &S,
    out: &mut [S::Out],
) {
    match input {
        Source::Spikes(spikes) | Source::Counts(Counts { form: CountForm::Bits(spikes), .. }) => {
            let packer = Packer::new(synapse.map(), &spikes.nibbles, &spikes.geometry);
            let product = synapse.lookup();
            tiles(packed.isa(), synapse, &packer, product, Product::look_up, to, sink, out);
        }
        Source::Counts(Counts { max, form: CountForm::Bytes { geometry, bytes } }) => {
            let packer = Packer::new(synapse.map(), bytes, geometry);
            let product = synapse.integer(*max);
            tiles(packed.isa(), synapse, &packer, product, Product::multiply, to, sink, out);
        }
        _ => unreachable!("only spikes and counts up to 255 have kernels"),
    }
}

/// Whether [`run`] can take this input.
pub(super) fn has_kernel(synapse: &PackedSynapse, input: &Source) -> bool {
    let narrow = match input {
        Source::Spikes(_) => true,
        Source::Counts(counts) => !matches!(counts.form, CountForm::Wide(_)),
        Source::Real(_) => false,
    };
    narrow && synapse.has_kernel()
}

/// Error and magnitude of the currents that [`run`] gives.
pub(super) fn product<'a>(synapse: &'a PackedSynapse, input: &Source) -> &'a Product {
    match input {
        Source::Counts(Counts { max, form: CountForm::Bytes { .. } }) => synapse.integer(*max),
        _ => synapse.lookup(),
    }
}

/// Panels of a block, kept while a thread works on that block.
struct Scratch<E> {
    block: usize,
    panels: Vec<E>,
}

#[allow(clippy::too_many_arguments)] // the two kinds of input differ in three of them
fn tiles<E: Entry, S: Sink>(
    isa: Isa,
    synapse: &PackedSynapse,
    packer: &Packer<'_, E>,
    product: &Product,
    multiply: fn(&Product, Isa, usize, &[E], &mut Sums),
    to: &Geometry,
    sink: &S,
    out: &mut [S::Out],
) {
    let (steps, tiles) = (to.steps, to.groups());
    let piece = steps * S::LEN;
    // Enough tasks that a busy core does not stall the rest, each large enough to pay for a panel.
    let wanted = (4 * rayon::current_num_threads()).div_ceil(to.blocks());
    let share = tiles.div_ceil(wanted).max(4).min(tiles.max(1));
    let scratch = || Scratch { block: usize::MAX, panels: Vec::new() };
    out.par_chunks_mut(tiles * piece)
        .enumerate()
        .flat_map(|(block, out)| {
            let parts = out.par_chunks_mut(share * piece).enumerate();
            parts.map(move |(part, out)| (block, part * share, out))
        })
        .for_each_init(scratch, |scratch, (block, first, out)| {
            if scratch.block != block {
                packer.pack(block, &mut scratch.panels);
                scratch.block = block;
            }
            let panels = &scratch.panels;
            let panel = |t: usize| &panels[t * packer.len()..(t + 1) * packer.len()];
            for (i, out) in out.chunks_exact_mut(piece).enumerate() {
                let tile = first + i;
                let of_tile = |numbers: &[f32]| -> [f32; TILE] {
                    std::array::from_fn(|n| numbers[tile * TILE + n])
                };
                let (scale, bias) = (of_tile(&product.scale), of_tile(&product.bias));
                let mut state = S::State::default();
                let mut sums = [[0; LANES]; TILE];
                let mut currents = [[0.0; LANES]; TILE];
                for (t, out) in out.chunks_exact_mut(S::LEN).enumerate() {
                    multiply(product, isa, tile, panel(t), &mut sums);
                    scale_sums(isa, &sums, &scale, &bias, &mut currents);
                    sink.take(&mut state, Place { block, tile, t }, &currents, out);
                }
                let unit = synapse.parts.unit();
                let rows = |lane: usize| -> Vec<Vec<f64>> {
                    (0..steps).map(|t| seen(panel(t), lane, unit)).collect()
                };
                sink.done(state, Place { block, tile, t: steps }, &rows, out);
            }
        });
}

impl Counts {
    pub(super) fn renamed(&self, shape: &[usize]) -> Option<Self> {
        let form = match &self.form {
            CountForm::Wide(counts) => {
                let mut counts = counts.as_ref().clone();
                if counts.len() != shape.iter().product::<usize>() {
                    return None;
                }
                counts = counts.to_shape(shape).ok()?.into_owned();
                CountForm::Wide(counts.into())
            }
            CountForm::Bits(spikes) => CountForm::Bits(Spikes {
                geometry: spikes.geometry.renamed(shape)?,
                nibbles: spikes.nibbles.clone(),
            }),
            CountForm::Bytes { geometry, bytes } => {
                CountForm::Bytes { geometry: geometry.renamed(shape)?, bytes: bytes.clone() }
            }
        };
        Some(Self { max: self.max, form })
    }
}

const _: () = assert!(GROUP == TILE, "a tile of outputs is a group of the next input");
