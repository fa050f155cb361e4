//! The backends by name: the one place that knows them all.

use anyhow::Result;
use clap::ValueEnum;
use snn_attn::Attend;
use snn_core::{Packed, Reference, Unfolded, packed::Precision};

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

/// A job, and the form of integer neurons that it meets.
trait Work {
    type Output;
    fn on<B: Attend + 'static>(self, backend: B) -> Result<Self::Output>;
}

/// On levels.
struct Levels<J>(J);

impl<J: Job> Work for Levels<J> {
    type Output = J::Output;
    fn on<B: Attend + 'static>(self, backend: B) -> Result<J::Output> {
        self.0.run(&backend)
    }
}

/// On spikes.
struct Spikes<J>(J);

impl<J: Job> Work for Spikes<J> {
    type Output = J::Output;
    fn on<B: Attend + 'static>(self, backend: B) -> Result<J::Output> {
        self.0.run(&Unfolded::new(backend))
    }
}

impl Choice {
    /// Runs `job` on this backend.
    ///
    /// # Errors
    /// Those of the job, and if this program was built without the backend.
    pub fn run<J: Job>(self, job: J) -> Result<J::Output> {
        self.lend(Levels(job))
    }

    /// As [`Choice::run`], with integer neurons unfolded to spikes over virtual steps
    /// ([`Unfolded`]).
    ///
    /// # Errors
    /// As [`Choice::run`].
    pub fn run_unfolded<J: Job>(self, job: J) -> Result<J::Output> {
        self.lend(Spikes(job))
    }

    fn lend<W: Work>(self, work: W) -> Result<W::Output> {
        match self {
            Self::Reference => work.on(Reference::<f32>::new()),
            Self::ReferenceF64 => work.on(Reference::<f64>::new()),
            Self::Packed => work.on(Packed::new(Precision::Exact)),
            Self::PackedF32 => work.on(Packed::new(Precision::F32)),
            Self::PackedI16 => work.on(Packed::new(Precision::I16)),
            Self::PackedI8 => work.on(Packed::new(Precision::I8)),
            Self::Torch => torch(work),
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
fn torch<W: Work>(work: W) -> Result<W::Output> {
    use snn_train::torch::{Precision as Kind, Torch};
    let backend = Torch::new(tch::Device::cuda_if_available(), Kind::Single)?;
    tch::no_grad(|| work.on(backend))
}

#[cfg(not(feature = "torch"))]
fn torch<W: Work>(_: W) -> Result<W::Output> {
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
