//! QSD-Transformer: Meta-SpikeFormer with 4-bit weights and integer neurons.
//! Source: Qiu et al., *Quantized Spike-driven Transformer*, ICLR 2025, arXiv
//! 2501.13492.
//!
//! Parameter names are those of the authors' code. Where it departs from the
//! paper (no leak in the neuron, 4 bits in the first and last layer too) this
//! is the code.

use serde::{Deserialize, Serialize};
use snn_attn::Attend;
use snn_core::{Builder, IntegerNeuron, LoadError, Pass, neuron::Rounding};

use crate::{
    check::within,
    network::{Frames, InputShape, Network},
    pyramid::{
        Attention, Cells, Head, Residual, SepConv, Shape, Trunk, channel_conv, mlp, rep_conv,
    },
    zoo::{self, Preset, Status},
};

/// Shape of a QSD-Transformer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Time steps T; neurons have no memory, so all give the same.
    pub time_steps: usize,
    /// Bits of a weight.
    pub weight_bits: u32,
}

/// Neuron of every layer but that behind an attention product: levels of 1/4.
const NEURON: IntegerNeuron =
    IntegerNeuron { levels: 4, gain: 4.0, unit: 0.25, rounding: Rounding::HalfUp };

impl Config {
    /// The networks for ImageNet at 224 pixels; `depth` attention blocks, three
    /// quarters of them before the last width.
    pub const fn imagenet(embed_dims: [usize; 4], depth: usize) -> Self {
        Self {
            image: [224, 224],
            in_channels: 3,
            classes: 1000,
            embed_dims,
            depths: [depth * 3 / 4, depth / 4],
            heads: 8,
            mlp_ratio: 4,
            time_steps: 1,
            weight_bits: 4,
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
    ) -> Result<QsdTransformer<B>, LoadError> {
        let Self { classes, heads, mlp_ratio, weight_bits, .. } = *self;
        let shape = self.shape();
        shape.validate()?;
        within("weight_bits", weight_bits as usize, 2..=8)?;
        let cells = Cells {
            neuron: NEURON,
            attention: IntegerNeuron { unit: 0.5, ..NEURON },
            head: NEURON,
            word: "lif",
            weight_bits: Some(weight_bits),
        };
        let conv_block = |from: &Builder<'_, B>, dim| {
            Ok(Residual::new()
                .branch(SepConv::new(&cells, &from.sub("Conv"), dim)?)
                .branch(channel_conv(&cells, from, dim, mlp_ratio)?))
        };
        let block = |from: &Builder<'_, B>, dim| {
            let attn = from.sub("attn");
            let project = |name: &str, _, reads| rep_conv(&cells, &attn, name, dim, reads);
            let attention = Attention::new(&cells, &attn, [dim; 2], (heads, 0.25), (), project)?;
            let mlp = mlp(&cells, &from.sub("mlp"), dim, mlp_ratio)?;
            Residual::new().scaled_branch(attention, from, "layer_scale1", dim)?.scaled_branch(
                mlp,
                from,
                "layer_scale2",
                dim,
            )
        };
        Ok(QsdTransformer {
            trunk: Trunk::new(&cells, &shape, from, conv_block, block)?,
            head: Head::new(&cells, from, self.embed_dims[3], classes, false)?,
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
pub struct QsdTransformer<B: Attend + 'static> {
    trunk: Trunk<B>,
    head: Head<B, IntegerNeuron>,
}

impl<B: Attend + 'static> Network<B> for QsdTransformer<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let [.., last] = self.trunk.forward(pass, input);
        self.head.forward(pass, &last).0
    }
}

/// The published networks with their parameter counts, measured on the authors'
/// code; they include 4-bit weights as one each, step sizes, and tensors of a
/// quantiser of activations that nothing reads.
pub(crate) fn presets() -> Vec<Preset> {
    let preset = |name, parameters, accuracy, embed_dims, depth| Preset {
        name,
        task: "ImageNet",
        parameters,
        accuracy,
        source: "Qiu et al., Quantized Spike-driven Transformer, ICLR 2025, arXiv 2501.13492",
        status: Status::Reproduced,
        config: zoo::Config::QsdTransformer(Config::imagenet(embed_dims, depth)),
    };
    let d640 = [128, 256, 512, 640];
    vec![
        preset("qsd-transformer-8-256", 8_432_142, None, [48, 96, 192, 256], 8),
        preset("qsd-transformer-8-15m", 15_245_862, None, [64, 128, 256, 360], 8),
        preset("qsd-transformer-8-384", 31_527_302, None, [96, 192, 384, 480], 8),
        preset("qsd-transformer-8-512", 55_607_830, Some(80.3), d640, 8),
        preset("qsd-transformer-12-512", 75_022_870, None, d640, 12),
        preset("qsd-transformer-8-768", 124_127_030, None, [192, 384, 768, 960], 8),
    ]
}
