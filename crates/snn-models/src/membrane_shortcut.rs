//! The trunk that the Spike-driven Transformer and STAtten share: residuals of
//! membranes, so that every convolution reads spikes.

use serde::{Deserialize, Serialize};
use snn_core::{
    Backend, Builder, Init, LoadError, Neuron, Pass, Signal, Stage, Window,
    layer::{NeuronLayer, Synapse},
};

use crate::network::{Frames, Network};

/// Which of the four stages of the patch embedding halve the image, written as
/// the authors do: `0011`, first stage first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pooling(pub [bool; 4]);

impl Pooling {
    /// `0011`: by 4.
    pub const LAST_TWO: Self = Self([false, false, true, true]);
    /// `0111`: by 8.
    pub const LAST_THREE: Self = Self([false, true, true, true]);
    /// `1111`: by 16.
    pub const ALL: Self = Self([true; 4]);

    /// How many pixels become one token, along each side.
    pub fn stride(&self) -> usize {
        1 << self.0.iter().filter(|&&pools| pools).count()
    }
}

impl TryFrom<String> for Pooling {
    type Error = LoadError;

    fn try_from(text: String) -> Result<Self, LoadError> {
        let flag = |c| match c {
            '0' => Some(false),
            '1' => Some(true),
            _ => None,
        };
        let flags: Option<Vec<bool>> = text.chars().map(flag).collect();
        flags.and_then(|flags| flags.try_into().ok()).map(Self).ok_or(LoadError::Config {
            field: "pooling",
            found: format!("`{text}`"),
            expected: "four characters 0 or 1, one a stage, such as `0011`".into(),
        })
    }
}

impl From<Pooling> for String {
    fn from(Pooling(flags): Pooling) -> Self {
        flags.map(|pools| if pools { '1' } else { '0' }).iter().collect()
    }
}

/// Which neurons a network is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpikeMode {
    /// Leaky integrate-and-fire, `tau = 2`.
    #[default]
    Lif,
    /// The same with a learned leak that starts there, `<neuron>.w`.
    Plif,
}

impl SpikeMode {
    pub(crate) const fn neuron(self) -> Neuron {
        match self {
            Self::Lif => Neuron::lif(2.0),
            Self::Plif => Neuron::plif(2.0),
        }
    }

    /// A neuron layer that the authors' code creates and never calls: its leak
    /// is in their files.
    pub(crate) fn unused<B: Backend>(
        self,
        from: &Builder<'_, B>,
        name: &str,
    ) -> Result<(), LoadError> {
        match self.neuron().initial_leak() {
            Some(w) => from.sub(name).unused("w", &[], Init::Constant(w)),
            None => Ok(()),
        }
    }
}

/// What the trunk is built from.
pub(crate) struct Trunk {
    pub in_channels: usize,
    pub classes: usize,
    pub dim: usize,
    pub depth: usize,
    pub mlp_ratio: usize,
    pub time_steps: usize,
    pub pooling: Pooling,
    pub tet: bool,
    /// Neurons of the patch embedding.
    pub embedding: SpikeMode,
    /// Neurons of MLPs and head.
    pub spike_mode: SpikeMode,
}

/// The attention of a block, its residual left out.
pub(crate) trait Attention<B: Backend> {
    /// Membranes `[T, B, H, W, D]` in, currents `[T, B, H, W, D]` out.
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real;
}

