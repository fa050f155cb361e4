use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use snn_data::{Augment, EventSettings, Limit, Settings, SoundSettings};
use tch::Tensor;

use super::{AlignmentConfig, CodesConfig, HashFitConfig, RunError, overrides};
use crate::{
    loss,
    optim::{AdamW, AdamWOptions, Cosine, Lamb, LambOptions, Optimizer, Sgd, SgdOptions},
};

/// Everything that a training run depends on: the content of a preset, and of `config.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the dataset.
    pub dataset: String,
    /// Folder of its files; none for a dataset that is part of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Times that the training images are gone through.
    pub epochs: usize,
    /// Images in a step.
    pub batch: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// `cpu`, or `cuda:N`.
    pub device: String,
    /// Threads that libtorch computes with on a CPU, 0 for one per core. Sums are parted between
    /// them, so the last bits of a result depend on it.
    #[serde(default)]
    pub threads: u16,
    /// Numbers that training computes in.
    #[serde(default)]
    pub precision: PrecisionConfig,
    /// The common norm that gradients are scaled down to; none leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Shape of the network; images and frames are resized to its `image`.
    pub model: snn_models::Config,
    /// How gradients move the weights.
    pub optimizer: OptimizerConfig,
    /// How far they do, over time.
    pub schedule: ScheduleConfig,
    /// What is minimised.
    pub loss: LossConfig,
    /// What is learned from a network that was trained before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distill: Option<DistillConfig>,
    /// What the codes of a network cost, and its spikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<CodesConfig>,
    /// Hash functions that are learned from tokens before training; drawn ones train if none is
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_fit: Option<HashFitConfig>,
    /// What time steps cost that look as they should not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<AlignmentConfig>,
    /// How recordings of events become frames, for a dataset of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventSettings>,
    /// How sounds become frames, for a dataset of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundSettings>,
    /// How many samples of the dataset are used, for a quick look: all unless given.
    #[serde(default, skip_serializing_if = "all")]
    pub limit: Limit,
    /// What happens to training images; `augment.mix` is for samples of any kind.
    #[serde(default)]
    pub augment: Augment,
}

fn all(limit: &Limit) -> bool {
    *limit == Limit::default()
}

/// Numbers that training computes in; weights are kept in 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrecisionConfig {
    /// 32-bit floats.
    #[default]
    Single,
    /// On a GPU, products of matrices in 16-bit floats, and a loss that is scaled so that their
    /// gradients do not vanish. On a CPU the same as `single`.
    Mixed,
}

/// An optimiser with its options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OptimizerConfig {
    /// [`AdamW`].
    Adamw(AdamWOptions),
    /// [`Lamb`].
    Lamb(LambOptions),
    /// [`Sgd`].
    Sgd(SgdOptions),
}

impl OptimizerConfig {
    /// The optimiser of these parameters.
    pub fn build(&self, parameters: Vec<(String, Tensor)>) -> Box<dyn Optimizer> {
        match *self {
            Self::Adamw(options) => Box::new(AdamW::new(parameters, options)),
            Self::Lamb(options) => Box::new(Lamb::new(parameters, options)),
            Self::Sgd(options) => Box::new(Sgd::new(parameters, options)),
        }
    }
}

/// A [`Cosine`] over all epochs; lengths are in epochs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Learning rate that the cosine starts from.
    pub lr: f64,
    /// Learning rate that the cosine ends at, and of the cool-down.
    #[serde(default)]
    pub min_lr: f64,
    /// Learning rate that the warm-up starts from.
    #[serde(default)]
    pub warmup_lr: f64,
    /// Length of the warm-up.
    #[serde(default)]
    pub warmup: f64,
    /// Length of the cool-down at the end.
    #[serde(default)]
    pub cooldown: f64,
}

impl ScheduleConfig {
    /// Checks that every number is finite and not negative.
    pub(super) fn validate(&self) -> Result<(), RunError> {
        let Self { lr, min_lr, warmup_lr, warmup, cooldown } = *self;
        for (key, value) in [
            ("schedule.lr", lr),
            ("schedule.min_lr", min_lr),
            ("schedule.warmup_lr", warmup_lr),
            ("schedule.warmup", warmup),
            ("schedule.cooldown", cooldown),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                let (found, expected) = (value.to_string(), "a finite number, 0 or more");
                return Err(RunError::Value { key, found, expected });
            }
        }
        Ok(())
    }

    /// The schedule of a run of so many epochs.
    pub fn cosine(&self, epochs: usize) -> Cosine {
        let Self { lr, min_lr, warmup_lr, warmup, cooldown } = *self;
        let length = (epochs as f64 - cooldown).max(0.0);
        Cosine { lr, min_lr, warmup_lr, warmup, length, cooldown }
    }
}

/// A loss with its options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossConfig {
    /// [`loss::cross_entropy`] of the logits, their mean over time where there are several.
    CrossEntropy {
        /// Share of the target that is spread over all classes.
        #[serde(default)]
        smoothing: f64,
    },
    /// [`loss::tet`], for networks that give logits at every time step.
    Tet {
        /// Share of the target that is spread over all classes.
        #[serde(default)]
        smoothing: f64,
        /// Weight of the pull of all logits towards 1.
        lambda: f64,
    },
}

