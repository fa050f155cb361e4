//! LSFormer: pools that answer to all spikes of a region, and attention on the tokens around.
//! Source: Li, Zhang and Yu, *Breaking Global Self-Attention Bottlenecks in Transformer-based SNNs
//! with Local Structure-Aware Self-Attention*, arXiv 2605.13887.
//!
//! Published are the two modules by name and purpose: Spiking Response Pooling (SPooling) in the
//! place of max-pooling, which keeps only the strongest response, and Local Structure-Aware Spiking
//! Self-Attention (LS-SSA) with a local dilated window in the place of global attention; and that
//! accuracy rises by 4.3 points on Tiny-ImageNet and 8.6 on N-CALTECH101. No code was released:
//! every formula, size and name of a tensor here is our reading.

mod block;
mod stage;

use serde::{Deserialize, Serialize};
use snn_attn::{Attend, DilatedWindows};
use snn_core::{
    Backend, Builder, Init, LoadError, Pass, Signal, Stage as Weights, Window, layer::Synapse,
};

pub use crate::membrane_shortcut::Pooling;
use crate::{
    check::{divisor, multiple, positive, within},
    network::{Frames, InputShape, Network},
    zoo::{self, Preset, Status},
};
use block::{Membrane, Sew, Shortcut as Residual};
use stage::{Input, Output, Stage};

/// Shape of an LSFormer.
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
    /// Width D of the last of four stages, a multiple of 8; each stage is twice as wide as the one
    /// before.
    pub dim: usize,
    /// Blocks behind the convolution of each stage; the last stage has some.
    pub depths: [usize; 4],
    /// Heads of each attention.
    pub heads: usize,
    /// Width of the hidden layer of each MLP, in units of its input.
    pub mlp_ratio: usize,
    /// Time steps T.
    pub time_steps: usize,
    /// Which stages halve the image.
    pub pooling: Pooling,
    /// How they do.
    #[serde(default)]
    pub pool: Pool,
    /// Side of the windows that are pooled; an odd one looks over the border.
    #[serde(default = "two")]
    pub pool_window: usize,
    /// Whether each channel learns the threshold of its pooling neurons, which starts at that of
    /// `pool`.
    #[serde(default)]
    pub learned_thresholds: bool,
    /// Which tokens meet.
    #[serde(default)]
    pub attention: Attention,
    /// What the products of an attention are multiplied by before its neurons. The family has
    /// 1/8; a window holds fewer keys than an image, so that neurons may want more.
    #[serde(default = "eighth")]
    pub scale: f64,
    /// Side of the windows of LS-SSA; odd. Of no meaning to global attention, as what follows.
    #[serde(default = "three")]
    pub window: usize,
    /// Dilations of the windows, for the heads by turns.
    #[serde(default = "one_and_two")]
    pub dilations: Vec<usize>,
    /// Whether the last head meets all tokens.
    #[serde(default)]
    pub global_head: bool,
    /// What attentions and MLPs are added to.
    #[serde(default)]
    pub shortcut: Shortcut,
}

const fn two() -> usize {
    2
}

const fn three() -> usize {
    3
}

const fn eighth() -> f64 {
    0.125
}

fn one_and_two() -> Vec<usize> {
    vec![1, 2]
}

/// How a region becomes one spike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// SPooling: the share of cells that spike charges a LIF neuron, `tau = 2`, threshold 0.25.
    #[default]
    Mean,
    /// SPooling on the number of cells that spike, threshold 1.
    Sum,
    /// The mean of the currents of a region goes into the neurons of the stage, and no others
    /// follow.
    Current,
    /// One spike is enough: the max-pooling that SPooling replaces.
    Max,
}

/// Which tokens meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// Those in a dilated window: LS-SSA.
    #[default]
    Window,
    /// All: the spiking self-attention (SSA) that LS-SSA replaces.
    Global,
}

/// What attentions and MLPs are added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Spikes, which add up to counts (SEW).
    #[default]
    Sew,
    /// Membranes (MS): then every synapse reads spikes.
    Membrane,
}

impl Config {
    /// Four blocks on a grid of 8 x 8, for CIFAR-10.
    pub fn cifar(dim: usize, heads: usize) -> Self {
        Self {
            image: [32, 32],
            in_channels: 3,
            events: false,
            classes: 10,
            dim,
            depths: [0, 0, 0, 4],
            heads,
            mlp_ratio: 4,
            time_steps: 4,
            pooling: Pooling::LAST_TWO,
            pool: Pool::Mean,
            pool_window: two(),
            learned_thresholds: false,
            attention: Attention::Window,
            scale: eighth(),
            window: three(),
            dilations: one_and_two(),
            global_head: false,
            shortcut: Shortcut::Sew,
        }
    }

