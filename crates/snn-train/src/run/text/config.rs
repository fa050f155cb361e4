use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use snn_core::analog::{AnalogError, Noise};
use snn_data::text::{TextFiles, Unit};
use snn_models::wta_spikingformer;

use super::super::{OptimizerConfig, RunError, ScheduleConfig, overrides};

/// Everything that a run on text depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the dataset.
    pub dataset: String,
    /// Folder of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// What is one token.
    pub unit: Unit,
    /// Tokens in a window; of a text with a class the first so many.
    pub length: usize,
    /// Times that the training text is gone through.
    pub epochs: usize,
    /// Windows, or texts, in a step.
    pub batch: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// `cpu`, or `cuda:N`.
    pub device: String,
    /// Threads that libtorch computes with on a CPU, 0 for one per core.
    #[serde(default)]
    pub threads: u16,
    /// The common norm that gradients are scaled down to; none leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Files instead of the published ones.
    #[serde(default)]
    pub files: TextFiles,
    /// Shape of the network. Its `vocabulary` is the greatest number of words; a run sets it to
    /// that of the tokens of its text.
    pub model: wta_spikingformer::Config,
    /// Noise of the analog devices that training steps run on, drawn anew for each, for networks
    /// with logarithmic weights; they are tested on perfect ones. Nothing is wrong unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// How gradients move the weights.
    pub optimizer: OptimizerConfig,
    /// How far they do, over time.
    pub schedule: ScheduleConfig,
}

impl Config {
    /// Reads a file like the presets; `changes` are `key=value`, with dots between nested keys.
    ///
    /// # Errors
    /// [`RunError::Io`]; [`RunError::Config`]; [`RunError::Value`].
    pub fn load(path: &Path, changes: &[String]) -> Result<Self, RunError> {
        let text = std::fs::read_to_string(path).map_err(RunError::io("read", path))?;
        Self::parse(&path.display().to_string(), &text, changes)
    }

    fn parse(origin: &str, text: &str, changes: &[String]) -> Result<Self, RunError> {
        let config: Self = overrides::parse(text, changes)
            .map_err(|reason| RunError::Config { origin: origin.into(), reason })?;
        config.validate()?;
        Ok(config)
    }

    /// Whether a configuration is one of a run on text: only these say what a token is.
    pub fn is_text(toml: &str) -> bool {
        toml.parse::<toml::Table>().is_ok_and(|table| table.contains_key("unit"))
    }

    fn validate(&self) -> Result<(), RunError> {
        let check = |key, ok: bool, found: &dyn ToString, expected| {
            let wrong = || RunError::Value { key, found: found.to_string(), expected };
            if ok { Ok(()) } else { Err(wrong()) }
        };
        let Self { epochs, batch, seed, length, clip, .. } = self;
        check("epochs", *epochs > 0, epochs, "at least 1")?;
        check("batch", *batch > 0, batch, "at least 1")?;
        check("seed", i64::try_from(*seed).is_ok(), seed, "at most 2^63 - 1")?;
        let fits = *length > 0 && *length <= self.model.context;
        check("length", fits, length, "at least 1, at most `model.context`")?;
        let clip = clip.unwrap_or(1.0);
        check("clip", clip > 0.0, &clip, "above 0")?;
        if let Some(noise) = &self.noise {
            let wrong = |AnalogError { field, found, expected }| {
                let key = match field {
                    "programming" => "noise.programming",
                    "read" => "noise.read",
                    _ => "noise.threshold",
                };
                RunError::Value { key, found: found.to_string(), expected }
            };
            noise.validate().map_err(wrong)?;
            let held = self.model.coding.as_ref().is_some_and(|coding| coding.weights.is_some());
            check("noise", held, &"given", "none: the model has no `coding.weights`")?;
        }
        self.schedule.validate()
    }
}

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every preset.
        const EMBEDDED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../presets/", $name, ".toml")))),*];
    };
}

embed!["tiny-shakespeare", "wikitext2", "sst2", "sst2-matterhorn"];

/// Names of the presets of runs on text.
pub fn preset_names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|(name, _)| *name).collect()
}

/// The preset of that name, after `changes` as for [`Config::load`]; `None` if it is no text
/// preset.
///
/// # Errors
/// As [`Config::load`].
pub fn preset(name: &str, changes: &[String]) -> Option<Result<Config, RunError>> {
    let (_, text) = EMBEDDED.iter().find(|(known, _)| *known == name)?;
    Some(Config::parse(&format!("preset `{name}`"), text, changes))
}
