//! STAtten: the Spike-driven Transformer with an attention in which the tokens
//! of several time steps see each other. Source: Lee et al., *Spiking
//! Transformer with Spatial-Temporal Attention*, CVPR 2025, arXiv 2409.19764.
//!
//! Parameter names are those of the authors' code, which are those of the
//! Spike-driven Transformer; its weights load, and mean something else.

use serde::{Deserialize, Serialize};
use snn_attn::{Agreement, Attend, Similarity};
use snn_core::{Backend, Builder, Event, LoadError, Pass, Signal, Window, layer::NeuronLayer};

use crate::{
    attention::{account, account_silence},
    check::divisor,
    membrane_shortcut::{Attention, Branches},
    network::{InputShape, Network},
    spike_driven_transformer::{self as host, ChannelMask, Pooling, SpikeMode},
    zoo::{self, Preset, Status},
};

/// Shape of an STAtten network; what its host has too means the same.
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
    /// Heads of each attention.
    pub heads: usize,
    /// Width of the hidden layer of each MLP, in units of `dim`.
    pub mlp_ratio: usize,
    /// Time steps T.
    pub time_steps: usize,
    /// Consecutive time steps that attend jointly; divides `time_steps`. Of no
    /// meaning to the attention of the Spike-driven Transformer.
    pub chunk: usize,
    /// Which attention the blocks have.
    #[serde(default)]
    pub attention: Mode,
    /// Which stages of the embedding halve the image.
    pub pooling: Pooling,
    /// Whether the attention max-pools its queries, keys and values with a 3x3
    /// window, and gates its output by its pooled input, as on event data.
    pub dvs_mode: bool,
    /// Whether logits are given for every time step: temporal efficient
    /// training (TET).
    pub tet: bool,
    /// Neurons of MLPs and head; embedding and attention are always LIF.
    #[serde(default)]
    pub spike_mode: SpikeMode,
    /// How queries and keys are compared.
    #[serde(default)]
    pub similarity: Similarity,
}

/// The attentions of the released code; its own spelling is understood too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Block-wise spatial-temporal attention.
    #[default]
    #[serde(alias = "STAtten")]
    Statten,
    /// That of the Spike-driven Transformer; with `dvs_mode`, queries are
    /// pooled too.
    #[serde(alias = "SDT")]
    Sdt,
}

impl Config {
    /// The networks for CIFAR-10.
    pub const fn cifar(depth: usize, dim: usize) -> Self {
        Self::on(&host::Config::cifar(depth, dim), 2)
    }

    /// The networks for ImageNet at 224 pixels.
    pub const fn imagenet(depth: usize, dim: usize) -> Self {
        Self::on(&host::Config::imagenet(depth, dim), 2)
    }

    /// The network for 16 frames of 64x64 events.
    pub const fn dvs(classes: usize) -> Self {
        Self::on(&host::Config::dvs(classes), 4)
    }

    /// A Spike-driven Transformer with this attention in it.
    pub const fn on(host: &host::Config, chunk: usize) -> Self {
        Self {
            image: host.image,
            in_channels: host.in_channels,
            events: host.events,
            classes: host.classes,
            dim: host.dim,
            depth: host.depth,
            heads: host.heads,
            mlp_ratio: host.mlp_ratio,
            time_steps: host.time_steps,
            chunk,
            attention: Mode::Statten,
            pooling: host.pooling,
            dvs_mode: host.dvs_mode,
            tet: host.tet,
            spike_mode: host.spike_mode,
            similarity: host.similarity,
        }
    }

    /// The Spike-driven Transformer that the attention is put into.
    const fn host(&self) -> host::Config {
        host::Config {
            image: self.image,
            in_channels: self.in_channels,
            events: self.events,
            classes: self.classes,
            dim: self.dim,
            depth: self.depth,
            heads: self.heads,
            mlp_ratio: self.mlp_ratio,
            time_steps: self.time_steps,
            pooling: self.pooling,
            dvs_mode: self.dvs_mode,
            tet: self.tet,
            spike_mode: self.spike_mode,
            similarity: self.similarity,
        }
    }

    /// What the network takes.
    pub fn input(&self) -> InputShape {
        self.host().input()
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        self.host().validate()?;
        match self.attention {
            Mode::Statten => divisor("chunk", self.chunk, self.time_steps),
            Mode::Sdt => Ok(()),
        }
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
        self.host()
            .trunk(SpikeMode::Lif)
            .build(from, |from| SpatialTemporalAttention::new(self, from))
    }

    /// The scale of `K^T V`: one over the height of the map, or on event data
    /// over its square and the steps of a chunk.
    fn scale(&self) -> f64 {
        let height = (self.image[0] / self.pooling.stride()) as f64;
        let divisor = if self.dvs_mode { height * height * self.chunk as f64 } else { height };
        1.0 / divisor
    }
}

