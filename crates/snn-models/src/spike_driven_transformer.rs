//! Spike-driven Transformer (V1): residuals of membranes, and an attention of
//! masks and additions only. Source: Yao et al., *Spike-driven Transformer*,
//! NeurIPS 2023, arXiv 2307.01694.
//!
//! Parameter names are those of the authors' code. Where it departs from the
//! paper this is the code: see [`Config::dvs_mode`].

use serde::{Deserialize, Serialize};
use snn_attn::{Agreement, Attend, Similarity, sdsa1};
use snn_core::{Backend, Builder, LoadError, Pass, Window, layer::NeuronLayer};

pub use crate::membrane_shortcut::{Pooling, SpikeMode};
use crate::{
    attention::account_masks,
    check::{divisor, multiple, positive},
    membrane_shortcut::{Attention, Branches, Trunk},
    network::{InputShape, Network},
    zoo::{self, Preset, Status},
};

/// Shape of a Spike-driven Transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Height and width of the input.
    pub image: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Whether every time step has a frame of its own.
    pub events: bool,
    /// Classes.
    pub classes: usize,
    /// Width D of the blocks; the embedding needs a multiple of 8.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of each attention; they only matter in `dvs_mode`.
    pub heads: usize,
    /// Width of the hidden layer of each MLP, in units of `dim`.
    pub mlp_ratio: usize,
    /// Time steps T.
    pub time_steps: usize,
    /// Which stages of the embedding halve the image.
    pub pooling: Pooling,
    /// Whether the attention max-pools keys, values, their product and its
    /// output with a 3x3 window. The released code does so on CIFAR10-DVS, and
    /// pools the latter two over tokens and channels, not over pixels.
    pub dvs_mode: bool,
    /// Whether logits are given for every time step: temporal efficient
    /// training (TET).
    pub tet: bool,
    /// Neurons.
    #[serde(default)]
    pub spike_mode: SpikeMode,
    /// How keys and values are compared.
    #[serde(default)]
    pub similarity: Similarity,
}

impl Config {
    /// The networks for CIFAR-10.
    pub const fn cifar(depth: usize, dim: usize) -> Self {
        Self {
            image: [32, 32],
            in_channels: 3,
            events: false,
            classes: 10,
            dim,
            depth,
            heads: 8,
            mlp_ratio: 4,
            time_steps: 4,
            pooling: Pooling::LAST_TWO,
            dvs_mode: false,
            tet: false,
            spike_mode: SpikeMode::Lif,
            similarity: Similarity::Dot,
        }
    }

    /// The networks for ImageNet at 224 pixels.
    pub const fn imagenet(depth: usize, dim: usize) -> Self {
        Self { image: [224, 224], classes: 1000, pooling: Pooling::ALL, ..Self::cifar(depth, dim) }
    }

    /// The network for 16 frames of 64x64 events, as for CIFAR10-DVS.
    pub const fn dvs(classes: usize) -> Self {
        Self {
            image: [64, 64],
            in_channels: 2,
            events: true,
            classes,
            time_steps: 16,
            dvs_mode: true,
            ..Self::cifar(2, 256)
        }
    }

    /// The network for DVS128 Gesture, 16 frames of 128x128 events.
    pub const fn gesture() -> Self {
        Self { image: [128, 128], pooling: Pooling::LAST_THREE, dvs_mode: false, ..Self::dvs(11) }
    }

    /// What the network takes.
    pub fn input(&self) -> InputShape {
        let [height, width] = self.image;
        InputShape {
            time_steps: self.time_steps,
            height,
            width,
            channels: self.in_channels,
            events: self.events,
        }
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        self.similarity.validate()?;
        positive("in_channels", self.in_channels)?;
        positive("classes", self.classes)?;
        positive("depth", self.depth)?;
        positive("mlp_ratio", self.mlp_ratio)?;
        positive("time_steps", self.time_steps)?;
        multiple("dim", self.dim, 8)?;
        divisor("heads", self.heads, self.dim)?;
        let stride = self.pooling.stride();
        self.image.iter().try_for_each(|&side| multiple("image", side, stride))
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration is contradictory or tensors do not
    /// fit it.
    pub fn build<B: Attend + 'static>(
        &self,
        from: &Builder<'_, B>,
    ) -> Result<impl Network<B> + use<B>, LoadError> {
        self.validate()?;
        self.trunk(self.spike_mode).build(from, |from| SpikeDrivenSelfAttention::new(self, from))
    }

    pub(crate) const fn trunk(&self, embedding: SpikeMode) -> Trunk {
        Trunk {
            in_channels: self.in_channels,
            classes: self.classes,
            dim: self.dim,
            depth: self.depth,
            mlp_ratio: self.mlp_ratio,
            time_steps: self.time_steps,
            pooling: self.pooling,
            tet: self.tet,
            embedding,
            spike_mode: self.spike_mode,
        }
    }
}

