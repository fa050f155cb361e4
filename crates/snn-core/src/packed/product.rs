//! Running a synapse over a tensor: block by block, tile by tile.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use ndarray::ArrayD;
use rayon::prelude::*;

use super::{
    Packed, Precision,
    events::ByEvents,
    isa::{Isa, Level},
    kernel::{self, Column, DEPTH, Membranes, Sums, TILE, WORD, Weight, scale_sums},
    layout::{CountForm, Counts, GROUP, Geometry, LANES, Spikes},
    matrices::InMatrices,
    panel::{Entry, Packer},
    real::Real,
    spans,
    synapse::{PackedSynapse, SMALL},
    weights::{Bounds, PLANES, Product},
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

    /// What `synapse` makes of output row `row` and channel `n` at each step.
    pub(super) fn exact_at(
        &self,
        isa: Isa,
        synapse: &PackedSynapse,
        row: usize,
        n: usize,
    ) -> Vec<f64> {
        fn at<E: Entry>(
            (isa, synapse): (Isa, &PackedSynapse),
            (input, geometry): (&[E], &Geometry),
            row: usize,
            n: usize,
        ) -> Vec<f64> {
            let packer = Packer::new(synapse.map(), input, geometry);
            let unit = synapse.parts.unit();
            let current = |t| synapse.exact().current(isa, n, unit, packer.columns(t, row));
            (0..geometry.steps).map(current).collect()
        }
        match self {
            Self::Spikes(Spikes { geometry, nibbles })
            | Self::Counts(Counts {
                form: CountForm::Bits(Spikes { geometry, nibbles }), ..
            }) => at((isa, synapse), (nibbles, geometry), row, n),
            Self::Counts(Counts { form: CountForm::Bytes { geometry, bytes }, .. }) => {
                at((isa, synapse), (bytes, geometry), row, n)
            }
            _ => unreachable!("currents of real input are computed exactly at once"),
        }
    }
}

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
    /// Step by step.
    pub(super) values: &'a [Membranes],
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

/// How a synapse runs over an input.
pub(super) struct Plan<'a> {
    isa: Isa,
    synapse: &'a PackedSynapse,
    input: &'a Source,
    way: Way,
    product: &'a Product,
}

/// The kernel that is used.
#[derive(Clone, Copy)]
enum Way {
    /// Spikes, or counts bit by bit, select sums from tables.
    Lookup { bits: u32 },
    /// Counts times integers.
    Integer,
    /// In matrix registers.
    Matrices,
    /// Every spike adds a row of weights.
    Events,
}

impl<'a> Plan<'a> {
    /// For tables and weights of `digits` bytes; `input` is one that [`has_kernel`] takes.
    pub(super) fn new(
        packed: &Packed,
        synapse: &'a PackedSynapse,
        input: &'a Source,
        digits: usize,
    ) -> Self {
        let (isa, max) = (packed.isa(), input.max());
        let bits = planes(isa, max, digits);
        let way = match bits {
            _ if isa.tiles() => Way::Matrices,
            _ if max <= SMALL && events_pay(packed, input, bits) => Way::Events,
            Some(bits) => Way::Lookup { bits },
            None => Way::Integer,
        };
        let product = match way {
            Way::Lookup { .. } => synapse.lookup(digits),
            Way::Integer => synapse.integer(max, digits),
            Way::Matrices => synapse.blocks(max, digits),
            Way::Events => synapse.rows(max, digits == 1),
        };
        Self { isa, synapse, input, way, product }
    }