struct SpatialTemporalAttention<B: Backend> {
    branches: Branches<B>,
    middle: Middle<B>,
    dvs_mode: bool,
}

/// What is made of queries, keys and values.
enum Middle<B: Backend> {
    Statten(JointAttention<B>),
    Sdt(ChannelMask<B>),
}

impl<B: Attend> SpatialTemporalAttention<B> {
    fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let spike_mode = SpikeMode::Lif;
        let host = host::Config { spike_mode, ..cfg.host() };
        Ok(Self {
            branches: Branches::new(cfg.dim, cfg.heads, spike_mode, from)?,
            middle: match cfg.attention {
                Mode::Statten => Middle::Statten(JointAttention::new(cfg, from)?),
                Mode::Sdt => Middle::Sdt(ChannelMask::new(&host, from)?),
            },
            dvs_mode: cfg.dvs_mode,
        })
    }
}

impl<B: Attend> Attention<B> for SpatialTemporalAttention<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let (input, qkv) = self.branches.fire(pass, x);
        let backend = pass.backend;
        let pool = |x: B::Spikes| match self.dvs_mode {
            true => backend.max_pool(&x, Window::SAME3),
            false => x,
        };
        let [q, k, v] = &qkv.map(pool);
        match &self.middle {
            Middle::Sdt(mask) => {
                let y = mask.forward(pass, [q, k, v]);
                self.branches.project(pass, &y)
            }
            Middle::Statten(attention) if self.dvs_mode => {
                let (y, input) = (attention.forward(pass, [q, k, v]), pool(input));
                let y = backend.add(&backend.widen(&backend.mask(&y, &input)), &input);
                self.branches.project(pass, &y) // counts of 0, 1 or 2
            }
            Middle::Statten(attention) => {
                let y = attention.forward(pass, [q, k, v]);
                self.branches.project(pass, &y)
            }
        }
    }
}

/// Attention within chunks of time steps.
struct JointAttention<B: Backend> {
    name: String,
    heads: usize,
    chunk: usize,
    scale: f64,
    agreement: Agreement<B>,
    attn_lif: NeuronLayer<B>,
}

impl<B: Attend> JointAttention<B> {
    fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let neuron = SpikeMode::Lif.neuron().with_threshold(0.5);
        Ok(Self {
            name: from.path().to_owned(),
            heads: cfg.heads,
            chunk: cfg.chunk,
            scale: cfg.scale(),
            agreement: cfg.similarity.build(from, cfg.dim, cfg.heads)?,
            attn_lif: from.neuron("attn_lif", neuron)?,
        })
    }

    /// Spikes `[T, B, H, W, D]` in and out.
    fn forward(&self, pass: &mut Pass<'_, B>, [q, k, v]: [&B::Spikes; 3]) -> B::Spikes {
        let Self { name, heads, chunk, scale, agreement, attn_lif } = self;
        pass.observe(Event::Attention { name, q: q.input(), k: k.input(), heads: *heads });
        account(pass, name, q, k, v, *heads);
        account_silence(pass, name, agreement, [q, k, v]);
        let y = agreement.attend_chunks(pass.backend, [q, k, v], *heads, *chunk, *scale);
        attn_lif.forward(pass, &y)
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
        source: "Lee et al., Spiking Transformer with Spatial-Temporal Attention, CVPR 2025, \
                 arXiv 2409.19764",
        status: Status::Reproduced,
        config: zoo::Config::Statten(config),
    };
    let (cifar, imagenet, dvs) = (Config::cifar, Config::imagenet, Config::dvs);
    let hundred = |config| Config { classes: 100, ..config };
    let tet = |config| Config { tet: true, ..config };
    let (c10, c100, i1k) = ("CIFAR-10", "CIFAR-100", "ImageNet");
    let (c10_dvs, c101) = ("CIFAR10-DVS", "N-Caltech101");
    vec![
        preset("statten-2-256", c10, 2_567_082, None, cifar(2, 256)),
        preset("statten-2-512", c10, 10_233_546, Some(96.03), cifar(2, 512)),
        preset("statten-2-256-cifar100", c100, 2_590_212, None, hundred(cifar(2, 256))),
        preset("statten-2-512-cifar100", c100, 10_279_716, Some(79.85), hundred(cifar(2, 512))),
        preset("statten-8-512", i1k, 29_689_896, None, imagenet(8, 512)),
        preset("statten-8-768", i1k, 66_339_144, Some(78.11), imagenet(8, 768)),
        preset("statten-2-256-cifar10-dvs", c10_dvs, 2_566_794, Some(83.9), tet(dvs(10))),
        preset("statten-2-256-n-caltech101", c101, 2_590_181, Some(84.25), dvs(101)),
    ]
}
