//! Spikformer: the first spiking vision transformer. Binary queries, keys and
//! values, no softmax, spike-element-wise residuals. Source: Zhou et al.,
//! *Spikformer: When Spiking Neural Network Meets Transformer*, ICLR 2023.
//!
//! The authors released three model files that are not the same network; the
//! [`Variant`] says which. Parameter names are theirs, so their state dicts
//! load without renaming.

use serde::{Deserialize, Serialize};
use snn_attn::{Agreement, Attend, Similarity};
use snn_core::{
    Backend, Builder, Event, Init, LoadError, Neuron, Pass, Signal, Stage, Window,
    layer::{NeuronLayer, Synapse},
};

use crate::{
    attention::{account, account_silence},
    check::{divisor, multiple, positive},
    network::{Frames, InputShape, Network},
    zoo::{self, Preset, Status},
};

/// Shape of a Spikformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which of the released networks.
    pub variant: Variant,
    /// Height and width of the input.
    pub image: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
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
    /// How queries and keys are compared.
    #[serde(default)]
    pub similarity: Similarity,
}

/// The three released networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Two pools, linear layers with bias.
    Cifar,
    /// Four pools, 1x1 convolutions.
    Imagenet,
    /// Four pools, event frames, attention scale 0.25.
    Dvs,
}

impl Config {
    /// The networks of table 1 and 3 on CIFAR-10: `dim` 256 has 8 heads, 384
    /// has 12.
    pub const fn cifar(depth: usize, dim: usize, heads: usize) -> Self {
        Self {
            variant: Variant::Cifar,
            image: [32, 32],
            in_channels: 3,
            classes: 10,
            dim,
            depth,
            heads,
            mlp_ratio: 4,
            time_steps: 4,
            similarity: Similarity::Dot,
        }
    }

    /// The networks of table 2, on ImageNet at 224 pixels.
    pub const fn imagenet(depth: usize, dim: usize, heads: usize) -> Self {
        Self {
            variant: Variant::Imagenet,
            image: [224, 224],
            classes: 1000,
            ..Self::cifar(depth, dim, heads)
        }
    }

    /// The network of table 4, on 16 frames of 128x128 events.
    pub const fn dvs(classes: usize) -> Self {
        Self {
            variant: Variant::Dvs,
            image: [128, 128],
            in_channels: 2,
            classes,
            time_steps: 16,
            ..Self::cifar(2, 256, 16)
        }
    }

    /// What the network takes.
    pub fn input(&self) -> InputShape {
        let [height, width] = self.image;
        let events = self.variant == Variant::Dvs;
        InputShape {
            time_steps: self.time_steps,
            height,
            width,
            channels: self.in_channels,
            events,
        }
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        let Self {
            variant,
            image,
            in_channels,
            classes,
            dim,
            depth,
            heads,
            mlp_ratio,
            time_steps,
            similarity,
        } = *self;
        similarity.validate()?;
        positive("in_channels", in_channels)?;
        positive("classes", classes)?;
        positive("depth", depth)?;
        positive("mlp_ratio", mlp_ratio)?;
        positive("time_steps", time_steps)?;
        multiple("dim", dim, 8)?;
        divisor("heads", heads, dim)?;
        let shrinks = if variant == Variant::Cifar { 4 } else { 16 };
        image.iter().try_for_each(|&side| multiple("image", side, shrinks))
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration is contradictory or tensors do not
    /// fit it.
    pub fn build<B: Attend + 'static>(
        &self,
        from: &Builder<'_, B>,
    ) -> Result<Spikformer<B>, LoadError> {
        self.build_with(from, &|from| Ok(Box::new(SpikingSelfAttention::new(self, from)?)))
    }

