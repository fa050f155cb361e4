//! One batch: gathering samples, mixing them, laying them out time first.

use super::{LoaderConfig, Source, Stop};
use crate::{
    DataError,
    augment::mix::mix,
    random::{Purpose, rng},
};
use ndarray::{Array2, ArrayD, IxDyn};
use rayon::prelude::*;

/// Samples with their targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Inputs `[T, B, H, W, C]`, normalised and contiguous; T = 1 for static images.
    pub inputs: ArrayD<f32>,
    /// Targets `[B, K]`: one-hot, or shares of two classes after mixing; rows sum to 1.
    pub targets: Array2<f32>,
    /// Class of each sample before mixing, `[B]`.
    pub labels: Vec<usize>,
    /// Index of each sample in the source, `[B]`.
    pub indices: Vec<usize>,
}

impl Batch {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Makes batch `number` of `epoch` from the samples `indices`, in parallel over samples.
///
/// Returns `None` when `stop` was set on the way.
pub(super) fn make(
    source: &dyn Source,
    config: &LoaderConfig,
    epoch: usize,
    number: usize,
    indices: &[usize],
    stop: &Stop,
) -> Option<Result<Batch, DataError>> {
    let frame = source.shape();
    let [time, height, width, channels] = frame;
    let size: usize = frame.iter().product();
    let mut values = vec![0.0; indices.len() * size];
    let filled = values
        .par_chunks_exact_mut(size)
        .zip(indices)
        .take_any_while(|_| !stop.is_set())
        .try_for_each(|(out, &i)| {
            source.sample(i, &mut rng(config.seed, epoch as u64, Purpose::Sample, i as u64), out)
        });
    if stop.is_set() {
        return None;
    }
    if let Err(e) = filled {
        return Some(Err(e));
    }

    let labels: Vec<usize> = indices.iter().map(|&i| source.label(i)).collect();
    let mut random = rng(config.seed, epoch as u64, Purpose::Mix, number as u64);
    let mixing = config.mix.as_ref().and_then(|m| m.draw(epoch, [height, width], &mut random));
    let keep = mixing.map_or(1.0, |m| m.keep());
    if let Some(mixing) = mixing {
        mix(&mut values, frame, mixing);
    }
    let mut targets = Array2::zeros((labels.len(), source.classes()));
    for (i, (&own, &mirror)) in labels.iter().zip(labels.iter().rev()).enumerate() {
        targets[[i, own]] += keep;
        targets[[i, mirror]] += 1.0 - keep;
    }

    let shape = [indices.len(), time, height, width, channels];
    let Ok(samples) = ArrayD::from_shape_vec(IxDyn(&shape), values) else {
        unreachable!("there are {shape:?} values")
    };
    let mut inputs = samples;
    inputs.swap_axes(0, 1);
    // With one time step nothing moves; otherwise the copy makes time the slowest axis in memory.
    let inputs =
        if inputs.is_standard_layout() { inputs } else { inputs.as_standard_layout().into_owned() };
    Some(Ok(Batch { inputs, targets, labels, indices: indices.to_vec() }))
}
