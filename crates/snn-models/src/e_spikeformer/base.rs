//! The base family: the four stages of Meta-SpikeFormer, with neurons inside
//! the separable convolutions and one such convolution in every attention block.

use serde::{Deserialize, Serialize};
use snn_attn::Attend;
use snn_core::{Builder, IntegerNeuron, LoadError, Map, Pass, Window, neuron::Rounding};

use crate::{
    check::within,
    network::{Frames, InputShape, Network},
    pyramid::{
        Attention, Cells, Firing, Head, Residual, Sequence, Shape, Trunk, channel_conv, mlp,
    },
};

/// Shape of a network of the base family.
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
    /// Greatest level D of a neuron: virtual steps of the network on spikes.
    pub levels: u32,
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
            levels: 4,
        }
    }

    /// What the network takes.
    pub const fn input(&self) -> InputShape {
        InputShape {
            time_steps: 1,
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
    ) -> Result<ESpikeformerBase<B>, LoadError> {
        let Self {
            image,
            in_channels,
            classes,
            ref embed_dims,
            ref depths,
            heads,
            mlp_ratio,
            levels,
        } = *self;
        let time_steps = 1;
        let shape =
            Shape { image, in_channels, classes, embed_dims, depths, heads, mlp_ratio, time_steps };
        shape.validate()?;
        within("levels", levels as usize, 1..=255)?;
        let cells = super::cells(levels, Rounding::HalfEven, "spike");
        let conv_block = |from: &Builder<'_, B>, dim| {
            Ok(Residual::new()
                .branch(sep_conv(&cells, &from.sub("Conv"), dim, 7)?)
                .branch(channel_conv(&cells, from, dim, mlp_ratio)?))
        };
        let block = |from: &Builder<'_, B>, dim| {
            let attn = from.sub("attn");
            let project = |name: &str, widths, reads| {
                let stage = cells.pointwise(&attn, &format!("{name}.0"), widths, 2)?;
                attn.synapse_reading(reads, stage.norm(&format!("{name}.1")))
            };
            let scale = 2.0 / ((dim / heads) as f64).sqrt();
            let widths = [dim, 4 * dim];
            let attention = Attention::new(&cells, &attn, widths, (heads, scale), (), project)?;
            Ok(Residual::new()
                .branch(sep_conv(&cells, &from.sub("conv"), dim, 3)?)
                .branch(attention)
                .branch(mlp(&cells, &from.sub("mlp"), dim, mlp_ratio)?))
        };
        Ok(ESpikeformerBase {
            trunk: Trunk::new(&cells, &shape, from, conv_block, block)?,
            head: Head::new(&cells, from, embed_dims[3], classes, false)?,
        })
    }
}

/// Separable convolution with a neuron in front of each part: 1x1 to twice the
/// width, depthwise, 1x1 back.
fn sep_conv<B: Attend + 'static>(
    cells: &Cells<IntegerNeuron>,
    from: &Builder<'_, B>,
    dim: usize,
    kernel: usize,
) -> Result<Sequence<B, IntegerNeuron>, LoadError> {
    let wide = 2 * dim;
    let widen = cells.pointwise(from, "pwconv1.0", [dim, wide], 2)?.norm("pwconv1.1");
    let depthwise = cells.stage(from, "dwconv.0", Map::depthwise(wide, Window::same(kernel)))?;
    let narrow = cells.pointwise(from, "pwconv2.0", [wide, dim], 2)?.norm("pwconv2.1");
    Ok(Sequence {
        first: Firing::new(cells, from, "spike1", widen)?,
        others: vec![
            Firing::new(cells, from, "spike2", depthwise.norm("dwconv.1"))?,
            Firing::new(cells, from, "spike3", narrow)?,
        ],
    })
}

/// A network of the base family.
pub struct ESpikeformerBase<B: Attend + 'static> {
    trunk: Trunk<B>,
    head: Head<B, IntegerNeuron>,
}

impl<B: Attend + 'static> Network<B> for ESpikeformerBase<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let [.., last] = self.trunk.forward(pass, input);
        self.head.forward(pass, &last).0
    }
}