    /// Builds the network with another attention in its blocks.
    pub(crate) fn build_with<B: Backend>(
        &self,
        from: &Builder<'_, B>,
        attention: &BuildAttention<'_, B>,
    ) -> Result<Spikformer<B>, LoadError> {
        self.validate()?;
        let tokens = self.image[0] / 16 * (self.image[1] / 16);
        if self.variant == Variant::Dvs {
            from.unused("pos_embed", &[1, tokens, self.dim], Init::Normal(0.02))?;
            norm_unused(from, "norm", self.dim)?;
        }
        let blocks = from.sub("block");
        Ok(Spikformer {
            time_steps: self.time_steps,
            patch_embed: PatchSplitting::new(self, &from.sub("patch_embed"))?,
            blocks: (0..self.depth)
                .map(|i| Block::new(self, &blocks.sub(i), attention))
                .collect::<Result<_, _>>()?,
            head: from.synapse(
                Stage::linear("head", self.dim, self.classes)
                    .init(Init::Normal(0.02))
                    .bias(Init::Constant(0.0)),
            )?,
        })
    }

    /// A layer over tokens, as this variant writes it: `kind` of a layer called
    /// `q` is `q_linear` or `q_conv`.
    fn token_layer<'a>(
        &self,
        name: &str,
        norm: &'a str,
        [inputs, outputs]: [usize; 2],
        layer: Layer,
    ) -> Stage<'a> {
        let kind = if self.variant == Variant::Cifar { "linear" } else { "conv" };
        let stage = Stage::linear(format!("{name}_{kind}"), inputs, outputs).norm(norm);
        let (stage, bias) = match self.variant {
            Variant::Cifar => (stage.init(Init::Normal(0.02)), Init::Constant(0.0)),
            Variant::Imagenet if layer == Layer::Mlp => (stage.trailing(2), Init::FanIn(inputs)),
            _ => (stage.trailing(1), Init::FanIn(inputs)),
        };
        let biased = self.variant == Variant::Cifar || layer != Layer::Qkv;
        if biased { stage.bias(bias) } else { stage }
    }

    const fn scale(&self) -> f64 {
        if matches!(self.variant, Variant::Dvs) { 0.25 } else { 0.125 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Qkv,
    Proj,
    Mlp,
}

/// The network.
pub struct Spikformer<B: Backend> {
    time_steps: usize,
    patch_embed: PatchSplitting<B>,
    blocks: Vec<Block<B>>,
    head: Synapse<B>,
}

impl<B: Backend> Network<B> for Spikformer<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let mut x = self.patch_embed.forward(pass, input, self.time_steps);
        pass.output("patch_embed", &x);
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(pass, &x);
            pass.output(&format!("block.{i}"), &x);
        }
        let mean = pass.backend.mean_positions(&pass.backend.scale(&x, 1.0));
        let mean = pass.backend.mean_time(&mean); // [B, D]: the head is linear, so this order is free
        let one_step = [&[1], &mean.shape()[..]].concat();
        let logits = self.head.forward(pass, &mean.reshape(&one_step));
        logits.reshape(&logits.shape()[1..])
    }
}

/// Spiking patch splitting (SPS) and the conditional position generator.
struct PatchSplitting<B: Backend> {
    stages: Vec<(Synapse<B>, NeuronLayer<B>, bool)>,
    rpe: Synapse<B>,
    rpe_lif: NeuronLayer<B>,
}

