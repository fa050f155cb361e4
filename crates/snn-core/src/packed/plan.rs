//! Which kernel a synapse runs with.

use std::sync::Arc;

use rayon::prelude::*;

use super::{
    Packed, Precision,
    events::ByEvents,
    isa::{Isa, Level},
    kernel::{self, DEPTH, Event, WORD},
    layout::{CountForm, Geometry},
    matrices::InMatrices,
    panel::Packer,
    sink::Sink,
    source::{Entries, Packers, Source},
    spans,
    synapse::{PackedSynapse, SMALL},
    tables::tiles,
    weights::{Bounds, PLANES, Product},
};

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
    /// Spikes add rows of weights.
    Events(Event),
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
        let bits = planes(max, digits);
        let way = match bits {
            _ if isa.tiles() => Way::Matrices,
            _ => match (events(packed, input, bits, digits), bits) {
                (Some(event), _) => Way::Events(event),
                (None, Some(bits)) => Way::Lookup { bits },
                (None, None) => Way::Integer,
            },
        };
        let product = match way {
            Way::Lookup { .. } => synapse.lookup(digits),
            Way::Integer => synapse.integer(max, digits),
            Way::Matrices => synapse.blocks(max, digits),
            Way::Events(_) => synapse.rows(max, digits == 1),
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
            Way::Events(event) => {
                let packers = Packers::new(synapse, input, WORD);
                spans::run(&ByEvents { isa, synapse, packers, product, event }, to, sink, out);
            }
            Way::Lookup { bits } => match input.entries() {
                Entries::Spikes { geometry, nibbles } => {
                    let packer = Packer::new(synapse.map(), nibbles, geometry);
                    tiles(isa, synapse, (&[packer], input.max()), product, to, sink, out);
                }
                Entries::Counts { geometry, bytes } => {
                    let plane = |bit| {
                        let mut nibbles = vec![0; bytes.len()];
                        let parts = nibbles.par_chunks_mut(PART).zip(bytes.par_chunks(PART));
                        parts.for_each(|(nibbles, bytes)| kernel::plane(isa, bytes, bit, nibbles));
                        nibbles
                    };
                    let planes: Vec<_> = (0..bits).map(plane).collect();
                    let pack = |nibbles| Packer::new(synapse.map(), nibbles, geometry);
                    let packers: Vec<_> = planes.iter().map(|plane| pack(plane)).collect();
                    tiles(isa, synapse, (&packers, 1), product, to, sink, out);
                }
            },
            Way::Integer => {
                let Entries::Counts { geometry, bytes } = input.entries() else {
                    unreachable!("spikes are looked up")
                };
                let packer = Packer::new(synapse.map(), bytes, geometry);
                tiles(isa, synapse, (&[packer], input.max()), product, to, sink, out);
            }
        }
    }

    /// What the currents can be.
    pub(super) fn bounds(&self) -> Arc<Bounds> {
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
            Way::Integer | Way::Matrices | Way::Events(_) => self.input.max(),
        }
    }
}

/// Groups that a task takes a bit of.
const PART: usize = 1 << 14;

/// Bits of counts up to `max`, if looking up bit after bit is no slower than
/// multiplying.
fn planes(max: u32, digits: usize) -> Option<u32> {
    // Silence is a plane too.
    let bits = (u32::BITS - max.leading_zeros()).max(1);
    // Sums of three digits of several bits would not fit.
    (bits == 1 || bits <= PLANES && digits < 3).then_some(bits)
}

/// The events by which adding rows of weights is the fastest for this input, if it is; else so many
/// `bits` and `digits` are looked up. Some of the spikes are counted each time: no pass over examples
/// is needed before.
fn events(packed: &Packed, input: &Source, bits: Option<u32>, digits: usize) -> Option<Event> {
    if input.max() > SMALL {
        return None;
    }
    // Spikes an input, for every digit of the tables, as measured on whole networks.
    let few = match packed.isa().level() {
        // Looking up takes vector instructions. Events of both kinds add up to the same.
        Level::Portable if input.density() < 0.25 => return Some(Event::Spike),
        Level::Portable => return Some(Event::Group),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => 0.08,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => 0.015,
    };
    let few = f64::from(bits.unwrap_or(2)) * digits as f64 * few;
    // Weights of other forms are rounded in another way, and no answer may depend on the other
    // samples of its batch: only exact ones do not.
    let pays = packed.precision() == Precision::Exact && input.density() <= few;
    pays.then_some(Event::Spike)
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