impl Trunk {
    pub(crate) fn build<B: Backend, A: Attention<B>>(
        &self,
        from: &Builder<'_, B>,
        attention: impl Fn(&Builder<'_, B>) -> Result<A, LoadError>,
    ) -> Result<MembraneShortcut<B, A>, LoadError> {
        let blocks = from.sub("block");
        let block = |i: usize| {
            let from = blocks.sub(i);
            Ok((attention(&from.sub("attn"))?, Mlp::new(self, &from.sub("mlp"))?))
        };
        let head = Stage::linear("head", self.dim, self.classes);
        Ok(MembraneShortcut {
            time_steps: self.time_steps,
            tet: self.tet,
            patch_embed: PatchSplitting::new(self, &from.sub("patch_embed"))?,
            blocks: (0..self.depth).map(block).collect::<Result<_, LoadError>>()?,
            head_lif: from.neuron("head_lif", self.spike_mode.neuron())?,
            head: from.synapse(head.bias(Init::FanIn(self.dim)))?,
        })
    }
}

/// A 1x1 `Conv2d`, initialised as the authors do.
fn pointwise(name: &str, inputs: usize, outputs: usize) -> Stage<'_> {
    Stage::linear(name, inputs, outputs).trailing(2).init(Init::Normal(0.02))
}

/// The network.
pub(crate) struct MembraneShortcut<B: Backend, A> {
    time_steps: usize,
    tet: bool,
    patch_embed: PatchSplitting<B>,
    blocks: Vec<(A, Mlp<B>)>,
    head_lif: NeuronLayer<B>,
    head: Synapse<B>,
}

impl<B: Backend, A: Attention<B>> Network<B> for MembraneShortcut<B, A> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let mut x = self.patch_embed.forward(pass, input, self.time_steps);
        pass.output("patch_embed", &x);
        for (i, (attention, mlp)) in self.blocks.iter().enumerate() {
            let current = attention.forward(pass, &x);
            x = pass.backend.add_real(&current, &x);
            x = mlp.forward(pass, &x);
            pass.output(&format!("block.{i}"), &x);
        }
        let spikes = self.head_lif.forward(pass, &pass.backend.mean_positions(&x)); // [T, B, D]
        let logits = self.head.forward(pass, &spikes);
        if self.tet { logits } else { pass.backend.mean_time(&logits) }
    }
}

/// Spiking patch splitting with a membrane shortcut (`MS_SPS`).
struct PatchSplitting<B: Backend> {
    stages: [(Synapse<B>, NeuronLayer<B>); 4],
    pooling: Pooling,
    rpe: Synapse<B>,
}

impl<B: Backend> PatchSplitting<B> {
    fn new(trunk: &Trunk, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let dim = trunk.dim;
        let conv = |name: &str, norm: &str, inputs, outputs| {
            let stage = Stage::conv2d(name, inputs, outputs, Window::SAME3);
            from.synapse(stage.init(Init::Normal(0.02)).norm(norm))
        };
        let stage = |n: &str, inputs, outputs| -> Result<_, LoadError> {
            let synapse = conv(&format!("proj_conv{n}"), &format!("proj_bn{n}"), inputs, outputs)?;
            Ok((synapse, from.neuron(&format!("proj_lif{n}"), trunk.embedding.neuron())?))
        };
        trunk.embedding.unused(from, "rpe_lif")?;
        Ok(Self {
            stages: [
                stage("", trunk.in_channels, dim / 8)?,
                stage("1", dim / 8, dim / 4)?,
                stage("2", dim / 4, dim / 2)?,
                stage("3", dim / 2, dim)?,
            ],
            pooling: trunk.pooling,
            rpe: conv("rpe_conv", "rpe_bn", dim, dim)?,
        })
    }

    /// Membranes `[T, B, H', W', D]`.
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>, time_steps: usize) -> B::Real {
        let [first, second, third, (last, last_lif)] = &self.stages;
        let Pooling(pools) = self.pooling;
        let spikes = |pass: &mut Pass<'_, B>, lif: &NeuronLayer<B>, current, pools| {
            let spikes = lif.forward(pass, &current);
            if pools { pass.backend.max_pool(&spikes, Window::HALVE3) } else { spikes }
        };
        let current = input.current(pass, &first.0, time_steps);
        let x = spikes(pass, &first.1, current, pools[0]);
        let current = second.0.forward(pass, &x);
        let x = spikes(pass, &second.1, current, pools[1]);
        let current = third.0.forward(pass, &x);
        let x = spikes(pass, &third.1, current, pools[2]);
        let mut membrane = last.forward(pass, &x);
        if pools[3] {
            membrane = pass.backend.max_pool_real(&membrane, Window::HALVE3);
        }
        let fired = last_lif.forward(pass, &membrane);
        let position = self.rpe.forward(pass, &fired);
        pass.backend.add_real(&position, &membrane)
    }
}

