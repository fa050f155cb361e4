//! QKFormer: a hierarchical spiking transformer, with attentions of linear cost
//! in its early stages. Source: Zhou et al., *QKFormer: Hierarchical Spiking
//! Transformer using Q-K Attention*, NeurIPS 2024, arXiv 2403.16552.
//!
//! The authors released three model files that are not the same network; the
//! [`Variant`] says which. Parameter names are theirs.

pub(crate) mod block;
pub(crate) mod embedding;

use serde::{Deserialize, Serialize};
use snn_attn::{Attend, Similarity};
use snn_core::{
    Backend, Builder, Init, LoadError, Neuron, Pass, Signal, Stage,
    layer::{NeuronLayer, Synapse},
};

use self::{
    block::Block,
    embedding::{PatchEmbedding, Place},
};
use crate::{
    check::{divisor, multiple, positive, stages},
    network::{Frames, InputShape, Network},
    zoo::{self, Preset, Status},
};

/// Shape of a QKFormer.
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
    /// Width D of the last stage; each stage is twice as wide as the one
    /// before. A multiple of 8, or of 16 for event frames.
    pub dim: usize,
    /// Blocks of each stage: three stages, or two for event frames. All but
    /// the last have Q-K attention.
    pub depths: Vec<usize>,
    /// Heads of each attention.
    pub heads: usize,
    /// Width of the hidden layer of each MLP, in units of its input.
    pub mlp_ratio: usize,
    /// Time steps T.
    pub time_steps: usize,
    /// What the Q-K attentions mask; the released networks mask tokens.
    #[serde(default)]
    pub qk_attention: QkAttention,
    /// Whether the last neuron of each self-attention runs through the samples
    /// of a batch as if they were time steps, so that the output of a sample
    /// depends on its neighbours. The released code does; published weights
    /// need it.
    #[serde(default = "coupled")]
    pub batch_coupled: bool,
    /// How the self-attentions of the last stage compare queries and keys.
    #[serde(default)]
    pub similarity: Similarity,
}

/// The three released networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Three stages, one token from 4x4 pixels at the end.
    Cifar,
    /// Three stages, 16x16 pixels.
    Imagenet,
    /// Two stages on event frames, 16x16 pixels.
    Dvs,
}

/// What a Q-K attention masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QkAttention {
    /// Tokens, head by head.
    #[default]
    Token,
    /// Channels.
    Channel,
}

const fn coupled() -> bool {
    true
}

impl Variant {
    /// How many pixels become one token of the last stage, along each side.
    pub(crate) const fn stride(self) -> usize {
        match self {
            Self::Cifar => 4,
            Self::Imagenet | Self::Dvs => 16,
        }
    }

    pub(crate) const fn stages(self) -> usize {
        match self {
            Self::Cifar | Self::Imagenet => 3,
            Self::Dvs => 2,
        }
    }

    /// Names of the self-attention and, with a `#` for what it is, of the layers of an MLP.
    const fn names(self) -> (&'static str, [&'static str; 2]) {
        match self {
            Self::Imagenet => ("attn", ["fc1_#", "fc2_#"]),
            Self::Cifar | Self::Dvs => ("ssa", ["mlp1_#", "mlp2_#"]),
        }
    }
}

impl Config {
    /// The network for CIFAR-10, HST-4-384.
    pub fn cifar() -> Self {
        Self {
            variant: Variant::Cifar,
            image: [32, 32],
            in_channels: 3,
            classes: 10,
            dim: 384,
            depths: vec![1, 1, 2],
            heads: 8,
            mlp_ratio: 4,
            time_steps: 4,
            qk_attention: QkAttention::Token,
            batch_coupled: true,
            similarity: Similarity::Dot,
        }
    }

    /// The networks for ImageNet at 224 pixels, HST-10.
    pub fn imagenet(dim: usize, heads: usize) -> Self {
        Self {
            variant: Variant::Imagenet,
            image: [224, 224],
            classes: 1000,
            dim,
            depths: vec![1, 2, 7],
            heads,
            ..Self::cifar()
        }
    }

    /// The networks for 16 frames of 128x128 events.
    pub fn dvs(classes: usize, mlp_ratio: usize) -> Self {
        Self {
            variant: Variant::Dvs,
            image: [128, 128],
            in_channels: 2,
            classes,
            dim: 256,
            depths: vec![1, 1],
            heads: 16,
            mlp_ratio,
            time_steps: 16,
            ..Self::cifar()
        }
    }

