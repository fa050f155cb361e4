//! TEFormer: QKFormer with attention and MLP that look along time, the attention into the past and
//! the MLP into the future. Source: Shen et al., *TEFormer: Structured Bidirectional Temporal
//! Enhancement Modeling in Spiking Transformers*, arXiv 2601.18274, and the authors' code.
//!
//! The network for CIFAR and its tensor names are those of the code. For event frames and
//! sequences, the block and its thresholds are; how many stages they have and how these shrink the
//! input is our reading, after QKFormer. [`Fusion::Bidirectional`] is no part of TEFormer.

pub(crate) mod block;
mod mlp;

use serde::{Deserialize, Serialize};
use snn_attn::Attend;
use snn_core::{Backend, Builder, Init, LoadError, Pass, Signal, Stage, layer::Synapse};

use self::block::{SpatialBlock, TemporalBlock};
use crate::{
    check::{divisor, multiple, positive, stages},
    network::{Frames, InputShape, Network},
    qkformer::{
        self,
        embedding::{PatchEmbedding, Place},
    },
    zoo::{self, Preset, Status},
};

/// Shape of a TEFormer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it reads.
    pub variant: Variant,
    /// Height and width of the input; sequences have height 1.
    pub image: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Classes.
    pub classes: usize,
    /// Width D of the last stage; each stage is twice as wide as the one before. A multiple of 8,
    /// or of 16 for event frames.
    pub dim: usize,
    /// Blocks of each stage: three stages, or two for event frames. All but those of the last look
    /// along time.
    pub depths: Vec<usize>,
    /// Heads of each attention.
    pub heads: usize,
    /// Width of the hidden layer of each MLP, in units of its input.
    pub mlp_ratio: usize,
    /// Time steps T.
    pub time_steps: usize,
    /// How attentions look along time.
    #[serde(default)]
    pub fusion: Fusion,
}

/// The three kinds of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// One image for all time steps; a token of the last stage is 4x4 pixels.
    Cifar,
    /// A frame of events for each time step, 16x16 pixels.
    Dvs,
    /// A line of values for each time step, 4 of them a token.
    Sequence,
}

/// How attentions look along time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fusion {
    /// Values are a moving average over the past: TEFormer.
    #[default]
    Forward,
    /// Tokens attend to themselves in the past and in the future: not of TEFormer, see
    /// [`bidirectional_temporal_fusion`](snn_attn::bidirectional_temporal_fusion).
    Bidirectional,
}

impl Variant {
    /// Embeddings as those of QKFormer.
    const fn host(self) -> qkformer::Variant {
        match self {
            Self::Cifar | Self::Sequence => qkformer::Variant::Cifar,
            Self::Dvs => qkformer::Variant::Dvs,
        }
    }

    /// Threshold of the neurons behind an attention that looks along time.
    const fn threshold(self) -> f64 {
        match self {
            Self::Cifar | Self::Dvs => 0.5,
            Self::Sequence => 1.0,
        }
    }
}

impl Config {
    /// The networks for CIFAR-10 and CIFAR-100.
    pub fn cifar(classes: usize) -> Self {
        Self {
            variant: Variant::Cifar,
            image: [32, 32],
            in_channels: 3,
            classes,
            dim: 384,
            depths: vec![1, 1, 2],
            heads: 12,
            mlp_ratio: 4,
            time_steps: 4,
            fusion: Fusion::Forward,
        }
    }

    /// The network for 10 frames of 64x64 events.
    pub fn dvs(classes: usize) -> Self {
        Self {
            variant: Variant::Dvs,
            image: [64, 64],
            in_channels: 2,
            dim: 256,
            depths: vec![1, 1],
            heads: 16,
            time_steps: 10,
            ..Self::cifar(classes)
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
            events: self.variant != Variant::Cifar,
        }
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        let host = self.variant.host();
        positive("in_channels", self.in_channels)?;
        positive("classes", self.classes)?;
        positive("mlp_ratio", self.mlp_ratio)?;
        positive("time_steps", self.time_steps)?;
        stages("depths", &self.depths, host.stages())?;
        self.depths.iter().try_for_each(|&depth| positive("depths", depth))?;
        multiple("dim", self.dim, if self.variant == Variant::Dvs { 16 } else { 8 })?;
        divisor("heads", self.heads, self.width(0))?;
        let [height, width] = self.image;
        multiple("image", width, host.stride())?;
        match self.variant {
            Variant::Sequence => divisor("image", height, 1),
            _ => multiple("image", height, host.stride()),
        }
    }