    /// Two blocks on a grid of 8 x 8, for frames of 128 x 128 events.
    pub fn dvs(classes: usize, time_steps: usize) -> Self {
        Self {
            image: [128, 128],
            in_channels: 2,
            events: true,
            classes,
            depths: [0, 0, 0, 2],
            time_steps,
            pooling: Pooling::ALL,
            ..Self::cifar(256, 16)
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
            events: self.events,
        }
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        positive("in_channels", self.in_channels)?;
        positive("classes", self.classes)?;
        positive("mlp_ratio", self.mlp_ratio)?;
        positive("time_steps", self.time_steps)?;
        positive("depths", self.depths[3])?;
        multiple("dim", self.dim, 8)?;
        let first = (0..4).find(|&stage| self.depths[stage] > 0).unwrap_or(3);
        divisor("heads", self.heads, self.width(first))?;
        within("pool_window", self.pool_window, 2..=7)?;
        if self.learned_thresholds && matches!(self.pool, Pool::Current | Pool::Max) {
            return Err(LoadError::Config {
                field: "learned_thresholds",
                found: "true".into(),
                expected: "false: this `pool` has no neurons of its own".into(),
            });
        }
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return Err(LoadError::Config {
                field: "scale",
                found: self.scale.to_string(),
                expected: "a finite number above 0".into(),
            });
        }
        self.windows().validate()?;
        self.image.iter().try_for_each(|&side| self.halved(side))
    }

    /// Checks that every pool has something to look at on a side of the image.
    fn halved(&self, image: usize) -> Result<(), LoadError> {
        positive("image", image)?;
        let window = self.pooled();
        let mut side = image;
        for _ in self.pooling.0.iter().filter(|&&pools| pools) {
            if side + 2 * window.padding < window.size {
                return Err(LoadError::Config {
                    field: "image",
                    found: image.to_string(),
                    expected: format!(
                        "sides that `pooling` can halve by windows of {}",
                        window.size
                    ),
                });
            }
            side = window.outputs(side);
        }
        Ok(())
    }

    /// Width of a stage, counted from 0.
    const fn width(&self, stage: usize) -> usize {
        self.dim >> (3 - stage)
    }

    /// Where pools look.
    const fn pooled(&self) -> Window {
        let size = self.pool_window;
        Window { size, stride: 2, padding: if size % 2 == 1 { size / 2 } else { 0 }, dilation: 1 }
    }

    /// Where attentions look.
    fn windows(&self) -> DilatedWindows {
        let windows = DilatedWindows::new(self.window, self.dilations.clone());
        DilatedWindows { global_head: self.global_head, ..windows }
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration is contradictory or tensors do not fit it.
    pub fn build<B: Attend + 'static>(
        &self,
        from: &Builder<'_, B>,
    ) -> Result<Box<dyn Network<B>>, LoadError> {
        self.validate()?;
        Ok(match self.shortcut {
            Shortcut::Sew => Box::new(LsFormer::<B, Sew>::new(self, from)?),
            Shortcut::Membrane => Box::new(LsFormer::<B, Membrane>::new(self, from)?),
        })
    }
}

/// The network.
struct LsFormer<B: Backend, S> {
    time_steps: usize,
    stages: [Stage<B, S>; 4],
    head: Synapse<B>,
}

impl<B: Attend, S: Residual<B>> LsFormer<B, S> {
    fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let stages = from.sub("stages");
        let stage = |i: usize| Stage::new(cfg, i, &stages.sub(i));
        let head = Weights::linear("head", cfg.dim, cfg.classes).init(Init::Normal(0.02));
        Ok(Self {
            time_steps: cfg.time_steps,
            stages: [stage(0)?, stage(1)?, stage(2)?, stage(3)?],
            head: from.synapse(head.bias(Init::Constant(0.0)))?,
        })
    }
}

impl<B: Attend, S: Residual<B>> Network<B> for LsFormer<B, S> {
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real {
        let mut x = Input::Frames(input, self.time_steps);
        let mut last = None;
        for (i, stage) in self.stages.iter().enumerate() {
            let output = stage.forward(pass, &x);
            pass.output(&format!("stages.{i}"), &output.stream);
            let Output { stream, read } = output;
            last = Some(stream);
            match read {
                Some(read) => x = Input::Stage(read),
                None => break,
            }
        }
        let Some(last) = last else { unreachable!("there are four stages") };
        let mean = pass.backend.mean_positions(&S::numbers(pass.backend, &last));
        let mean = pass.backend.mean_time(&mean); // [B, D]
        let one_step = [&[1], &mean.shape()[..]].concat();
        let logits = self.head.forward(pass, &mean.reshape(&one_step));
        logits.reshape(&logits.shape()[1..])
    }
}

/// Networks of the sizes of the family, with the number of their parameters as we count it: none
/// was published.
pub(crate) fn presets() -> Vec<Preset> {
    let preset = |name, task, parameters, config| Preset {
        name,
        task,
        parameters,
        accuracy: None,
        source: "Li, Zhang and Yu, LSFormer, arXiv 2605.13887; the abstract only",
        status: Status::OurReading,
        config: zoo::Config::Lsformer(config),
    };
    let cifar = Config::cifar(384, 12);
    let hundred = Config { classes: 100, ..cifar.clone() };
    let tiny = Config {
        image: [64, 64],
        classes: 200,
        pooling: Pooling::LAST_THREE,
        ..Config::cifar(512, 16)
    };
    vec![
        preset("lsformer-4-384", "CIFAR-10", 9_310_906, cifar),
        preset("lsformer-4-384-cifar100", "CIFAR-100", 9_345_556, hundred),
        preset("lsformer-4-512-tiny-imagenet", "Tiny-ImageNet", 16_634_632, tiny),
        preset("lsformer-2-256-cifar10-dvs", "CIFAR10-DVS", 2_563_594, Config::dvs(10, 10)),
        preset("lsformer-2-256-n-caltech101", "N-CALTECH101", 2_586_981, Config::dvs(101, 16)),
    ]
}
