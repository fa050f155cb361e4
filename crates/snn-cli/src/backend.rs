//! The backends by name: the one place that knows them all.

use anyhow::Result;
use clap::ValueEnum;
use snn_attn::Attend;
use snn_core::{Packed, Reference, packed::Precision};

/// A backend that a person can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// Dense arrays of 32-bit floats, nothing clever
    Reference,
    /// The same in 64 bits: the oracle
    ReferenceF64,
    /// Packed bits: every spike is that of 64-bit floats
    Packed,
    /// Packed bits, three-byte tables
    PackedF32,
    /// Packed bits, two-byte tables
    PackedI16,
    /// Packed bits, one-byte tables: the fastest
    PackedI8,
    /// libtorch, on a GPU if there is one
    Torch,
}

/// What is to be done on a backend, whichever it is.
pub trait Job {
    /// What comes of it.
    type Output;

    /// Does it.
    ///
    /// # Errors
    /// Whatever the job can meet.
    fn run<B: Attend + 'static>(self, backend: &B) -> Result<Self::Output>;
}

impl Choice {
    /// Runs `job` on this backend.
    ///
    /// # Errors
    /// Those of the job, and if this program was built without the backend.
    pub fn run<J: Job>(self, job: J) -> Result<J::Output> {
        match self {
            Self::Reference => job.run(&Reference::<f32>::new()),
            Self::ReferenceF64 => job.run(&Reference::<f64>::new()),
            Self::Packed => job.run(&Packed::new(Precision::Exact)),
            Self::PackedF32 => job.run(&Packed::new(Precision::F32)),
            Self::PackedI16 => job.run(&Packed::new(Precision::I16)),
            Self::PackedI8 => job.run(&Packed::new(Precision::I8)),
            Self::Torch => torch(job),
        }
    }

    /// Every backend that this program was built with.
    pub fn built_in() -> Vec<Self> {
        let absent = |choice| choice == Self::Torch && cfg!(not(feature = "torch"));
        Self::value_variants().iter().copied().filter(|&choice| !absent(choice)).collect()
    }

    /// Whether its spikes are those of the authors' code: the faster forms of the packed engine
    /// flip some.
    pub const fn keeps_spikes(self) -> bool {
        !matches!(self, Self::PackedF32 | Self::PackedI16 | Self::PackedI8)
    }

    /// Whether it can run a network as it is trained.
    pub const fn trains(self) -> bool {
        matches!(self, Self::Reference | Self::ReferenceF64 | Self::Torch)
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[cfg(feature = "torch")]
fn torch<J: Job>(job: J) -> Result<J::Output> {
    use snn_train::torch::{Precision as Kind, Torch};
    let backend = Torch::new(tch::Device::cuda_if_available(), Kind::Single)?;
    tch::no_grad(|| job.run(&backend))
}

#[cfg(not(feature = "torch"))]
fn torch<J: Job>(_: J) -> Result<J::Output> {
    Err(without_libtorch("the backend `torch`"))
}

/// The error of asking for what this program was built without.
#[cfg(not(feature = "torch"))]
pub(crate) fn without_libtorch(what: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "this program was built without libtorch, which {what} needs; use `cargo xtask`, which \
         builds it in, or build with `--features torch`"
    )
}
