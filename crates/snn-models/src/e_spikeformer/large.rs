//! The large family: plain convolution blocks, then one stage of attention
//! blocks with learned scales on their residuals.
//!
//! The authors train it with stochastic depth of up to 0.1; here every branch is
//! always there, as in their evaluation.

use serde::{Deserialize, Serialize};
use snn_attn::Attend;
use snn_core::{
    Backend, Builder, Init, IntegerNeuron, LoadError, Map, Pass, Stage, Window,
    layer::{IntegerLayer, Synapse},
    neuron::Rounding,
};

use crate::{
    check::within,
    network::{Frames, InputShape, Network},
    pyramid::{Attention, Cells, Firing, Residual, Sequence, Shape, Trunk, mean_of_heads, mlp},
};

/// Shape of a network of the large family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Height and width of the input.
    pub image: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Classes.
    pub classes: usize,
    /// Widths at 1/4 (half of it at 1/2), 1/8 and 1/16 of the resolution.
    pub embed_dims: [usize; 3],
    /// Attention blocks.
    pub depth: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Width of the hidden layers of MLPs and convolution blocks, in units of
    /// their own.
    pub mlp_ratio: usize,
    /// Time steps T; neurons have no memory, so all give the same.
    pub time_steps: usize,
    /// Greatest level D of a neuron: virtual steps of the network on spikes.
    pub levels: u32,
    /// Whether a second classifier learns from a teacher.
    pub distill_head: bool,
    /// Whether attention blocks begin with a re-parameterisable convolution
    /// (the authors' choice "base"). Their code of it cannot run; what we
    /// compute is our reading.
    pub rep_conv: bool,
}

impl Config {
    /// The network of 172 million parameters, for ImageNet at 224 pixels.
    pub const fn large_choice() -> Self {
        Self {
            image: [224, 224],
            in_channels: 3,
            classes: 1000,
            embed_dims: [196, 384, 768],
            depth: 12,
            heads: 8,
            mlp_ratio: 4,
            time_steps: 1,
            levels: 4,
            distill_head: true,
            rep_conv: false,
        }
    }

    /// The network of 83 million parameters.
    pub const fn base_choice() -> Self {
        Self { embed_dims: [128, 256, 512], rep_conv: true, ..Self::large_choice() }
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
    ) -> Result<ESpikeformerLarge<B>, LoadError> {
        let Self { heads, mlp_ratio, levels, .. } = *self;
        let depths = [self.depth];
        let shape = self.shape(&depths);
        shape.validate()?;
        within("levels", levels as usize, 1..=255)?;
        let cells = super::cells(levels, Rounding::HalfUp, "lif");
        let conv_block = |from: &Builder<'_, B>, dim| {
            Ok(Residual::new().branch(conv_block(&cells, from, dim, mlp_ratio)?))
        };
        let block = |from: &Builder<'_, B>, dim| {
            let attn = from.sub("attn");
            let project = |name: &str, _, reads| {
                let attn = attn.sub(name);
                rep_conv(&cells, &attn, "0.", [dim, dim * 3 / 2], Some("1"), reads)
            };
            let attention = Attention::new(&cells, &attn, [dim; 2], (heads, 0.125), (), project)?;
            let mlp = mlp(&cells, &from.sub("mlp"), dim, mlp_ratio)?;
            let mut block = Residual::new();
            if self.rep_conv {
                let neurons = from.integer_neuron("lif", cells.neuron);
                let rep = from.sub("rep_conv");
                let reads = Some(cells.neuron);
                let synapse = rep_conv(&cells, &rep, "", [dim, dim], None, reads)?;
                block = block.branch(Firing::<_, IntegerNeuron> { neurons, synapse });
            }
            block = block.scaled_branch(attention, from, "layer_scale1", dim)?;
            block.scaled_branch(mlp, from, "layer_scale2", dim)
        };
        Ok(ESpikeformerLarge {
            trunk: Trunk::new(&cells, &shape, from, conv_block, block)?,
            head: Heads::new(self, &cells, from)?,
        })
    }

    const fn shape<'a>(&'a self, depths: &'a [usize; 1]) -> Shape<'a> {
        Shape {
            image: self.image,
            in_channels: self.in_channels,
            classes: self.classes,
            embed_dims: &self.embed_dims,
            depths,
            heads: self.heads,
            mlp_ratio: self.mlp_ratio,
            time_steps: self.time_steps,
        }
    }
}

