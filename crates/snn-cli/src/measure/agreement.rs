//! What the precisions of the packed engine cost, against the reference in 64-bit floats.

use std::time::Instant;

use anyhow::Result;
use ndarray::{ArrayD, Axis};
use serde::Serialize;
use snn_attn::Attend;
use snn_core::{
    Packed, Pass, Reference,
    packed::Precision,
    probe::{Agreement, Recording},
};

/// A network, and data to run it on.
pub trait Subject {
    /// The network on a backend.
    type Network<B: Attend + 'static>;
    /// What it reads at a time.
    type Batch;

    /// Puts the network on `backend`.
    ///
    /// # Errors
    /// If the weights do not fit.
    fn network<B: Attend + 'static>(&self, backend: &B) -> Result<Self::Network<B>>;

    /// The test data in its order.
    ///
    /// # Errors
    /// If it cannot be read.
    fn batches(&self) -> Result<impl Iterator<Item = Result<Self::Batch>>>;

    /// Logits `[..., K]` of a batch.
    ///
    /// # Errors
    /// If the batch does not fit the network.
    fn logits<B: Attend + 'static>(
        &self,
        network: &Self::Network<B>,
        pass: Pass<'_, B>,
        batch: &Self::Batch,
    ) -> Result<ArrayD<f64>>;

    /// The right answer of each row of logits; `None` where nobody asks.
    fn targets(&self, batch: &Self::Batch) -> Vec<Option<usize>>;

    /// How many samples a batch has.
    fn samples(&self, batch: &Self::Batch) -> usize;
}

/// How one precision did.
#[derive(Clone, Debug, Serialize)]
pub struct Precise {
    /// `reference-f64`, `exact`, `f32`, `i16` or `i8`.
    pub precision: &'static str,
    /// Share of right answers.
    pub accuracy: f64,
    /// Answers that differ from those of the reference.
    pub other_answers: usize,
    /// All answers.
    pub answers: usize,
    /// Spikes that differ from those of the reference.
    pub spikes: Agreement,
    /// Greatest difference of a logit.
    pub logit_error: f64,
    /// Milliseconds that a sample took.
    pub ms_per_sample: f64,
}

impl Precise {
    fn new(precision: &'static str) -> Self {
        Self {
            precision,
            accuracy: 0.0,
            other_answers: 0,
            answers: 0,
            spikes: Agreement::default(),
            logit_error: 0.0,
            ms_per_sample: 0.0,
        }
    }

    /// Sums become means.
    fn finish(&mut self, samples: usize) {
        self.accuracy /= self.answers.max(1) as f64;
        self.ms_per_sample /= samples.max(1) as f64;
    }
}

/// The reference in 64-bit floats, then every precision, on all of the data; `done` is told how
/// many samples each time.
///
/// # Errors
/// If weights or data do not fit or cannot be read.
pub fn precisions<S: Subject>(subject: &S, mut done: impl FnMut(usize)) -> Result<Vec<Precise>> {
    let oracle = Reference::<f64>::new();
    let network = subject.network(&oracle)?;
    let engines = Precision::ALL.map(Packed::new);
    let networks = engines.iter().map(|packed| subject.network(packed));
    let networks = networks.collect::<Result<Vec<_>>>()?;

    let mut found = vec![Precise::new("reference-f64")];
    found.extend(Precision::ALL.map(|precision| Precise::new(precision.name())));
    let mut samples = 0;
    for batch in subject.batches()? {
        let batch = batch?;
        let targets = subject.targets(&batch);
        let mut recording = Recording::default();
        let pass = Pass::new(&oracle).with_probe(&mut recording);
        let start = Instant::now();
        let expected = subject.logits(&network, pass, &batch)?;
        let seconds = start.elapsed().as_secs_f64();
        let (reference, rest) = found.split_at_mut(1);
        reference[0].add(&expected, &expected, &targets, seconds);
        reference[0].spikes.compared += recording.len();
        for ((found, packed), network) in rest.iter_mut().zip(&engines).zip(&networks) {
            let start = Instant::now();
            let logits = subject.logits(network, Pass::new(packed), &batch)?;
            let seconds = start.elapsed().as_secs_f64();
            // Watching takes time: the same again.
            let mut comparison = found.spikes.with(&recording);
            subject.logits(network, Pass::new(packed).with_probe(&mut comparison), &batch)?;
            found.add(&logits, &expected, &targets, seconds);
        }
        samples += subject.samples(&batch);
        done(subject.samples(&batch));
    }
    found.iter_mut().for_each(|found| found.finish(samples));
    Ok(found)
}

impl Precise {
    fn add(
        &mut self,
        logits: &ArrayD<f64>,
        expected: &ArrayD<f64>,
        targets: &[Option<usize>],
        seconds: f64,
    ) {
        let axis = Axis(logits.ndim() - 1);
        let rows = logits.lanes(axis).into_iter().zip(expected.lanes(axis));
        for ((logits, expected), target) in rows.zip(targets) {
            let Some(target) = *target else { continue };
            let answer = best(logits.iter());
            self.answers += 1;
            self.accuracy += f64::from(u8::from(answer == target));
            self.other_answers += usize::from(answer != best(expected.iter()));
            for (a, b) in logits.iter().zip(expected) {
                // A difference that is no number stays.
                let off = (a - b).abs();
                self.logit_error = if self.logit_error >= off { self.logit_error } else { off };
            }
        }
        self.ms_per_sample += 1e3 * seconds;
    }
}

/// The greatest; of equal ones the first.
fn best<'a>(logits: impl Iterator<Item = &'a f64>) -> usize {
    let greatest = |best: (usize, f64), (i, &x): (usize, &'a f64)| {
        if x > best.1 { (i, x) } else { best }
    };
    logits.enumerate().fold((0, f64::NEG_INFINITY), greatest).0
}
