use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use snn_core::{Pass, probe::Rates};
use snn_data::{Batch, Loader, LoaderConfig, Sources};
use snn_models::{Frames, Network};
use tch::Tensor;

use super::{
    Config, Metrics, PrecisionConfig, RunError, RunFolder, alignment::Alignment, codes::Codes,
    distill::Teacher, evaluate, learner::Learner, scale::LossScale,
};
use crate::{optim::clip_grad_norm, torch::Torch};

/// A network with all that its training needs.
pub struct Trainer {
    config: Config,
    learner: Learner<Box<dyn Network<Torch>>>,
    /// Of the loss in mixed precision; a run that goes on finds its factor again.
    scale: Option<LossScale>,
    teacher: Option<Teacher>,
    train: Loader,
    test: Loader,
}

/// Told how training goes.
pub trait Watch {
    /// After every step.
    fn step(&mut self, progress: &Progress);
    /// After every epoch, once it is safe on the disk.
    fn epoch(&mut self, metrics: &Metrics);
}

/// Where training is, with means over the epoch so far.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Step of the epoch, from 1.
    pub step: usize,
    /// Steps of the epoch.
    pub steps: usize,
    /// Mean loss.
    pub loss: f64,
    /// Share of images that were classified right.
    pub accuracy: f64,
    /// Images a second.
    pub images_per_s: f64,
    /// Spikes per neuron and time step.
    pub firing_rate: f64,
}

/// Steps from one that is watched for its firing rates to the next: counting spikes takes time.
const WATCHED: usize = 8;

impl Trainer {
    /// A network freshly drawn. `data` has the frames, channels and classes of the model.
    ///
    /// # Errors
    /// [`RunError`] if the parts of the configuration do not fit each other or the data.
    pub fn new(config: Config, data: &Sources) -> Result<Self, RunError> {
        Self::begin(config, data, None)
    }

    /// The network of the newest checkpoint in `folder`, or a fresh one if there is none.
    ///
    /// # Errors
    /// As [`Trainer::new`], and if the checkpoint is damaged or of another configuration.
    pub fn resume(config: Config, data: &Sources, folder: &RunFolder) -> Result<Self, RunError> {
        Self::begin(config, data, Some(folder))
    }

    fn begin(config: Config, data: &Sources, folder: Option<&RunFolder>) -> Result<Self, RunError> {
        let learner = Learner::begin(
            folder,
            &config.device,
            &config.optimizer,
            |backend| config.model.draw(backend, config.seed),
            |backend, weights| config.model.load(backend, weights),
        )?;
        check(&config, data)?;
        if config.threads > 0 {
            tch::set_num_threads(config.threads.into());
        }
        let loader = LoaderConfig { batch: config.batch, seed: config.seed, ..Default::default() };
        let test = Loader::new(Arc::clone(&data.test), loader.clone())?;
        // A last batch of a few images would make BatchNorm's statistics jump.
        let loader = LoaderConfig {
            shuffle: true,
            drop_last: true,
            mix: config.augment.mix.clone(),
            ..loader
        };
        let train = Loader::new(Arc::clone(&data.train), loader)?;
        if let Some(fit) = config.hash_fit
            && learner.metrics.is_empty()
        {
            let network = (&learner.backend, &*learner.network);
            fit.run(&config.model, network, &data.train, config.seed)?;
        }
        let mixed = config.precision == PrecisionConfig::Mixed;
        let scale = mixed.then(LossScale::default);
        let open = |teacher| Teacher::open(teacher, &config.model, learner.backend.device());
        let teacher = config.distill.as_ref().map(open).transpose()?;
        Ok(Self { config, learner, scale, teacher, train, test })
    }

    /// What every finished epoch brought.
    pub fn metrics(&self) -> &[Metrics] {
        &self.learner.metrics
    }

    /// Trains up to the last epoch. After each, everything is in `folder`.
    ///
    /// # Errors
    /// [`RunError::Diverged`]; [`RunError::Write`]; [`RunError::Data`]. The folder then holds the
    /// last epoch that ended.
    pub fn run(&mut self, folder: &RunFolder, watch: &mut dyn Watch) -> Result<(), RunError> {
        while self.learner.metrics.len() < self.config.epochs {
            let start = Instant::now();
            let trained = self.epoch(watch)?;
            let seconds = start.elapsed();
            let tested =
                evaluate::evaluate(&self.learner.backend, &*self.learner.network, &self.test)?;
            let metrics = Metrics {
                epoch: self.learner.metrics.len() + 1,
                train_loss: trained.loss / trained.images,
                train_accuracy: trained.right / trained.images,
                test_loss: tested.loss,
                test_accuracy: tested.accuracy,
                firing_rate: tested.firing_rate,
                images_per_s: trained.images / seconds.as_secs_f64(),
                seconds: start.elapsed().as_secs_f64(),
            };
            self.learner.end_epoch(metrics, folder, watch)?;
        }
        Ok(())
    }