impl<B: Backend> PatchSplitting<B> {
    fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let widths = [cfg.in_channels, cfg.dim / 8, cfg.dim / 4, cfg.dim / 2, cfg.dim];
        let conv = |name: String, norm: &str, inputs, outputs| {
            from.synapse(Stage::conv2d(name, inputs, outputs, Window::SAME3).norm(norm))
        };
        let stages = (0..4).map(|i| {
            let n = if i == 0 { String::new() } else { i.to_string() };
            let pools = cfg.variant != Variant::Cifar || i >= 2;
            let (norm, lif) = (format!("proj_bn{n}"), format!("proj_lif{n}"));
            let synapse = conv(format!("proj_conv{n}"), &norm, widths[i], widths[i + 1])?;
            Ok((synapse, from.neuron(&lif, Neuron::lif(2.0))?, pools))
        });
        Ok(Self {
            stages: stages.collect::<Result<_, LoadError>>()?,
            rpe: conv("rpe_conv".into(), "rpe_bn", cfg.dim, cfg.dim)?,
            rpe_lif: from.neuron("rpe_lif", Neuron::lif(2.0))?,
        })
    }

    /// Counts `[T, B, H', W', D]`: 0, 1 or 2.
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>, time_steps: usize) -> B::Counts {
        let mut spikes: Option<B::Spikes> = None;
        for (synapse, lif, pools) in &self.stages {
            let current = match &spikes {
                None => input.current(pass, synapse, time_steps),
                Some(spikes) => synapse.forward(pass, spikes),
            };
            let fired = lif.forward(pass, &current);
            let pooled = pools.then(|| pass.backend.max_pool(&fired, Window::HALVE3));
            spikes = Some(pooled.unwrap_or(fired));
        }
        let Some(spikes) = spikes else { unreachable!("there are four stages") };
        let current = self.rpe.forward(pass, &spikes);
        let position = self.rpe_lif.forward(pass, &current);
        pass.backend.add(&pass.backend.widen(&spikes), &position)
    }
}

/// The attention of a block.
pub(crate) trait Attention<B: Backend> {
    /// Counts `[T, B, positions..., D]` in, spikes out.
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes;
}

/// Builds the attention of a block.
pub(crate) type BuildAttention<'a, B> =
    dyn Fn(&Builder<'_, B>) -> Result<Box<dyn Attention<B>>, LoadError> + 'a;

struct Block<B: Backend> {
    attn: Box<dyn Attention<B>>,
    mlp: [(Synapse<B>, NeuronLayer<B>); 2],
}

impl<B: Backend> Block<B> {
    fn new(
        cfg: &Config,
        from: &Builder<'_, B>,
        attention: &BuildAttention<'_, B>,
    ) -> Result<Self, LoadError> {
        norm_unused(from, "norm1", cfg.dim)?;
        norm_unused(from, "norm2", cfg.dim)?;
        let (mlp, hidden) = (from.sub("mlp"), cfg.dim * cfg.mlp_ratio);
        let layer = |name: &str, widths| -> Result<_, LoadError> {
            let (norm, lif) = (format!("{name}_bn"), format!("{name}_lif"));
            let synapse = mlp.synapse(cfg.token_layer(name, &norm, widths, Layer::Mlp))?;
            Ok((synapse, mlp.neuron(&lif, Neuron::lif(2.0))?))
        };
        Ok(Self {
            attn: attention(&from.sub("attn"))?,
            mlp: [layer("fc1", [cfg.dim, hidden])?, layer("fc2", [hidden, cfg.dim])?],
        })
    }

    /// Counts `[T, B, H', W', D]` in and out, greater by up to 2.
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Counts {
        let attended = self.attn.forward(pass, x);
        let x = pass.backend.add(x, &attended);
        let [(fc1, fc1_lif), (fc2, fc2_lif)] = &self.mlp;
        let current = fc1.forward(pass, &x);
        let hidden = fc1_lif.forward(pass, &current);
        let current = fc2.forward(pass, &hidden);
        let spikes = fc2_lif.forward(pass, &current);
        pass.backend.add(&x, &spikes)
    }
}

/// Spiking self-attention (SSA), equations 5 to 7.
struct SpikingSelfAttention<B: Backend> {
    name: String,
    heads: usize,
    scale: f64,
    agreement: Agreement<B>,
    qkv: [(Synapse<B>, NeuronLayer<B>); 3],
    attn_lif: NeuronLayer<B>,
    proj: Synapse<B>,
    proj_lif: NeuronLayer<B>,
}

impl<B: Attend> SpikingSelfAttention<B> {
    fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let layer = |name: &str, kind| -> Result<_, LoadError> {
            let (norm, lif) = (format!("{name}_bn"), format!("{name}_lif"));
            let stage = cfg.token_layer(name, &norm, [cfg.dim, cfg.dim], kind);
            Ok((from.synapse(stage)?, from.neuron(&lif, Neuron::lif(2.0))?))
        };
        let (proj, proj_lif) = layer("proj", Layer::Proj)?;
        Ok(Self {
            name: from.path().to_owned(),
            heads: cfg.heads,
            scale: cfg.scale(),
            agreement: cfg.similarity.build(from, cfg.dim, cfg.heads)?,
            qkv: [layer("q", Layer::Qkv)?, layer("k", Layer::Qkv)?, layer("v", Layer::Qkv)?],
            attn_lif: from.neuron("attn_lif", Neuron::lif(2.0).with_threshold(0.5))?,
            proj,
            proj_lif,
        })
    }
}

