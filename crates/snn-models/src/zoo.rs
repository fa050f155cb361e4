//! Every system of the zoo by name.

use serde::{Deserialize, Serialize};
use snn_attn::Attend;
use snn_core::{Builder, LoadError, Weights};

use crate::{
    network::{InputShape, Network},
    spikformer,
};

/// The shape of one network of any system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "system", rename_all = "kebab-case")]
pub enum Config {
    /// Spikformer, ICLR 2023.
    Spikformer(spikformer::Config),
}

impl Config {
    /// Name of the system, as configurations and weights carry it.
    pub const fn system(&self) -> &'static str {
        match self {
            Self::Spikformer(_) => "spikformer",
        }
    }

    /// What the network takes.
    pub fn input(&self) -> InputShape {
        match self {
            Self::Spikformer(config) => config.input(),
        }
    }

    /// Classes that it tells apart.
    pub const fn classes(&self) -> usize {
        match self {
            Self::Spikformer(config) => config.classes,
        }
    }

    /// Builds the network with tensors of a checkpoint or freshly drawn ones.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration contradicts itself or tensors do not
    /// fit it.
    pub fn build<B: Attend + 'static>(
        &self,
        from: &Builder<'_, B>,
    ) -> Result<Box<dyn Network<B>>, LoadError> {
        Ok(match self {
            Self::Spikformer(config) => Box::new(config.build(from)?),
        })
    }

    /// Builds the network from a checkpoint that must hold its tensors and no
    /// others.
    ///
    /// # Errors
    /// As [`Config::build`], and [`LoadError::Extra`].
    pub fn load<B: Attend + 'static>(
        &self,
        backend: &B,
        weights: &Weights,
    ) -> Result<Box<dyn Network<B>>, LoadError> {
        let builder = Builder::load(backend, weights);
        let network = self.build(&builder)?;
        builder.finish()?;
        Ok(network)
    }

    /// Builds the network freshly drawn, and gives its initial checkpoint.
    ///
    /// # Errors
    /// As [`Config::build`].
    pub fn draw<B: Attend + 'static>(
        &self,
        backend: &B,
        seed: u64,
    ) -> Result<(Box<dyn Network<B>>, Weights), LoadError> {
        let builder = Builder::draw(backend, seed);
        let network = self.build(&builder)?;
        Ok((network, builder.finish()?))
    }
}

/// How far we trust a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Outputs of the authors' own code are reproduced on small networks of
    /// this system and variant.
    Reproduced,
    /// Nothing of the authors' to compare with: it is our reading of the paper.
    OurReading,
}

/// One published network.
#[derive(Clone, Debug, Serialize)]
pub struct Preset {
    /// Name, such as `spikformer-4-384`.
    pub name: &'static str,
    /// What it was published for.
    pub task: &'static str,
    /// Learnable numbers, as PyTorch counts them.
    pub parameters: usize,
    /// Published top-1 accuracy in percent.
    pub accuracy: Option<f64>,
    /// Where it was published.
    pub source: &'static str,
    /// How far we trust it.
    pub status: Status,
    /// Its shape.
    pub config: Config,
}

impl Preset {
    /// Every preset of the zoo.
    pub fn all() -> Vec<Self> {
        spikformer::presets()
    }

    /// The preset of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|preset| preset.name == name)
    }
}
