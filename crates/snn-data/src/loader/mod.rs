//! Batches for training and evaluation, made on threads ahead of their consumer.
//!
//! Every random number hangs on (seed, epoch, sample) or (seed, epoch, batch) alone, so the
//! batches are the same on any number of threads.

mod batch;
mod prefetch;

pub use batch::Batch;
pub use prefetch::{Prefetch, Stop, threads};

use crate::{
    DataError,
    augment::Mix,
    random::{Purpose, Rng, rng},
};
use rand::seq::SliceRandom;
use std::sync::Arc;

/// Samples that a loader can draw: the border between the loader and any kind of data.
pub trait Source: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape of a sample: time steps, height, width, channels. A static image has one time step.
    fn shape(&self) -> [usize; 4];

    /// Number of classes.
    fn classes(&self) -> usize;

    /// Class of sample `i`, below [`classes`](Self::classes).
    fn label(&self, i: usize) -> usize;

    /// Writes sample `i`, augmented and normalised, to `out` `[T, H, W, C]`.
    ///
    /// The result may depend on `i` and `rng` only.
    ///
    /// # Errors
    /// Whatever reading or decoding the sample can meet.
    fn sample(&self, i: usize, rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError>;
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn shape(&self) -> [usize; 4] {
        (**self).shape()
    }

    fn classes(&self) -> usize {
        (**self).classes()
    }

    fn label(&self, i: usize) -> usize {
        (**self).label(i)
    }

    fn sample(&self, i: usize, rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError> {
        (**self).sample(i, rng, out)
    }
}

/// How a loader divides its source into batches.
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderConfig {
    /// Samples in a batch.
    pub batch: usize,
    /// Seed of the order, the augmentation and the mixing.
    pub seed: u64,
    /// Whether each epoch has its own random order; otherwise 0, 1, 2, ...
    pub shuffle: bool,
    /// Whether a last batch with fewer samples is left out.
    pub drop_last: bool,
    /// Mixup and cutmix.
    pub mix: Option<Mix>,
    /// Threads; 0 takes as many as there are processors.
    pub workers: usize,
    /// Batches made ahead of the consumer, at least 1; with the one in its hands they bound the
    /// memory.
    pub ahead: usize,
}

impl Default for LoaderConfig {
    /// Batches of 128 in the order of the source, four ahead, one thread per processor.
    fn default() -> Self {
        Self {
            batch: 128,
            seed: 0,
            shuffle: false,
            drop_last: false,
            mix: None,
            workers: 0,
            ahead: 4,
        }
    }
}

impl LoaderConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`DataError::Setting`] names the first that is out of its range.
    pub fn validate(&self) -> Result<(), DataError> {
        for (setting, value) in [("batch", self.batch), ("ahead", self.ahead)] {
            if value == 0 {
                let (expected, found) = ("at least 1", "0".into());
                return Err(DataError::Setting { setting, expected, found });
            }
        }
        self.mix.as_ref().map_or(Ok(()), Mix::validate)
    }

    /// Batches that `samples` samples give.
    pub(crate) fn batches(&self, samples: usize) -> usize {
        if self.drop_last { samples / self.batch } else { samples.div_ceil(self.batch) }
    }

    /// The part of `order` that is batch `number`.
    pub(crate) fn part<'a>(&self, order: &'a [usize], number: usize) -> &'a [usize] {
        let first = number * self.batch;
        &order[first..order.len().min(first + self.batch)]
    }
}

/// A source divided into batches.
pub struct Loader {
    source: Arc<dyn Source>,
    config: LoaderConfig,
    pool: Arc<rayon::ThreadPool>,
}

impl Loader {
    /// # Errors
    /// [`DataError::Setting`] when the batch or the number of batches ahead is 0, a mixing setting
    /// is out of range, or the system refuses the threads.
    pub fn new(source: impl Source + 'static, config: LoaderConfig) -> Result<Self, DataError> {
        config.validate()?;
        let pool = threads(config.workers)?;
        Ok(Self { source: Arc::new(source), config, pool })
    }

    /// The samples behind it.
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// Batches in an epoch.
    pub fn len(&self) -> usize {
        self.config.batches(self.source.len())
    }

    /// Whether an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of `epoch` (from 0) in their order.
    pub fn order(&self, epoch: usize) -> Vec<usize> {
        order(self.source.len(), self.config.shuffle.then_some(self.config.seed), epoch)
    }

    /// The batches of `epoch` (from 0).
    ///
    /// Threads begin at once; dropping the iterator early stops them after the samples that they
    /// have in hand, and does not wait for them.
    pub fn epoch(&self, epoch: usize) -> Epoch {
        let (source, config) = (Arc::clone(&self.source), self.config.clone());
        let order = self.order(epoch);
        Prefetch::new(Arc::clone(&self.pool), self.len(), config.ahead, move |number, stop| {
            let indices = config.part(&order, number);
            batch::make(&*source, &config, epoch, number, indices, stop)
        })
    }
}

/// The batches of one epoch.
pub type Epoch = Prefetch<Batch>;

/// Samples 0..n, shuffled for `epoch` where there is a seed.
pub(crate) fn order(n: usize, seed: Option<u64>, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    if let Some(seed) = seed {
        order.shuffle(&mut rng(seed, epoch as u64, Purpose::Shuffle, 0));
    }
    order
}