    /// One time through the training images.
    fn epoch(&mut self, watch: &mut dyn Watch) -> Result<Sums, RunError> {
        let epoch = self.learner.metrics.len();
        let schedule = self.config.schedule.cosine(self.config.epochs);
        let steps = self.train.len();
        let start = Instant::now();
        let mut sums = Sums::default();
        let mut rates = Rates::new();
        for (step, batch) in self.train.epoch(epoch).enumerate() {
            let batch = batch?;
            let lr = schedule.at(epoch as f64 + step as f64 / steps as f64);
            let watched = step % WATCHED == 0;
            let (loss, right) = self.step(&batch, lr, watched.then_some(&mut rates))?;
            if !loss.is_finite() {
                return Err(RunError::Diverged { loss, epoch: epoch + 1, step: step + 1, lr });
            }
            sums.add(&batch, loss, right);
            let spent = start.elapsed().max(Duration::from_nanos(1));
            watch.step(&Progress {
                epoch: epoch + 1,
                epochs: self.config.epochs,
                step: step + 1,
                steps,
                loss: sums.loss / sums.images,
                accuracy: sums.right / sums.images,
                images_per_s: sums.images / spent.as_secs_f64(),
                firing_rate: rates.mean(),
            });
        }
        Ok(sums)
    }

    /// One update of the weights. Gives the loss, and the images that were classified right; a
    /// loss that is not finite updates nothing.
    fn step(
        &mut self,
        batch: &Batch,
        lr: f64,
        rates: Option<&mut Rates>,
    ) -> Result<(f64, f64), RunError> {
        let input = Frames::new(&self.learner.backend, &batch.inputs);
        let targets = evaluate::targets(&self.learner.backend, batch);
        let mut attentions = self.teacher.as_ref().and_then(Teacher::attentions);
        let mut codes = self.config.codes.map(Codes::new);
        let mut alignment = self.config.alignment.map(Alignment::new);
        let (logits, loss) = tch::autocast(self.scale.is_some(), || {
            let costs = codes.is_some() || alignment.is_some();
            let watched = rates.is_some() || attentions.is_some() || costs;
            let costs = (codes.as_mut(), alignment.as_mut());
            let mut probe = (rates, (attentions.as_mut(), costs));
            let mut pass = Pass::train(&self.learner.backend);
            if watched {
                pass = pass.with_probe(&mut probe);
            }
            let (logits, second) = self.learner.network.heads(&mut pass, &input);
            let loss = self.config.loss.of(logits.tensor(), &targets).map(|loss| {
                let Some(teacher) = &self.teacher else { return loss };
                let learner = second.as_ref().unwrap_or(&logits);
                teacher.correct(&batch.inputs, &loss, learner.tensor(), attentions.as_ref())
            });
            (logits, loss)
        });
        let loss = loss?;
        let loss = codes.map_or_else(|| loss.shallow_clone(), |codes| codes.correct(&loss));
        let loss = match alignment {
            Some(alignment) => alignment.correct(&loss),
            None => loss,
        };
        let value = loss.double_value(&[]);
        if value.is_finite() {
            self.update(&loss, lr);
        }
        Ok((value, evaluate::right(&self.learner.backend, &logits, batch)))
    }

    /// Moves the weights down the gradient of `loss`.
    fn update(&mut self, loss: &Tensor, lr: f64) {
        self.learner.optimizer.zero_grad();
        let parameters = self.learner.backend.parameters();
        match &mut self.scale {
            None => loss.backward(),
            Some(scale) => {
                (loss * scale.factor).backward();
                if !scale.unscale(&parameters) {
                    return;
                }
            }
        }
        if let Some(norm) = self.config.clip {
            clip_grad_norm(&parameters, norm);
        }
        self.learner.optimizer.step(lr);
    }
}

/// What adds up over the steps of an epoch.
#[derive(Default)]
struct Sums {
    images: f64,
    loss: f64,
    right: f64,
}

impl Sums {
    fn add(&mut self, batch: &Batch, loss: f64, right: f64) {
        let images = batch.len() as f64;
        self.images += images;
        self.loss += loss * images;
        self.right += right;
    }
}

/// Checks that the model takes what the dataset has.
fn check(config: &Config, data: &Sources) -> Result<(), RunError> {
    let input = config.model.input();
    let size = vec![input.height, input.width, input.channels];
    let [steps, found @ ..] = data.train.shape();
    let frames = vec![input.frames()];
    let pairs = [
        ("images of height x width x channels", found.to_vec(), size),
        ("classes:", vec![data.train.classes()], vec![config.model.classes()]),
        ("frames in a sample:", vec![steps], frames),
    ];
    for (what, found, expected) in pairs {
        if found != expected {
            let text = |x: &[usize]| x.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
            return Err(RunError::Dataset { what, expected: text(&expected), found: text(&found) });
        }
    }
    let (batch, images) = (config.batch, data.train.len());
    if batch > images { Err(RunError::Batch { batch, images }) } else { Ok(()) }
}