    /// Hands the currents to `sink`. `out` is `[blocks][tiles][T]` pieces of `Sink::LEN`.
    pub(super) fn run<S: Sink>(&self, to: &Geometry, sink: &S, out: &mut [S::Out]) {
        let Self { isa, synapse, input, product, .. } = *self;
        match self.way {
            Way::Matrices => {
                let packers = Packers::new(synapse, input, DEPTH);
                spans::run(&InMatrices { isa, synapse, packers, product }, to, sink, out);
            }
            Way::Events => {
                let packers = Packers::new(synapse, input, WORD);
                spans::run(&ByEvents { isa, synapse, packers, product }, to, sink, out);
            }
            Way::Lookup { bits } => match input.entries() {
                Entries::Spikes { geometry, nibbles } => {
                    let packer = Packer::new(synapse.map(), nibbles, geometry);
                    tiles(isa, synapse, &[packer], product, to, sink, out);
                }
                Entries::Counts { geometry, bytes } => {
                    let plane = |bit| {
                        let mut nibbles = vec![0; bytes.len()];
                        kernel::plane(isa, bytes, bit, &mut nibbles);
                        nibbles
                    };
                    let planes: Vec<_> = (0..bits).map(plane).collect();
                    let pack = |nibbles| Packer::new(synapse.map(), nibbles, geometry);
                    let packers: Vec<_> = planes.iter().map(|plane| pack(plane)).collect();
                    tiles(isa, synapse, &packers, product, to, sink, out);
                }
            },
            Way::Integer => {
                let Entries::Counts { geometry, bytes } = input.entries() else {
                    unreachable!("spikes are looked up")
                };
                let packer = Packer::new(synapse.map(), bytes, geometry);
                tiles(isa, synapse, &[packer], product, to, sink, out);
            }
        }
    }

    /// What the currents can be.
    pub(super) fn bounds(&self) -> Bounds {
        self.product.bounds(self.max())
    }

    /// The same once they were computed, and none exceeds `greatest` in magnitude.
    pub(super) fn bounds_seen(&self, greatest: &[f32]) -> Bounds {
        self.product.bounds_seen(self.max(), greatest)
    }

    /// What meets weights is no greater.
    fn max(&self) -> u32 {
        match self.way {
            Way::Lookup { bits } => (1 << bits) - 1,
            Way::Integer | Way::Matrices | Way::Events => self.input.max(),
        }
    }
}

/// Bits of counts up to `max`, if looking up bit after bit is no slower than
/// multiplying.
fn planes(isa: Isa, max: u32, digits: usize) -> Option<u32> {
    // Silence is a plane too.
    let bits = (u32::BITS - max.leading_zeros()).max(1);
    let most = match isa.level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => PLANES,
        _ => 2,
    };
    // Sums of three digits of several bits would not fit.
    (bits == 1 || bits <= most && digits < 3).then_some(bits)
}

/// Whether adding rows of weights event by event is the fastest for this input, which is else looked
/// up in so many `bits`. Events are counted each time: no pass over examples is needed before.
fn events_pay(packed: &Packed, input: &Source, bits: Option<u32>) -> bool {
    // Events an input, as measured on whole networks.
    let few = match packed.isa().level() {
        Level::Portable => return true, // looking up takes vector instructions
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => 0.16,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => 0.08,
    };
    // Weights of other forms are rounded in another way, and no answer may depend on the other
    // samples of its batch: only exact ones do not.
    packed.precision() == Precision::Exact
        && input.events() as f64 <= f64::from(bits.unwrap_or(2)) * few * input.inputs() as f64
}

/// Whether a [`Plan`] can be made for this input.
pub(super) fn has_kernel(synapse: &PackedSynapse, input: &Source) -> bool {
    let narrow = match input {
        Source::Spikes(_) => true,
        Source::Counts(counts) => !matches!(counts.form, CountForm::Wide(_)),
        Source::Real(_) => false,
    };
    narrow && synapse.has_kernel()
}

/// What kernels read of an input.
enum Entries<'a> {
    Spikes { geometry: &'a Geometry, nibbles: &'a [u8] },
    Counts { geometry: &'a Geometry, bytes: &'a [[u8; GROUP]] },
}