    /// Width of a stage, counted from 0.
    fn width(&self, stage: usize) -> usize {
        self.dim >> (self.variant.host().stages() - 1 - stage)
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration is contradictory or tensors do not fit it.
    pub fn build<B: Attend>(&self, from: &Builder<'_, B>) -> Result<TeFormer<B>, LoadError> {
        self.validate()?;
        let stage = |i: usize| {
            let (variant, in_channels, width) =
                (self.variant.host(), self.in_channels, self.width(i));
            let place = Place { variant, stage: i, in_channels, width };
            let embedding = from.sub(format!("patch_embed{}", i + 1));
            let blocks = from.sub(format!("stage{}", i + 1));
            let block = |j| self.block(i, &blocks.sub(j));
            Ok(Embedded {
                embedding: PatchEmbedding::new(&place, &embedding)?,
                blocks: (0..self.depths[i]).map(block).collect::<Result<_, LoadError>>()?,
            })
        };
        let head = Stage::linear("head", self.dim, self.classes).init(Init::Normal(0.02));
        Ok(TeFormer {
            time_steps: self.time_steps,
            stages: (0..self.depths.len()).map(stage).collect::<Result<_, LoadError>>()?,
            head: from.synapse(head.bias(Init::Constant(0.0)))?,
        })
    }

    fn block<B: Attend>(&self, stage: usize, from: &Builder<'_, B>) -> Result<Block<B>, LoadError> {
        let (width, heads) = (self.width(stage), self.heads);
        let hidden = width * self.mlp_ratio;
        if stage + 1 < self.depths.len() {
            let threshold = self.variant.threshold();
            let block = TemporalBlock::new(width, heads, hidden, threshold, self.fusion, from)?;
            return Ok(Block::Temporal(Box::new(block)));
        }
        Ok(Block::Spatial(Box::new(SpatialBlock::new(width, heads, hidden, from)?)))
    }
}

/// The network.
pub struct TeFormer<B: Backend> {
    time_steps: usize,
    stages: Vec<Embedded<B>>,
    head: Synapse<B>,
}

/// One stage and the embedding before it.
struct Embedded<B: Backend> {
    embedding: PatchEmbedding<B>,
    blocks: Vec<Block<B>>,
}

enum Block<B: Backend> {
    Temporal(Box<TemporalBlock<B>>),
    Spatial(Box<SpatialBlock<B>>),
}

impl<B: Attend> Network<B> for TeFormer<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let mut x: Option<B::Counts> = None;
        for (i, Embedded { embedding, blocks }) in self.stages.iter().enumerate() {
            let mut y = match &x {
                None => embedding.image(pass, input, self.time_steps),
                Some(x) => embedding.counts(pass, x),
            };
            pass.output(&format!("patch_embed{}", i + 1), &y);
            for (j, block) in blocks.iter().enumerate() {
                y = match block {
                    Block::Temporal(block) => block.forward(pass, &y),
                    Block::Spatial(block) => block.forward(pass, &y),
                };
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

/// The networks whose sizes are told, with the number of their parameters as we count it.
pub(crate) fn presets() -> Vec<Preset> {
    let preset = |name, task, parameters, accuracy, config| Preset {
        name,
        task,
        parameters,
        accuracy: Some(accuracy),
        source: "Shen et al., TEFormer, arXiv 2601.18274",
        status: Status::OurReading,
        config: zoo::Config::Teformer(config),
    };
    vec![
        preset("teformer-4-384", "CIFAR-10", 7_766_652, 96.24, Config::cifar(10)),
        preset("teformer-4-384-cifar100", "CIFAR-100", 7_801_302, 79.84, Config::cifar(100)),
        preset("teformer-2-256-cifar10-dvs", "CIFAR10-DVS", 2_376_203, 81.9, Config::dvs(10)),
    ]
}