/// Two layers that each fire first, and their shortcuts.
struct Mlp<B: Backend> {
    layers: [(NeuronLayer<B>, Synapse<B>); 2],
    /// The first layer has a shortcut of its own where it keeps the width.
    keeps_width: bool,
}

impl<B: Backend> Mlp<B> {
    fn new(trunk: &Trunk, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let (dim, hidden) = (trunk.dim, trunk.dim * trunk.mlp_ratio);
        let layer = |name: &str, inputs, outputs| -> Result<_, LoadError> {
            let (conv, norm) = (format!("{name}_conv"), format!("{name}_bn"));
            let stage = pointwise(&conv, inputs, outputs).bias(Init::Constant(0.0)).norm(&norm);
            let lif = from.neuron(&format!("{name}_lif"), trunk.spike_mode.neuron())?;
            Ok((lif, from.synapse(stage)?))
        };
        Ok(Self {
            layers: [layer("fc1", dim, hidden)?, layer("fc2", hidden, dim)?],
            keeps_width: hidden == dim,
        })
    }

    /// Membranes `[T, B, H, W, D]` in and out.
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let [(fc1_lif, fc1), (fc2_lif, fc2)] = &self.layers;
        let spikes = fc1_lif.forward(pass, x);
        let mut hidden = fc1.forward(pass, &spikes);
        if self.keeps_width {
            hidden = pass.backend.add_real(x, &hidden);
        }
        let spikes = fc2_lif.forward(pass, &hidden);
        let current = fc2.forward(pass, &spikes);
        pass.backend.add_real(&current, if self.keeps_width { &hidden } else { x })
    }
}

/// The layers around an attention, as both systems of this lineage have them.
pub(crate) struct Branches<B: Backend> {
    shortcut_lif: NeuronLayer<B>,
    qkv: [(Synapse<B>, NeuronLayer<B>); 3],
    proj: Synapse<B>,
}

impl<B: Backend> Branches<B> {
    pub(crate) fn new(
        dim: usize,
        heads: usize,
        spike_mode: SpikeMode,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let lif = |name: &str| from.neuron(name, spike_mode.neuron());
        let conv = |name: &str| -> Result<_, LoadError> {
            let (conv, norm) = (format!("{name}_conv"), format!("{name}_bn"));
            let synapse = from.synapse(pointwise(&conv, dim, dim).norm(&norm))?;
            Ok((synapse, lif(&format!("{name}_lif"))?))
        };
        let proj = pointwise("proj_conv", dim, dim).bias(Init::Constant(0.0)).norm("proj_bn");
        from.unused("talking_heads.weight", &[heads, heads, 1], Init::FanIn(heads))?;
        Ok(Self {
            shortcut_lif: lif("shortcut_lif")?,
            qkv: [conv("q")?, conv("k")?, conv("v")?],
            proj: from.synapse(proj)?,
        })
    }

    /// The spikes that enter, and those of queries, keys and values.
    pub(crate) fn fire(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> (B::Spikes, [B::Spikes; 3]) {
        let spikes = self.shortcut_lif.forward(pass, x);
        let qkv = self.qkv.each_ref().map(|(synapse, lif)| {
            let current = synapse.forward(pass, &spikes);
            lif.forward(pass, &current)
        });
        (spikes, qkv)
    }

    pub(crate) fn project(&self, pass: &mut Pass<'_, B>, y: &impl Signal<B>) -> B::Real {
        self.proj.forward(pass, y)
    }
}