impl<B: Attend> Attention<B> for SpikingSelfAttention<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes {
        let [q, k, v] = &self.qkv.each_ref().map(|(synapse, lif)| {
            let current = synapse.forward(pass, x);
            lif.forward(pass, &current)
        });
        let heads = self.heads;
        pass.observe(Event::Attention { name: &self.name, q: q.input(), k: k.input(), heads });
        account(pass, &self.name, q, k, v, heads);
        account_silence(pass, &self.name, &self.agreement, [q, k, v]);
        let current = self.agreement.attend(pass.backend, [q, k, v], heads, self.scale);
        let spikes = self.attn_lif.forward(pass, &current);
        let current = self.proj.forward(pass, &spikes);
        self.proj_lif.forward(pass, &current)
    }
}

/// LayerNorms that the authors' code creates and never applies.
fn norm_unused<B: Backend>(from: &Builder<'_, B>, name: &str, dim: usize) -> Result<(), LoadError> {
    let part = from.sub(name);
    part.unused("weight", &[dim], Init::Constant(1.0))?;
    part.unused("bias", &[dim], Init::Constant(0.0))
}

/// The published networks with their parameter counts, measured on the authors'
/// code.
pub(crate) fn presets() -> Vec<Preset> {
    let preset = |name, task, parameters, accuracy, config| Preset {
        name,
        task,
        parameters,
        accuracy: Some(accuracy),
        source: "Zhou et al., Spikformer, ICLR 2023, arXiv 2209.15425",
        status: Status::Reproduced,
        config: zoo::Config::Spikformer(config),
    };
    let (cifar, imagenet) = (Config::cifar, Config::imagenet);
    let hundred = |config: Config| Config { classes: 100, ..config };
    let (c10, c100, i1k) = ("CIFAR-10", "CIFAR-100", "ImageNet");
    vec![
        preset("spikformer-4-256", c10, 4_159_274, 93.94, cifar(4, 256, 8)),
        preset("spikformer-2-384", c10, 5_768_122, 94.80, cifar(2, 384, 12)),
        preset("spikformer-4-384", c10, 9_330_874, 95.19, cifar(4, 384, 12)),
        preset("spikformer-4-256-cifar100", c100, 4_182_404, 75.96, hundred(cifar(4, 256, 8))),
        preset("spikformer-2-384-cifar100", c100, 5_802_772, 76.95, hundred(cifar(2, 384, 12))),
        preset("spikformer-4-384-cifar100", c100, 9_365_524, 77.86, hundred(cifar(4, 384, 12))),
        preset("spikformer-8-384", i1k, 16_828_312, 70.24, imagenet(8, 384, 6)),
        preset("spikformer-6-512", i1k, 23_385_640, 72.46, imagenet(6, 512, 8)),
        preset("spikformer-8-512", i1k, 29_705_768, 73.38, imagenet(8, 512, 8)),
        preset("spikformer-10-512", i1k, 36_025_896, 73.68, imagenet(10, 512, 8)),
        preset("spikformer-8-768", i1k, 66_363_208, 74.81, imagenet(8, 768, 12)),
        preset("spikformer-2-256-cifar10-dvs", "CIFAR10-DVS", 2_585_610, 80.9, Config::dvs(10)),
        preset("spikformer-2-256-gesture", "DVS128 Gesture", 2_585_867, 98.3, Config::dvs(11)),
    ]
}
