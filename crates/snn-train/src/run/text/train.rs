use std::time::{Duration, Instant};

use ndarray::Array2;
use snn_core::{Pass, probe::Rates};
use snn_data::text::{IGNORED, TextBatch, TextSet};
use snn_models::wta_spikingformer::{Tokens, WtaSpikingformer};
use tch::{Kind, Reduction, Tensor};

use super::{
    super::{Metrics, Progress, RunError, RunFolder, Watch, learner::Learner},
    Config,
};
use crate::{
    optim::clip_grad_norm,
    torch::{Disturbance, Torch, to_torch},
};

/// Steps from one that is watched for its firing rates to the next.
const WATCHED: usize = 8;

/// A language model with all that its training needs.
pub struct Trainer {
    config: Config,
    learner: Learner<WtaSpikingformer<Torch>>,
    data: TextSet,
}

impl Trainer {
    /// A network freshly drawn.
    ///
    /// # Errors
    /// [`RunError`] if the parts of the configuration do not fit each other or the text.
    pub fn new(config: Config, data: TextSet) -> Result<Self, RunError> {
        Self::begin(config, data, None)
    }

    /// The network of the newest checkpoint in `folder`, or a fresh one if there is none.
    ///
    /// # Errors
    /// As [`Trainer::new`], and if the checkpoint is damaged or of another configuration.
    pub fn resume(config: Config, data: TextSet, folder: &RunFolder) -> Result<Self, RunError> {
        Self::begin(config, data, Some(folder))
    }

    fn begin(config: Config, data: TextSet, folder: Option<&RunFolder>) -> Result<Self, RunError> {
        let learner = Learner::begin(
            folder,
            &config.device,
            &config.optimizer,
            |backend| config.model.draw(backend, config.seed),
            |backend, weights| config.model.load(backend, weights),
        )?;
        // Windows may begin one later, so that there is one fewer.
        let (batch, images) = (config.batch, data.train.len().saturating_sub(1));
        if batch > images {
            return Err(RunError::Batch { batch, images });
        }
        if config.threads > 0 {
            tch::set_num_threads(config.threads.into());
        }
        Ok(Self { config, learner, data })
    }

    /// What every finished epoch brought.
    pub fn metrics(&self) -> &[Metrics] {
        &self.learner.metrics
    }

    /// Trains up to the last epoch. After each, everything is in `folder`.
    ///
    /// # Errors
    /// [`RunError::Diverged`]; [`RunError::Write`]. The folder then holds the last epoch that
    /// ended.
    pub fn run(&mut self, folder: &RunFolder, watch: &mut dyn Watch) -> Result<(), RunError> {
        while self.learner.metrics.len() < self.config.epochs {
            let start = Instant::now();
            let (trained, texts) = self.epoch(watch)?;
            let seconds = start.elapsed();
            let mut rates = Rates::new();
            let tested = tch::no_grad(|| self.test(&mut rates))?;
            let metrics = Metrics {
                epoch: self.learner.metrics.len() + 1,
                train_loss: trained.loss(),
                train_accuracy: trained.accuracy(),
                test_loss: tested.loss(),
                test_accuracy: tested.accuracy(),
                firing_rate: rates.mean(),
                images_per_s: texts / seconds.as_secs_f64(),
                seconds: start.elapsed().as_secs_f64(),
            };
            self.learner.end_epoch(metrics, folder, watch)?;
        }
        Ok(())
    }

    /// One time through the training text; gives the number of windows or texts too.
    fn epoch(&mut self, watch: &mut dyn Watch) -> Result<(Score, f64), RunError> {
        let Config { seed, batch, epochs, .. } = self.config;
        let epoch = self.learner.metrics.len();
        let schedule = self.config.schedule.cosine(epochs);
        let batches = self.data.train.shuffled(seed, epoch as u64, batch);
        let (start, steps) = (Instant::now(), batches.len());
        let (mut sum, mut texts, mut rates) = (Score::default(), 0.0, Rates::new());
        for (step, batch) in batches.iter().enumerate() {
            let lr = schedule.at(epoch as f64 + step as f64 / steps as f64);
            let mut watched = (step % WATCHED == 0).then_some(&mut rates);
            let number = (epoch * steps + step) as u64;
            let disturbance = |noise| Disturbance { noise, seed, pass: number };
            self.learner.backend.disturb(self.config.noise.map(disturbance));
            let mut pass = Pass::train(&self.learner.backend);
            if watched.is_some() {
                pass = pass.with_probe(&mut watched);
            }
            let (loss, score) = score(&self.learner.backend, &self.learner.network, pass, batch)?;
            let value = score.loss();
            if !value.is_finite() {
                return Err(RunError::Diverged {
                    loss: value,
                    epoch: epoch + 1,
                    step: step + 1,
                    lr,
                });
            }
            self.learner.optimizer.zero_grad();
            loss.backward();
            if let Some(norm) = self.config.clip {
                clip_grad_norm(&self.learner.backend.parameters(), norm);
            }
            self.learner.optimizer.step(lr);
            sum.add(&score);
            texts += batch.ids.nrows() as f64;
            let spent = start.elapsed().max(Duration::from_nanos(1));
            watch.step(&Progress {
                epoch: epoch + 1,
                epochs,
                step: step + 1,
                steps,
                loss: sum.loss(),
                accuracy: sum.accuracy(),
                images_per_s: texts / spent.as_secs_f64(),
                firing_rate: rates.mean(),
            });
        }
        Ok((sum, texts))
    }

    fn test(&self, rates: &mut Rates) -> Result<Score, RunError> {
        let mut sum = Score::default();
        for batch in self.data.test.in_order(self.config.batch) {
            let pass = Pass::new(&self.learner.backend).with_probe(rates);
            sum.add(&score(&self.learner.backend, &self.learner.network, pass, &batch)?.1);
        }
        Ok(sum)
    }
}

/// What adds up over tokens, or texts, whose target counts.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    count: f64,
    loss: f64,
    right: f64,
}

impl Score {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.loss += other.loss;
        self.right += other.right;
    }

    fn loss(&self) -> f64 {
        self.loss / self.count.max(1.0)
    }

    fn accuracy(&self) -> f64 {
        self.right / self.count.max(1.0)
    }
}

/// The loss to learn from, and what it adds up from.
fn score(
    backend: &Torch,
    network: &WtaSpikingformer<Torch>,
    mut pass: Pass<'_, Torch>,
    batch: &TextBatch,
) -> Result<(Tensor, Score), RunError> {
    let tokens = Tokens::new(network.config(), &batch.ids, batch.there.clone())?;
    let logits = network.forward(&mut pass, &tokens);
    let logits = logits.tensor().reshape([-1, network.config().outputs() as i64]);
    let bring = |x: &Array2<i64>| to_torch(&x.clone().into_dyn()).to_device(backend.device());
    let targets = bring(&batch.targets).flatten(0, -1);
    let sum = logits.cross_entropy_loss(&targets, None::<Tensor>, Reduction::Sum, IGNORED, 0.0);
    let count = batch.targets.iter().filter(|&&target| target != IGNORED).count() as f64;
    let right = logits.argmax(-1, false).eq_tensor(&targets).sum(Kind::Int64).double_value(&[]);
    let score = Score { count, loss: sum.double_value(&[]), right };
    Ok((sum / count.max(1.0), score))
}
