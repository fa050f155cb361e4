//! What using a trained network needs of its run folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use snn_attn::Attend;
use snn_core::Weights;
use snn_data::{EventSettings, Settings, SoundSettings, Sources};
use snn_models::{Config, Network};

use crate::data;

/// A trained network: `config.toml` and `model.safetensors` of its run folder.
#[derive(Clone, Debug)]
pub struct Trained {
    /// What it is.
    pub description: Description,
    path: PathBuf,
    weights: Weights,
}

/// The keys of `config.toml` that say what a network is; those of its training are passed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// Dataset that it was trained on.
    pub dataset: String,
    /// Folder that the dataset's files were read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Its shape.
    pub model: Config,
    /// How recordings of events become its frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventSettings>,
    /// How sounds become its frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundSettings>,
}

impl Description {
    /// Opens its dataset, the files in `dir`, as evaluation sees it.
    ///
    /// # Errors
    /// Those of [`data::open`].
    pub fn data(&self, dir: Option<&Path>) -> Result<Sources> {
        let (events, sound) = (self.events.clone(), self.sound.clone());
        let settings = Settings { events, sound, ..Settings::default() };
        data::open(&self.dataset, dir, &self.model, &settings)
    }
}

impl Trained {
    /// Reads the run folder `dir`.
    ///
    /// # Errors
    /// If it is no run folder, has no finished epoch yet, or a file in it is damaged.
    pub fn open(dir: &Path) -> Result<Self> {
        let (config, path) = (dir.join("config.toml"), dir.join("model.safetensors"));
        ensure!(
            config.is_file(),
            "{} is no run folder: it has no config.toml; `snn train --out {0}` makes one",
            dir.display()
        );
        ensure!(
            !crate::text::is_text(dir),
            "{} holds a language model: use `snn generate` or `snn eval`",
            dir.display()
        );
        let text = fs::read_to_string(&config)
            .with_context(|| format!("cannot read {}", config.display()))?;
        let description = toml::from_str(&text)
            .with_context(|| format!("{} does not describe a network", config.display()))?;
        ensure!(
            path.is_file(),
            "{} has no model.safetensors: no epoch is finished yet; \
             go on with `snn train --resume {0}`",
            dir.display()
        );
        let weights = Weights::load(&path)?;
        Ok(Self { description, path, weights })
    }

    /// The network on `backend`.
    ///
    /// # Errors
    /// If the weights are not those of a network of this description.
    pub fn network<B: Attend + 'static>(&self, backend: &B) -> Result<Box<dyn Network<B>>> {
        let load = self.description.model.load(backend, &self.weights);
        load.with_context(|| format!("{} does not fit config.toml", self.path.display()))
    }

    /// Learnable numbers.
    pub fn parameters(&self) -> usize {
        self.weights.parameters()
    }
}
