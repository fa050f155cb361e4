//! What a network does on data, measured on any backend.

mod agreement;
mod attention;
mod memory;
mod raster;
mod speed;
mod synchrony;
mod text;

use std::sync::Arc;

use anyhow::{Context, Result};
use ndarray::ArrayD;
use snn_attn::Attend;
use snn_core::{
    Backend, Input, Pass, Probe,
    probe::{EnergyMeter, Rates},
};
use snn_data::{Batch, DataError, Loader, LoaderConfig, Source, random};
use snn_models::{Frames, Network, mean_logits};

pub use agreement::{Precise, Subject, precisions};
pub use attention::AttentionMaps;
pub use memory::peak_rss_mb;
pub use raster::Raster;
pub use speed::images_per_second;
pub use synchrony::Synchrony;
pub use text::{TextEvaluation, evaluate_text, evaluate_text_on};

/// What a network did on the test samples of a dataset.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Images, `[K][K]`: the row is the true class, the column the predicted one.
    pub confusion: Vec<Vec<u64>>,
    /// How often the layers fired.
    pub rates: Rates,
    /// What the layers computed.
    pub energy: EnergyMeter,
}

impl Evaluation {
    /// Images that were classified.
    pub fn samples(&self) -> u64 {
        self.confusion.iter().flatten().sum()
    }

    /// Share of images that were classified right.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = self.confusion.iter().enumerate().map(|(class, row)| row[class]).sum();
        right as f64 / self.samples() as f64
    }
}

/// Classifies every sample of `test`, `batch` at a time; `done` is told how many each time.
///
/// # Errors
/// If `batch` is 0, or a sample cannot be read.
pub fn evaluate<B: Attend>(
    backend: &B,
    network: &dyn Network<B>,
    test: &Arc<dyn Source>,
    batch: usize,
    done: impl FnMut(usize),
) -> Result<Evaluation> {
    evaluate_with(backend, network, test, batch, done, None::<Synchrony>)
}

/// As [`evaluate`], with one more probe.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with<B: Attend>(
    backend: &B,
    network: &dyn Network<B>,
    test: &Arc<dyn Source>,
    batch: usize,
    mut done: impl FnMut(usize),
    mut probe: impl Probe<B>,
) -> Result<Evaluation> {
    let classes = test.classes();
    let mut found = Evaluation {
        confusion: vec![vec![0; classes]; classes],
        rates: Rates::new(),
        energy: EnergyMeter::new(),
    };
    for batch in batches(test, batch)? {
        let batch = batch?;
        let mut probe = (&mut probe, (&mut found.rates, &mut found.energy));
        let pass = Pass::new(backend).with_probe(&mut probe);
        let logits = logits(network, pass, &batch.inputs);
        for (&label, logits) in batch.labels.iter().zip(logits.outer_iter()) {
            let ranking = ranking(logits.iter().copied());
            let best = ranking.first().context("a network without classes")?;
            found.confusion[label][best.0] += 1;
        }
        done(batch.len());
    }
    Ok(found)
}

/// The samples of `test` in their order.
pub(crate) fn batches(
    test: &Arc<dyn Source>,
    batch: usize,
) -> Result<impl Iterator<Item = Result<Batch, DataError>>> {
    let loader = Loader::new(Arc::clone(test), LoaderConfig { batch, ..Default::default() })?;
    Ok(loader.epoch(0))
}

/// Sample `i` of `test` alone, `[T, 1, H, W, C]`.
///
/// # Errors
/// If it cannot be read.
pub fn sample(test: &dyn Source, i: usize) -> Result<ArrayD<f32>> {
    let [steps, height, width, channels] = test.shape();
    let mut values = vec![0.0; steps * height * width * channels];
    let mut rng = random::rng(0, 0, random::Purpose::Sample, i as u64);
    test.sample(i, &mut rng, &mut values)?;
    Ok(ArrayD::from_shape_vec(vec![steps, 1, height, width, channels], values)?)
}

/// Logits `[B, K]` of inputs `[T, B, H, W, C]`.
pub fn logits<B: Backend>(
    network: &dyn Network<B>,
    mut pass: Pass<'_, B>,
    inputs: &ArrayD<f32>,
) -> ArrayD<f64> {
    let backend = pass.backend;
    let logits = network.forward(&mut pass, &Frames::new(backend, inputs));
    backend.read(Input::Real(&mean_logits(backend, &logits)))
}

/// Classes with their probabilities (softmax of the logits), the likeliest first; of equal ones
/// the lower class.
pub fn ranking(logits: impl IntoIterator<Item = f64>) -> Vec<(usize, f64)> {
    let logits: Vec<f64> = logits.into_iter().collect();
    let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - greatest).exp()).sum();
    let share = |logit: f64| (logit - greatest).exp() / sum;
    let mut ranking: Vec<_> = logits.into_iter().map(share).enumerate().collect();
    ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_class_comes_first() {
        let ranking = ranking([1.0, 3.0, f64::NEG_INFINITY, 3.0]);
        let classes: Vec<usize> = ranking.iter().map(|r| r.0).collect();
        assert_eq!(classes, [1, 3, 0, 2]);
        assert!((ranking.iter().map(|r| r.1).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(ranking[3].1, 0.0);
    }

    #[test]
    fn accuracy_is_the_diagonal() {
        let confusion = vec![vec![3, 1], vec![0, 4]];
        let found = Evaluation { confusion, rates: Rates::new(), energy: EnergyMeter::new() };
        assert_eq!((found.samples(), found.accuracy()), (8, 0.875));
    }
}
