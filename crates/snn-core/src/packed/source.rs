//! What a synapse reads, and how its panels are packed.

use std::ops::Range;

use ndarray::ArrayD;

use super::{
    isa::Isa,
    layout::{CountForm, Counts, GROUP, Geometry, Spikes},
    panel::{Entry, Packer},
    real::Real,
    synapse::PackedSynapse,
    tables::Factor,
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

/// What kernels read of an input.
pub(super) enum Entries<'a> {
    Spikes { geometry: &'a Geometry, nibbles: &'a [u8] },
    Counts { geometry: &'a Geometry, bytes: &'a [[u8; GROUP]] },
}

impl Source {
    pub(super) fn entries(&self) -> Entries<'_> {
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
    pub(super) fn max(&self) -> u32 {
        match self {
            Self::Counts(Counts { max, form: CountForm::Bytes { .. } }) => *max,
            _ => 1,
        }
    }

    /// Events an input, about: the mean over up to [`PARTS`] parts of the inputs.
    pub(super) fn density(&self) -> f64 {
        match self.entries() {
            Entries::Spikes { nibbles, .. } => {
                let (words, _) = nibbles.as_chunks();
                let events = |word: &[u8; 8]| u64::from(u64::from_le_bytes(*word).count_ones());
                mean(words, events) / (8 * GROUP) as f64
            }
            Entries::Counts { bytes, .. } => {
                mean(bytes, |four| four.iter().copied().map(u64::from).sum()) / GROUP as f64
            }
        }
    }
}

/// Parts that a mean is taken of at most, and the entries of each.
const PARTS: usize = 32;
const PART: usize = 512;

/// The mean of `value` over parts of `entries`.
fn mean<T>(entries: &[T], value: impl Fn(&T) -> u64) -> f64 {
    let parts = entries.len().div_ceil(PART);
    let parts = entries.chunks(PART).step_by(parts.div_ceil(PARTS).max(1));
    let (mut count, mut sum) = (0, 0);
    for part in parts {
        count += part.len();
        sum += part.iter().map(&value).sum::<u64>();
    }
    sum as f64 / count.max(1) as f64
}

/// Packs what an engine of spans reads.
pub(super) enum Packers<'a> {
    Spikes(Packer<'a, u8>),
    Counts(Packer<'a, [u8; GROUP]>),
}

impl<'a> Packers<'a> {
    /// Panels of whole `groups` groups.
    pub(super) fn new(synapse: &PackedSynapse, input: &'a Source, groups: usize) -> Self {
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
            synapse.exact().of_panels(isa, n, lane, synapse.parts.unit(), (&[panels], len))
        }
        match self {
            Self::Spikes(packer) => steps((isa, synapse), nibbles, packer.len(), [n, lane]),
            Self::Counts(packer) => steps((isa, synapse), bytes, packer.len(), [n, lane]),
        }
    }
}
