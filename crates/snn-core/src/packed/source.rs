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

    /// The sum of all inputs.
    pub(super) fn events(&self) -> u64 {
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
    pub(super) fn inputs(&self) -> usize {
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
