use serde::{Deserialize, Serialize};
use snn_core::reference::Scalar;
use snn_hash::BitCodes;

/// How much two codes have in common; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Measure {
    /// Bits set in both: spikes that coincide.
    Coincidence,
    /// Bits that agree, set or not (XNOR), plus a constant.
    Match {
        /// The constant.
        #[serde(default)]
        offset: u32,
    },
    /// a-XNOR: bits set in both, and `a` for each set in neither.
    Xnor {
        /// Weight of common silence, 0 to 1.
        a: f64,
    },
}

impl Measure {
    /// As a sum over bits.
    pub(crate) fn per_bit<F: Scalar>(self) -> PerBit<F> {
        let (one, zero) = (F::one(), F::zero());
        let (neither, constant) = match self {
            Self::Coincidence => (zero, zero),
            Self::Match { offset } => (one, F::of(f64::from(offset))),
            Self::Xnor { a } => (F::of(a), zero),
        };
        PerBit { both: one, neither, differ: zero, constant }
    }
}

/// A similarity that is a sum over bits, plus a constant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerBit<F> {
    pub(crate) both: F,
    pub(crate) neither: F,
    pub(crate) differ: F,
    pub(crate) constant: F,
}

impl<F: Scalar> PerBit<F> {
    /// From the bits of a code, those set in the query and the key, and those that differ.
    pub(crate) fn weigh(&self, bits: u32, [query, key]: [u32; 2], differ: u32) -> F {
        let both = (query + key - differ) / 2;
        let of = |count: u32| F::of(f64::from(count));
        self.both * of(both)
            + self.neither * of(bits - both - differ)
            + self.differ * of(differ)
            + self.constant
    }
}

/// Set bits of every code.
pub(crate) fn ones(codes: &BitCodes) -> Vec<u32> {
    codes.iter().map(|code| code.iter().map(|word| word.count_ones()).sum()).collect()
}
