//! Meta-SpikeFormer (Spike-driven Transformer V2): convolution blocks, then
//! attention blocks, all residuals of membranes. Source: Yao et al.,
//! *Spike-driven Transformer V2*, ICLR 2024, arXiv 2404.03663.
//!
//! Parameter names are those of the authors' code.

use serde::{Deserialize, Serialize};
use snn_attn::{Attend, Similarity};
use snn_core::{Builder, LoadError, Neuron, Pass};

use crate::{
    network::{Frames, InputShape, Network},
    pyramid::{
        Attention, Cells, Head, Residual, SepConv, Shape, Trunk, channel_conv, mean_of_heads, mlp,
        rep_conv,
    },
    zoo::{self, Preset, Status},
};

/// Shape of a Meta-SpikeFormer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Height and width of the input.
    pub image: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Classes.
    pub classes: usize,
    /// Widths at 1/4 (half of it at 1/2), 1/8 and, twice, 1/16 of the
    /// resolution.
    pub embed_dims: [usize; 4],
    /// Attention blocks of the last two widths.
    pub depths: [usize; 2],
    /// Heads of each attention.
    pub heads: usize,
    /// Width of the hidden layers of MLPs and channel convolutions, in units of
    /// their own.
    pub mlp_ratio: usize,
    /// Time steps T.
    pub time_steps: usize,
    /// Whether a second classifier learns from a teacher.
    pub distill_head: bool,
    /// How queries and keys are compared.
    #[serde(default)]
    pub similarity: Similarity,
}

impl Config {
    /// The networks for ImageNet at 224 pixels.
    pub const fn imagenet(embed_dims: [usize; 4]) -> Self {
        Self {
            image: [224, 224],
            in_channels: 3,
            classes: 1000,
            embed_dims,
            depths: [6, 2],
            heads: 8,
            mlp_ratio: 4,
            time_steps: 4,
            distill_head: false,
            similarity: Similarity::Dot,
        }
    }

    /// What the network takes.
    pub const fn input(&self) -> InputShape {
        InputShape {
            time_steps: self.time_steps,
            height: self.image[0],
            width: self.image[1],
            channels: self.in_channels,
            events: false,
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
    ) -> Result<MetaSpikeformer<B>, LoadError> {
        let Self { classes, heads, mlp_ratio, .. } = *self;
        let shape = self.shape();
        shape.validate()?;
        let lif = Neuron::lif(2.0);
        let attention = lif.with_threshold(0.5);
        let cells = Cells { neuron: lif, attention, head: lif, word: "lif", weight_bits: None };
        let conv_block = |from: &Builder<'_, B>, dim| {
            Ok(Residual::new()
                .branch(SepConv::new(&cells, &from.sub("Conv"), dim)?)
                .branch(channel_conv(&cells, from, dim, mlp_ratio)?))
        };
        let block = |from: &Builder<'_, B>, dim| {
            let attn = from.sub("attn");
            let agreement = self.similarity.build(&attn, dim, heads)?;
            let project = |name: &str, _, reads| rep_conv(&cells, &attn, name, dim, reads);
            let attention =
                Attention::new(&cells, &attn, [dim; 2], (heads, 0.125), agreement, project)?;
            Ok(Residual::new().branch(attention).branch(mlp(
                &cells,
                &from.sub("mlp"),
                dim,
                mlp_ratio,
            )?))
        };
        Ok(MetaSpikeformer {
            trunk: Trunk::new(&cells, &shape, from, conv_block, block)?,
            head: Head::new(&cells, from, self.embed_dims[3], classes, self.distill_head)?,
        })
    }

    const fn shape(&self) -> Shape<'_> {
        Shape {
            image: self.image,
            in_channels: self.in_channels,
            classes: self.classes,
            embed_dims: &self.embed_dims,
            depths: &self.depths,
            heads: self.heads,
            mlp_ratio: self.mlp_ratio,
            time_steps: self.time_steps,
        }
    }
}

/// The network.
pub struct MetaSpikeformer<B: Attend + 'static> {
    trunk: Trunk<B>,
    head: Head<B, Neuron>,
}

impl<B: Attend + 'static> MetaSpikeformer<B> {
    /// The feature pyramid that heads for detection and segmentation take:
    /// membranes `[T, B, H, W, C]` at 1/2, 1/4, 1/8 and 1/16 of the resolution,
    /// rounded up, with half the first, the first, the second and the last of
    /// `embed_dims` as channels.
    ///
    /// # Panics
    /// As [`Network::forward`].
    pub fn features(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> [B::Real; 4] {
        self.trunk.forward(pass, input)
    }
}

impl<B: Attend + 'static> Network<B> for MetaSpikeformer<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let heads = self.heads(pass, input);
        mean_of_heads(pass, heads)
    }

    fn heads(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> (B::Real, Option<B::Real>) {
        let [.., last] = self.trunk.forward(pass, input);
        self.head.forward(pass, &last)
    }
}

/// The published networks with their parameter counts, measured on the authors'
/// code. Accuracies are those of T = 4.
pub(crate) fn presets() -> Vec<Preset> {
    let preset = |name, parameters, accuracy, embed_dims, distill_head| Preset {
        name,
        task: "ImageNet",
        parameters,
        accuracy,
        source: "Yao et al., Spike-driven Transformer V2, ICLR 2024, arXiv 2404.03663",
        status: Status::Reproduced,
        config: zoo::Config::MetaSpikeformer(Config {
            distill_head,
            ..Config::imagenet(embed_dims)
        }),
    };
    let (d360, d480) = ([64, 128, 256, 360], [96, 192, 384, 480]);
    let (d640, d960) = ([128, 256, 512, 640], [192, 384, 768, 960]);
    vec![
        preset("meta-spikeformer-8-256", 15_112_208, Some(73.2), d360, false),
        preset("meta-spikeformer-8-384", 31_333_864, Some(77.2), d480, false),
        preset("meta-spikeformer-8-384-distilled", 31_814_864, None, d480, true),
        preset("meta-spikeformer-8-512", 55_350_248, Some(79.7), d640, false),
        preset("meta-spikeformer-8-512-distilled", 55_991_248, Some(80.0), d640, true),
        preset("meta-spikeformer-8-768", 123_741_160, None, d960, false),
        preset("meta-spikeformer-8-768-distilled", 124_702_160, None, d960, true),
    ]
}