/// Spike-driven self-attention (SDSA-1).
struct SpikeDrivenSelfAttention<B: Backend> {
    branches: Branches<B>,
    mask: ChannelMask<B>,
    dvs_mode: bool,
}

impl<B: Attend> SpikeDrivenSelfAttention<B> {
    fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        cfg.spike_mode.unused(from, "attn_lif")?;
        Ok(Self {
            branches: Branches::new(cfg.dim, cfg.heads, cfg.spike_mode, from)?,
            mask: ChannelMask::new(cfg, from)?,
            dvs_mode: cfg.dvs_mode,
        })
    }
}

impl<B: Attend> Attention<B> for SpikeDrivenSelfAttention<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let (_, [q, mut k, mut v]) = self.branches.fire(pass, x);
        if self.dvs_mode {
            [k, v] = [&k, &v].map(|x| pass.backend.max_pool(x, Window::SAME3));
        }
        let y = self.mask.forward(pass, [&q, &k, &v]);
        self.branches.project(pass, &y)
    }
}

/// The middle of SDSA-1: keys and values decide which channels of the queries
/// pass.
pub(crate) struct ChannelMask<B: Backend> {
    name: String,
    heads: usize,
    /// Heads of the planes that are pooled, if they are.
    planes: Option<usize>,
    agreement: Agreement<B>,
    talking_heads_lif: NeuronLayer<B>,
}

impl<B: Attend> ChannelMask<B> {
    pub(crate) fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let neuron = cfg.spike_mode.neuron().with_threshold(0.5);
        Ok(Self {
            name: from.path().to_owned(),
            heads: cfg.heads,
            planes: cfg.dvs_mode.then_some(cfg.heads),
            agreement: cfg.similarity.build(from, cfg.dim, cfg.heads)?,
            talking_heads_lif: from.neuron("talking_heads_lif", neuron)?,
        })
    }

    /// Spikes `[T, B, H, W, D]` in and out.
    pub(crate) fn forward(&self, pass: &mut Pass<'_, B>, qkv: [&B::Spikes; 3]) -> B::Spikes {
        let Self { name, heads, planes, agreement, talking_heads_lif } = self;
        account_masks(pass, name, agreement, *planes, qkv, *heads);
        sdsa1(pass.backend, qkv, agreement, *planes, |current| {
            talking_heads_lif.forward(pass, current)
        })
    }
}

/// The published networks with their parameter counts, measured on the authors'
/// code.
pub(crate) fn presets() -> Vec<Preset> {
    let preset = |name, task, parameters, accuracy, config| Preset {
        name,
        task,
        parameters,
        accuracy,
        source: "Yao et al., Spike-driven Transformer, NeurIPS 2023, arXiv 2307.01694",
        status: Status::Reproduced,
        config: zoo::Config::SpikeDrivenTransformer(config),
    };
    let (cifar, imagenet) = (Config::cifar, Config::imagenet);
    let hundred = |config| Config { classes: 100, ..config };
    let larger = |config| Config { image: [288, 288], ..config };
    let (c10, c100, i1k) = ("CIFAR-10", "CIFAR-100", "ImageNet");
    let tet = Config { tet: true, ..Config::dvs(10) };
    macro_rules! named {
        ($suffix:literal) => {
            concat!("spike-driven-transformer-", $suffix)
        };
    }
    vec![
        preset(named!("2-256"), c10, 2_567_082, None, cifar(2, 256)),
        preset(named!("2-512"), c10, 10_233_546, Some(95.6), cifar(2, 512)),
        preset(named!("2-256-cifar100"), c100, 2_590_212, None, hundred(cifar(2, 256))),
        preset(named!("2-512-cifar100"), c100, 10_279_716, Some(78.4), hundred(cifar(2, 512))),
        preset(named!("8-384"), i1k, 16_816_536, Some(72.28), imagenet(8, 384)),
        preset(named!("6-512"), i1k, 23_373_736, Some(74.11), imagenet(6, 512)),
        preset(named!("8-512"), i1k, 29_689_896, Some(74.57), imagenet(8, 512)),
        preset(named!("10-512"), i1k, 36_006_056, Some(74.66), imagenet(10, 512)),
        preset(named!("8-768"), i1k, 66_339_144, Some(76.32), imagenet(8, 768)),
        preset(named!("8-768-288"), i1k, 66_339_144, Some(77.07), larger(imagenet(8, 768))),
        preset(named!("2-256-cifar10-dvs"), "CIFAR10-DVS", 2_566_794, Some(80.0), tet),
        preset(named!("2-256-gesture"), "DVS128 Gesture", 2_567_051, Some(99.3), Config::gesture()),
    ]
}