    /// What the network takes.
    pub fn input(&self) -> InputShape {
        let [height, width] = self.image;
        InputShape {
            time_steps: self.time_steps,
            height,
            width,
            channels: self.in_channels,
            events: self.variant == Variant::Dvs,
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
        positive("mlp_ratio", self.mlp_ratio)?;
        positive("time_steps", self.time_steps)?;
        stages("depths", &self.depths, self.variant.stages())?;
        self.depths.iter().try_for_each(|&depth| positive("depths", depth))?;
        multiple("dim", self.dim, if self.variant == Variant::Dvs { 16 } else { 8 })?;
        divisor("heads", self.heads, self.width(0))?;
        let stride = self.variant.stride();
        self.image.iter().try_for_each(|&side| multiple("image", side, stride))
    }

    /// Width of a stage, counted from 0.
    fn width(&self, stage: usize) -> usize {
        self.dim >> (self.variant.stages() - 1 - stage)
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration is contradictory or tensors do not
    /// fit it.
    pub fn build<B: Attend>(&self, from: &Builder<'_, B>) -> Result<QkFormer<B>, LoadError> {
        self.validate()?;
        let stage = |i: usize| {
            let (variant, in_channels, width) = (self.variant, self.in_channels, self.width(i));
            let place = Place { variant, stage: i, in_channels, width };
            let embedding = from.sub(format!("patch_embed{}", i + 1));
            let blocks = from.sub(format!("stage{}", i + 1));
            let block = |j| Block::new(self, i, &blocks.sub(j));
            Ok(Embedded {
                embedding: PatchEmbedding::new(&place, &embedding)?,
                blocks: (0..self.depths[i]).map(block).collect::<Result<_, LoadError>>()?,
            })
        };
        let head = Stage::linear("head", self.dim, self.classes).init(Init::Normal(0.02));
        Ok(QkFormer {
            time_steps: self.time_steps,
            stages: (0..self.depths.len()).map(stage).collect::<Result<_, LoadError>>()?,
            head: from.synapse(head.bias(Init::Constant(0.0)))?,
        })
    }
}

/// The network.
pub struct QkFormer<B: Backend> {
    time_steps: usize,
    stages: Vec<Embedded<B>>,
    head: Synapse<B>,
}

/// One stage and the embedding before it.
struct Embedded<B: Backend> {
    embedding: PatchEmbedding<B>,
    blocks: Vec<Block<B>>,
}

impl<B: Attend> Network<B> for QkFormer<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let mut x: Option<B::Counts> = None;
        for (i, Embedded { embedding, blocks }) in self.stages.iter().enumerate() {
            let mut y = match &x {
                None => embedding.image(pass, input, self.time_steps),
                Some(x) => embedding.counts(pass, x),
            };
            pass.output(&format!("patch_embed{}", i + 1), &y);
            for (j, block) in blocks.iter().enumerate() {
                y = block.forward(pass, &y);
                pass.output(&format!("stage{}.{j}", i + 1), &y);
            }
            x = Some(y);
        }
        let Some(x) = x else { unreachable!("there are two or three stages") };
        let mean = pass.backend.mean_positions(&pass.backend.scale(&x, 1.0));
        let mean = pass.backend.mean_time(&mean); // [B, D]
        let one_step = [&[1], &mean.shape()[..]].concat();
        let logits = self.head.forward(pass, &mean.reshape(&one_step));
        logits.reshape(&logits.shape()[1..])
    }
}

/// A synapse and the neurons that it feeds.
pub(crate) struct Layer<B: Backend> {
    pub(crate) synapse: Synapse<B>,
    pub(crate) lif: NeuronLayer<B>,
}

impl<B: Backend> Layer<B> {
    /// `name` has a `#` in the place of `conv`, `bn` and `lif`.
    pub(crate) fn new(
        from: &Builder<'_, B>,
        name: &str,
        stage: Stage<'_>,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            synapse: from.synapse(stage.norm(&name.replace('#', "bn")))?,
            lif: from.neuron(&name.replace('#', "lif"), Neuron::lif(2.0))?,
        })
    }

    /// A 1x1 convolution whose weight has `axes` axes behind the channels.
    pub(crate) fn pointwise(
        from: &Builder<'_, B>,
        name: &str,
        axes: usize,
        [inputs, outputs]: [usize; 2],
        biased: bool,
    ) -> Result<Self, LoadError> {
        let stage = Stage::linear(name.replace('#', "conv"), inputs, outputs).trailing(axes);
        let stage = if biased { stage.bias(Init::FanIn(inputs)) } else { stage };
        Self::new(from, name, stage)
    }

    /// The same with neurons of another threshold.
    pub(crate) fn with_threshold(
        self,
        from: &Builder<'_, B>,
        lif: &str,
        threshold: f64,
    ) -> Result<Self, LoadError> {
        Ok(Self { lif: from.neuron(lif, Neuron::lif(2.0).with_threshold(threshold))?, ..self })
    }

    pub(crate) fn forward(&self, pass: &mut Pass<'_, B>, x: &impl Signal<B>) -> B::Spikes {
        let current = self.synapse.forward(pass, x);
        self.lif.forward(pass, &current)
    }
}

/// The published networks with their parameter counts, measured on the authors'
/// code.
pub(crate) fn presets() -> Vec<Preset> {
    let preset = |name, task, parameters, accuracy, config| Preset {
        name,
        task,
        parameters,
        accuracy: Some(accuracy),
        source: "Zhou et al., QKFormer, NeurIPS 2024, arXiv 2403.16552",
        status: Status::Reproduced,
        config: zoo::Config::Qkformer(config),
    };
    let (cifar, imagenet, dvs) = (Config::cifar, Config::imagenet, Config::dvs);
    let hundred = |config| Config { classes: 100, ..config };
    let pixels = |side, config| Config { image: [side; 2], ..config };
    let (c10, c100, i1k) = ("CIFAR-10", "CIFAR-100", "ImageNet");
    let (c10_dvs, gesture) = ("CIFAR10-DVS", "DVS128 Gesture");
    let large = imagenet(768, 12);
    vec![
        preset("qkformer-4-384", c10, 6_706_234, 96.18, cifar()),
        preset("qkformer-4-384-cifar100", c100, 6_740_884, 81.15, hundred(cifar())),
        preset("qkformer-10-384", i1k, 16_473_688, 78.80, imagenet(384, 6)),
        preset("qkformer-10-512", i1k, 29_079_336, 82.04, imagenet(512, 8)),
        preset("qkformer-10-768-288", i1k, 64_962_760, 85.25, pixels(288, large.clone())),
        preset("qkformer-10-768-384", i1k, 64_962_760, 85.65, pixels(384, large.clone())),
        preset("qkformer-10-768", i1k, 64_962_760, 84.22, large),
        preset("qkformer-2-256-cifar10-dvs", c10_dvs, 1_504_138, 84.0, dvs(10, 1)),
        preset("qkformer-2-256-gesture", gesture, 1_999_371, 98.6, dvs(11, 4)),
    ]
}
