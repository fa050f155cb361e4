//! What using a language model needs of its run folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use snn_attn::Attend;
use snn_core::Weights;
use snn_data::text::{Goal, TextFiles, TextSet, Unit, Vocabulary};
use snn_models::wta_spikingformer::{Config, Task, WtaSpikingformer};

/// The keys of `config.toml` that say what a language model is; those of its training are passed
/// over.
#[derive(Clone, Debug, Deserialize)]
pub struct Description {
    /// Dataset that it was trained on.
    pub dataset: String,
    /// Folder that the dataset's files were read from.
    #[serde(default)]
    pub data: Option<PathBuf>,
    /// Files instead of the published ones.
    #[serde(default)]
    pub files: TextFiles,
    /// What is one token.
    pub unit: Unit,
    /// Tokens in a window.
    pub length: usize,
    /// Its shape.
    pub model: Config,
}

impl Description {
    /// Opens its text, the files in `dir`, and sets the vocabulary of the model to what the text
    /// needs, unless it is `given`.
    ///
    /// # Errors
    /// Those of [`TextSet::open`].
    pub fn data(&mut self, dir: Option<&Path>, given: Option<Vocabulary>) -> Result<TextSet> {
        let Self { dataset, files, unit, length, model, .. } = self;
        let (goal, mask) = match model.task {
            Task::Causal => (Goal::Causal(*length), 0),
            Task::Masked => (Goal::Masked(*length), 1),
            Task::Classify { .. } => (Goal::Classes(*length), 0),
        };
        let known = given.is_some();
        // One number is that of the mask.
        let size = model.vocabulary.saturating_sub(mask);
        let set = TextSet::open(dataset, dir, files, goal, (*unit, size), given)?;
        if !known {
            use snn_data::text::Tokens;
            model.vocabulary = set.vocabulary.len() + mask;
        }
        Ok(set)
    }
}

/// Whether the run in folder `dir` is one on text.
pub fn is_text(dir: &Path) -> bool {
    let config = fs::read_to_string(dir.join("config.toml")).unwrap_or_default();
    config.parse::<toml::Table>().is_ok_and(|table| table.contains_key("unit"))
}

/// A trained language model: `config.toml`, `vocabulary.txt` and `model.safetensors` of its run
/// folder.
#[derive(Clone, Debug)]
pub struct Trained {
    /// What it is.
    pub description: Description,
    /// Its tokens.
    pub vocabulary: Vocabulary,
    path: PathBuf,
    weights: Weights,
}

impl Trained {
    /// Reads the run folder `dir`.
    ///
    /// # Errors
    /// If it is no run folder of a language model, has no finished epoch yet, or a file in it is
    /// damaged.
    pub fn open(dir: &Path) -> Result<Self> {
        let [config, tokens, path] =
            ["config.toml", "vocabulary.txt", "model.safetensors"].map(|name| dir.join(name));
        ensure!(
            is_text(dir),
            "{} is no run folder of a language model; `snn train tiny-shakespeare --out {0}` makes one",
            dir.display()
        );
        let read = |path: &Path| {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let description: Description = toml::from_str(&read(&config)?)
            .with_context(|| format!("{} does not describe a language model", config.display()))?;
        ensure!(
            path.is_file(),
            "{} has no model.safetensors: no epoch is finished yet; \
             go on with `snn train --resume {0}`",
            dir.display()
        );
        let vocabulary = Vocabulary::read(&read(&tokens)?, description.unit);
        let weights = Weights::load(&path)?;
        Ok(Self { description, vocabulary, path, weights })
    }

    /// Learnable numbers.
    pub fn parameters(&self) -> usize {
        self.weights.parameters()
    }

    /// The network on `backend`.
    ///
    /// # Errors
    /// If the weights are not those of a network of this description.
    pub fn network<B: Attend>(&self, backend: &B) -> Result<WtaSpikingformer<B>> {
        let load = self.description.model.load(backend, &self.weights);
        load.with_context(|| format!("{} does not fit config.toml", self.path.display()))
    }
}