/// Two 3x3 convolutions with bias, `C -> ratio C -> C`.
fn conv_block<B: Attend + 'static>(
    cells: &Cells<IntegerNeuron>,
    from: &Builder<'_, B>,
    dim: usize,
    ratio: usize,
) -> Result<Sequence<B, IntegerNeuron>, LoadError> {
    let layer = |n: usize, inputs, outputs| {
        let map = Map::conv2d(inputs, outputs, Window::SAME3);
        let (conv, norm) = (format!("conv{n}.0.0"), format!("conv{n}.0.1"));
        let stage = cells.stage(from, &conv, map)?.bias(Init::FanIn(map.fan_in())).norm(&norm);
        Firing::new(cells, from, &format!("neuron{n}"), stage)
    };
    Ok(Sequence { first: layer(1, dim, ratio * dim)?, others: vec![layer(2, ratio * dim, dim)?] })
}

/// Re-parameterisable convolution of kernel 1: `C -> inner -> C`, each with a
/// BatchNorm, and one more called `outer` behind.
fn rep_conv<B: Attend + 'static>(
    cells: &Cells<IntegerNeuron>,
    from: &Builder<'_, B>,
    prefix: &str,
    [dim, inner]: [usize; 2],
    outer: Option<&str>,
    reads: Option<IntegerNeuron>,
) -> Result<Synapse<B>, LoadError> {
    let name = |part: &str| format!("{prefix}{part}");
    let (norm1, norm2) = (name("conv1.1"), name("conv2.1"));
    let first = cells.pointwise(from, &name("conv1.0"), [dim, inner], 1)?.norm(&norm1);
    let mut second = cells.pointwise(from, &name("conv2.0"), [inner, dim], 1)?.norm(&norm2);
    if let Some(outer) = outer {
        second = second.norm(outer);
    }
    let map = Map::Linear { inputs: dim, outputs: dim };
    from.chain(&name("conv"), map, reads, vec![first, second])
}

/// A network of the large family.
pub struct ESpikeformerLarge<B: Attend + 'static> {
    trunk: Trunk<B>,
    head: Heads<B>,
}

impl<B: Attend + 'static> Network<B> for ESpikeformerLarge<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let heads = self.heads(pass, input);
        mean_of_heads(pass, heads)
    }

    fn heads(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> (B::Real, Option<B::Real>) {
        let [.., last] = self.trunk.forward(pass, input);
        self.head.forward(pass, &last)
    }
}

/// A classifier of real numbers, and one of spikes that learns from a teacher.
struct Heads<B: Backend> {
    class: Synapse<B>,
    lif: IntegerLayer,
    distilled: Option<Synapse<B>>,
}

impl<B: Backend> Heads<B> {
    fn new(
        cfg: &Config,
        cells: &Cells<IntegerNeuron>,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let (dim, classes) = (cfg.embed_dims[2], cfg.classes);
        let linear = |name: &str, reads| {
            let stage = Stage::linear(name, dim, classes);
            let stage = stage.init(Init::xavier(dim, classes)).bias(Init::Constant(0.0));
            from.synapse_reading(reads, stage)
        };
        Ok(Self {
            class: linear("head", None)?,
            lif: from.integer_neuron("lif", cells.head),
            distilled: cfg.distill_head.then(|| linear("head_kd", Some(cells.head))).transpose()?,
        })
    }

    /// Membranes `[T, B, H, W, C]` to logits `[B, classes]` of each classifier.
    /// The neuron fires whether or not a classifier reads it, as published.
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> (B::Real, Option<B::Real>) {
        let mean = pass.backend.mean_positions(x);
        let levels = self.lif.forward(pass, &mean);
        let steps = self.class.forward(pass, &mean);
        let logits = pass.backend.mean_time(&steps);
        let distilled = self.distilled.as_ref().map(|synapse| {
            let steps = synapse.forward(pass, &levels);
            pass.backend.mean_time(&steps)
        });
        (logits, distilled)
    }
}