impl Source {
    fn entries(&self) -> Entries<'_> {
        match self {
            Self::Spikes(Spikes { geometry, nibbles })
            | Self::Counts(Counts {
                form: CountForm::Bits(Spikes { geometry, nibbles }), ..
            }) => Entries::Spikes { geometry, nibbles },
            Self::Counts(Counts { form: CountForm::Bytes { geometry, bytes }, .. }) => {
                Entries::Counts { geometry, bytes }
            }
            _ => unreachable!("only spikes and counts up to 255 have kernels"),
        }
    }

    /// No input is greater.
    fn max(&self) -> u32 {
        match self {
            Self::Counts(Counts { max, form: CountForm::Bytes { .. } }) => *max,
            _ => 1,
        }
    }

    /// The sum of all inputs.
    fn events(&self) -> u64 {
        match self.entries() {
            Entries::Spikes { nibbles, .. } => {
                let (words, rest) = nibbles.as_chunks();
                let words = words.iter().map(|word| u64::from_le_bytes(*word).count_ones());
                let rest = rest.iter().map(|nibble| nibble.count_ones());
                words.chain(rest).map(u64::from).sum()
            }
            Entries::Counts { bytes, .. } => {
                bytes.as_flattened().iter().map(|&count| u64::from(count)).sum()
            }
        }
    }

    /// How many inputs there are.
    fn inputs(&self) -> usize {
        let (Entries::Spikes { geometry, .. } | Entries::Counts { geometry, .. }) = self.entries();
        geometry.steps * geometry.rows * geometry.channels
    }
}

/// Packs what an engine of spans reads.
pub(super) enum Packers<'a> {
    Spikes(Packer<'a, u8>),
    Counts(Packer<'a, [u8; GROUP]>),
}

impl<'a> Packers<'a> {
    /// Panels of whole `groups` groups.
    fn new(synapse: &PackedSynapse, input: &'a Source, groups: usize) -> Self {
        match input.entries() {
            Entries::Spikes { geometry, nibbles } => {
                Self::Spikes(Packer::new(synapse.map(), nibbles, geometry).in_whole(groups))
            }
            Entries::Counts { geometry, bytes } => {
                Self::Counts(Packer::new(synapse.map(), bytes, geometry).in_whole(groups))
            }
        }
    }

    /// Entries of the panel of one step.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Spikes(packer) => packer.len(),
            Self::Counts(packer) => packer.len(),
        }
    }

    /// Where the panel of step `t` lies.
    pub(super) fn at(&self, t: usize) -> Range<usize> {
        t * self.len()..(t + 1) * self.len()
    }

    /// The exact current of output `n` for row `lane` of the panels, arranged nibbles or bytes,
    /// step by step.
    pub(super) fn exact(
        &self,
        isa: Isa,
        synapse: &PackedSynapse,
        (nibbles, bytes): (&[u8], &[[u8; GROUP]]),
        n: usize,
        lane: usize,
    ) -> Vec<f64> {
        fn steps<E: Factor>(
            (isa, synapse): (Isa, &PackedSynapse),
            panels: &[E],
            len: usize,
            [n, lane]: [usize; 2],
        ) -> Vec<f64> {
            let (exact, unit) = (synapse.exact(), synapse.parts.unit());
            let current = |panel: &[E]| exact.of_panels(isa, n, lane, unit, &[panel]);
            panels.chunks_exact(len).map(current).collect()
        }
        match self {
            Self::Spikes(packer) => steps((isa, synapse), nibbles, packer.len(), [n, lane]),
            Self::Counts(packer) => steps((isa, synapse), bytes, packer.len(), [n, lane]),
        }
    }
}

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
fn tiles<E: Factor, S: Sink>(
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

/// Tiles of a task, whole `spans` of them: enough tasks that a busy core does not stall the rest,
/// each large enough to pay for a panel.
pub(super) fn share(to: &Geometry, span: usize) -> usize {
    let wanted = (4 * rayon::current_num_threads()).div_ceil(to.blocks().max(1));
    to.groups().div_ceil(wanted).next_multiple_of(span).min(to.groups().max(1))
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