impl LossConfig {
    /// The loss of logits `[B, K]` or `[T, B, K]` for targets `[B, K]`.
    ///
    /// # Errors
    /// [`RunError::Steps`] if it needs logits of every time step and there are none.
    pub fn of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, RunError> {
        let steps = logits.dim() == 3;
        match *self {
            Self::CrossEntropy { smoothing } if steps => {
                let mean = logits.mean_dim(0, false, None);
                Ok(loss::cross_entropy(&mean, targets, smoothing))
            }
            Self::CrossEntropy { smoothing } => Ok(loss::cross_entropy(logits, targets, smoothing)),
            Self::Tet { smoothing, lambda } if steps => {
                Ok(loss::tet(logits, targets, smoothing, lambda))
            }
            Self::Tet { .. } => Err(RunError::Steps),
        }
    }
}

/// A teacher, and what is learned from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillConfig {
    /// Run folder whose best network teaches: another system, another precision, but the same
    /// images and classes.
    pub teacher: PathBuf,
    /// Share of the loss that compares with the teacher's logits; the rest compares with the labels.
    #[serde(default = "half")]
    pub share: f64,
    /// Softens the logits of both: [`loss::distill_soft`]. Without it only the class that the
    /// teacher chose counts: [`loss::distill_hard`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tau: Option<f64>,
    /// Weight of what queries and keys of every attention have in common with the teacher's, for
    /// networks of as many attentions and tokens: [`loss::distill_tokens`].
    #[serde(default)]
    pub tokens: f64,
}

const fn half() -> f64 {
    0.5
}

impl DistillConfig {
    /// The loss of logits `[B, K]` against the teacher's.
    pub fn of(&self, logits: &Tensor, teacher: &Tensor) -> Tensor {
        match self.tau {
            Some(tau) => loss::distill_soft(logits, teacher, tau),
            None => loss::distill_hard(logits, teacher),
        }
    }
}

impl Config {
    /// Reads a file like the presets; `changes` are `key=value`, with dots between nested keys.
    ///
    /// # Errors
    /// [`RunError::Io`]; [`RunError::Config`] names the key, and those that are known.
    pub fn load(path: &Path, changes: &[String]) -> Result<Self, RunError> {
        let text = std::fs::read_to_string(path).map_err(RunError::io("read", path))?;
        Self::parse(&path.display().to_string(), &text, changes)
    }

    /// As [`Config::load`], for the `text` of what a person knows as `origin`.
    ///
    /// # Errors
    /// [`RunError::Config`].
    pub fn parse(origin: &str, text: &str, changes: &[String]) -> Result<Self, RunError> {
        let config: Self = overrides::parse(text, changes)
            .map_err(|reason| RunError::Config { origin: origin.into(), reason })?;
        config.validate()?;
        Ok(config)
    }

    /// How the dataset becomes samples.
    pub fn settings(&self) -> Settings {
        let Self { augment, events, sound, limit, .. } = self.clone();
        Settings { augment, events, sound, limit }
    }

    /// Checks the numbers that no part of a run checks for itself.
    fn validate(&self) -> Result<(), RunError> {
        let Self { epochs, batch, seed, clip, schedule, loss, distill, codes, augment, .. } = self;
        let alignment = self.alignment;
        let check = |key, ok: bool, found: &dyn ToString, expected| {
            let wrong = || RunError::Value { key, found: found.to_string(), expected };
            if ok { Ok(()) } else { Err(wrong()) }
        };
        check("epochs", *epochs > 0, epochs, "at least 1")?;
        check("batch", *batch > 0, batch, "at least 1")?;
        check("seed", i64::try_from(*seed).is_ok(), seed, "at most 2^63 - 1")?;
        let clip = clip.unwrap_or(1.0);
        check("clip", clip > 0.0, &clip, "above 0")?;
        schedule.validate()?;
        let not_negative = |x: f64| x >= 0.0 && x.is_finite();
        let (LossConfig::CrossEntropy { smoothing } | LossConfig::Tet { smoothing, .. }) = *loss;
        check("loss.smoothing", (0.0..1.0).contains(&smoothing), &smoothing, "from 0 to below 1")?;
        if let Some(DistillConfig { share, tau, tokens, .. }) = distill {
            check("distill.share", (0.0..=1.0).contains(share), share, "from 0 to 1")?;
            let tau = tau.unwrap_or(1.0);
            check("distill.tau", tau > 0.0 && tau.is_finite(), &tau, "a finite number above 0")?;
            check("distill.tokens", not_negative(*tokens), tokens, "a finite number, 0 or more")?;
        }
        if let Some(codes) = codes {
            for (key, value) in codes.numbers() {
                check(key, not_negative(value), &value, "a finite number, 0 or more")?;
            }
            for (key, value) in [("codes.gamma", codes.gamma), ("codes.gamma_neg", codes.gamma_neg)]
            {
                check(key, (-1.0..=1.0).contains(&value), &value, "from -1 to 1")?;
            }
            let rate = codes.rate.unwrap_or(0.0);
            check("codes.rate", (0.0..=1.0).contains(&rate), &rate, "from 0 to 1")?;
            let neighbours = codes.neighbours;
            check("codes.neighbours", neighbours > 0, &neighbours, "at least 1")?;
        }
        if let Some(fit) = &self.hash_fit {
            fit.validate()?;
        }
        if let Some(AlignmentConfig { weight, lambda, distance, margin }) = alignment {
            for (key, value) in [("alignment.weight", weight), ("alignment.lambda", lambda)] {
                check(key, not_negative(value), &value, "a finite number, 0 or more")?;
            }
            check("alignment.distance", distance > 0, &distance, "at least 1")?;
            check("alignment.margin", (-1.0..=1.0).contains(&margin), &margin, "from -1 to 1")?;
        }
        self.limit.validate()?;
        Ok(augment.validate()?)
    }
}
