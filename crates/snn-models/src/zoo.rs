//! Every system of the zoo by name.

use serde::{Deserialize, Serialize};
use snn_attn::Attend;
use snn_core::{Builder, LoadError, Outline, Weights};

use crate::{
    e_spikeformer, efficient, lsformer, meta_spikeformer,
    network::{InputShape, Network},
    qkformer, qsd_transformer, spike_driven_transformer, spikformer, statten, teformer,
};

/// The shape of one network of any system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "system", rename_all = "kebab-case")]
pub enum Config {
    /// Spikformer, ICLR 2023.
    Spikformer(spikformer::Config),
    /// Spike-driven Transformer (V1), NeurIPS 2023.
    SpikeDrivenTransformer(spike_driven_transformer::Config),
    /// Meta-SpikeFormer (Spike-driven Transformer V2), ICLR 2024.
    MetaSpikeformer(meta_spikeformer::Config),
    /// E-SpikeFormer (Spike-driven Transformer V3), TPAMI 2025.
    ESpikeformer(e_spikeformer::Config),
    /// QSD-Transformer, ICLR 2025.
    QsdTransformer(qsd_transformer::Config),
    /// QKFormer, NeurIPS 2024.
    Qkformer(qkformer::Config),
    /// STAtten, CVPR 2025.
    Statten(statten::Config),
    /// Efficient spiking transformer: attention on kernel hashes, ours.
    EfficientSpikingTransformer(efficient::Config),
    /// LSFormer, arXiv 2605.13887, as we read it.
    Lsformer(lsformer::Config),
    /// TEFormer, arXiv 2601.18274.
    Teformer(teformer::Config),
}

impl Config {
    /// Name of the system, as configurations and weights carry it.
    pub const fn system(&self) -> &'static str {
        match self {
            Self::Spikformer(_) => "spikformer",
            Self::SpikeDrivenTransformer(_) => "spike-driven-transformer",
            Self::MetaSpikeformer(_) => "meta-spikeformer",
            Self::ESpikeformer(_) => "e-spikeformer",
            Self::QsdTransformer(_) => "qsd-transformer",
            Self::Qkformer(_) => "qkformer",
            Self::Statten(_) => "statten",
            Self::EfficientSpikingTransformer(_) => "efficient-spiking-transformer",
            Self::Lsformer(_) => "lsformer",
            Self::Teformer(_) => "teformer",
        }
    }

    /// What the network takes.
    pub fn input(&self) -> InputShape {
        match self {
            Self::Spikformer(config) => config.input(),
            Self::SpikeDrivenTransformer(config) => config.input(),
            Self::MetaSpikeformer(config) => config.input(),
            Self::ESpikeformer(config) => config.input(),
            Self::QsdTransformer(config) => config.input(),
            Self::Qkformer(config) => config.input(),
            Self::Statten(config) => config.input(),
            Self::EfficientSpikingTransformer(config) => config.input(),
            Self::Lsformer(config) => config.input(),
            Self::Teformer(config) => config.input(),
        }
    }

    /// Classes that it tells apart.
    pub const fn classes(&self) -> usize {
        match self {
            Self::Spikformer(config) => config.classes,
            Self::SpikeDrivenTransformer(config) => config.classes,
            Self::MetaSpikeformer(config) => config.classes,
            Self::ESpikeformer(config) => config.classes(),
            Self::QsdTransformer(config) => config.classes,
            Self::Qkformer(config) => config.classes,
            Self::Statten(config) => config.classes,
            Self::EfficientSpikingTransformer(config) => config.host.classes,
            Self::Lsformer(config) => config.classes,
            Self::Teformer(config) => config.classes,
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
            Self::SpikeDrivenTransformer(config) => Box::new(config.build(from)?),
            Self::MetaSpikeformer(config) => Box::new(config.build(from)?),
            Self::ESpikeformer(config) => config.build(from)?,
            Self::QsdTransformer(config) => Box::new(config.build(from)?),
            Self::Qkformer(config) => Box::new(config.build(from)?),
            Self::Statten(config) => Box::new(config.build(from)?),
            Self::EfficientSpikingTransformer(config) => Box::new(config.build(from)?),
            Self::Lsformer(config) => config.build(from)?,
            Self::Teformer(config) => Box::new(config.build(from)?),
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

    /// Builds the network without numbers, of any size in no time, and gives its
    /// tensors: names and shapes, all zero.
    ///
    /// # Errors
    /// As [`Config::build`].
    pub fn outline(&self) -> Result<(Box<dyn Network<Outline>>, Weights), LoadError> {
        let builder = Builder::zeros(&Outline);
        let network = self.build(&builder)?;
        Ok((network, builder.finish()?))
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

/// One published network: an image classifier, unless `C` says otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Preset<C = Config> {
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
    pub config: C,
}

impl Preset {
    /// Every preset of the zoo.
    pub fn all() -> Vec<Self> {
        let mut presets = spikformer::presets();
        presets.extend(spike_driven_transformer::presets());
        presets.extend(meta_spikeformer::presets());
        presets.extend(e_spikeformer::presets());
        presets.extend(qsd_transformer::presets());
        presets.extend(qkformer::presets());
        presets.extend(statten::presets());
        presets.extend(efficient::presets());
        presets.extend(lsformer::presets());
        presets.extend(teformer::presets());
        presets
    }

    /// The preset of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|preset| preset.name == name)
    }
}
