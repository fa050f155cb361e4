//! Winner-take-all spiking transformers for language: WD-Spikingformer, a causal decoder, and
//! WE-Spikingformer, an encoder that fills in masked tokens or classifies. Source: Zhou et al.,
//! *Winner-Take-All Spiking Transformer for Language Modeling*, arXiv 2604.11321.
//!
//! No code or weights were released. Published are the two attentions, the neuron with its four
//! virtual steps, and the numbers of blocks, parameters and results; layers, norms and names of
//! tensors are our reading. Norms are BatchNorms, which fold into the weights, so that between
//! spikes and spikes there are only sums.

mod block;
mod decode;
mod neurons;
mod tokens;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use snn_attn::{Attend, WinnerTakeAll};
use snn_core::{
    Backend, Builder, Init, LoadError, Outline, Pass, Signal, Stage, Weights,
    layer::{Embedding, Synapse},
};

use crate::{
    check::{at_least, divisor, positive, within},
    matterhorn,
    zoo::{Preset, Status},
};
use block::Block;
pub use decode::DecodeState;
use neurons::Neurons;
pub use tokens::{TokenError, Tokens};

/// Shape of a language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it is for.
    pub task: Task,
    /// Tokens that there are.
    pub vocabulary: usize,
    /// Greatest length of a text, in tokens.
    pub context: usize,
    /// Width C of the blocks.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Width of the hidden layer of each MLP, in units of `dim`.
    pub mlp_ratio: usize,
    /// Greatest level D of a neuron: virtual steps of the network on spikes.
    pub levels: u32,
    /// How attention weighs the values.
    #[serde(default)]
    pub attention: Attention,
    /// Who wins, where winners do.
    #[serde(default)]
    pub wta: WinnerTakeAll,
    /// What is sent between layers: levels over virtual steps, unless it says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coding: Option<matterhorn::Coding>,
}

/// What a language model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Task {
    /// The next token, from those before it: WD-Spikingformer.
    Causal,
    /// Every token, from all others: WE-Spikingformer in pre-training.
    Masked,
    /// A class for the whole text: WE-Spikingformer, fine-tuned.
    Classify {
        /// Classes.
        classes: usize,
    },
}

/// How attention weighs the values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// The values of the winners pass unchanged: WSSA, CWSSA.
    #[default]
    WinnerTakeAll,
    /// The twin that it is compared with: the same network, with a softmax.
    Softmax,
}

impl Config {
    /// WE-Spikingformer of 12 blocks. Width and heads are those of the encoders that it is compared
    /// with, the vocabulary that of BERT.
    pub const fn encoder(task: Task) -> Self {
        Self {
            task,
            vocabulary: 30_522,
            context: 512,
            dim: 768,
            depth: 12,
            heads: 12,
            mlp_ratio: 4,
            levels: 4,
            attention: Attention::WinnerTakeAll,
            wta: WinnerTakeAll::PUBLISHED,
            coding: None,
        }
    }

    /// WD-Spikingformer of 0.4 billion parameters. Only their number is published.
    pub const fn decoder() -> Self {
        Self {
            vocabulary: 150_000,
            context: 1024,
            dim: 1024,
            depth: 24,
            heads: 16,
            ..Self::encoder(Task::Causal)
        }
    }

    /// Name of the system, as configurations and weights carry it.
    pub const fn system(&self) -> &'static str {
        match (&self.coding, self.task) {
            (Some(_), _) => "matterhorn",
            (None, Task::Causal) => "wd-spikingformer",
            (None, Task::Masked | Task::Classify { .. }) => "we-spikingformer",
        }
    }

    /// Numbers that it gives for a token, or for a text that it classifies.
    pub const fn outputs(&self) -> usize {
        match self.task {
            Task::Causal | Task::Masked => self.vocabulary,
            Task::Classify { classes } => classes,
        }
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the field.
    pub fn validate(&self) -> Result<(), LoadError> {
        let Self { task, vocabulary, context, dim, depth, heads, mlp_ratio, levels, .. } = *self;
        if let Task::Classify { classes } = task {
            at_least("task.classes", classes, 2)?;
        }
        at_least("vocabulary", vocabulary, 2)?;
        positive("context", context)?;
        positive("dim", dim)?;
        positive("depth", depth)?;
        divisor("heads", heads, dim)?;
        positive("mlp_ratio", mlp_ratio)?;
        within("levels", levels as usize, 1..=255)?;
        if let Some(coding) = &self.coding {
            coding.validate()?;
            if task == Task::Causal {
                let (found, expected) =
                    ("causal".into(), "masked or classify, with `coding`".into());
                return Err(LoadError::Config { field: "task", found, expected });
            }
        }
        self.wta.validate()
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`LoadError`] if the configuration is contradictory or tensors do not
    /// fit it.
    pub fn build<B: Attend>(
        &self,
        from: &Builder<'_, B>,
    ) -> Result<WtaSpikingformer<B>, LoadError> {
        self.validate()?;
        let (dim, blocks) = (self.dim, from.sub("blocks"));
        // Neurons fire from 0.5 on, so vectors are of that order from the start.
        let bits = self.coding.as_ref().and_then(|coding| coding.table_bits);
        let table = |name, rows, std| -> Result<_, LoadError> {
            Ok(from.embedding(name, rows, dim, Init::Normal(std))?.rounded(bits))
        };
        Ok(WtaSpikingformer {
            config: self.clone(),
            token: table("token", self.vocabulary, 1.0)?,
            position: table("position", self.context, 0.5)?,
            blocks: (0..self.depth)
                .map(|i| Block::new(self, &blocks.sub(i)))
                .collect::<Result<_, _>>()?,
            head: Head::new(self, &from.sub("head"))?,
        })
    }

    /// Builds the network from a checkpoint that must hold its tensors and no others.
    ///
    /// # Errors
    /// As [`Config::build`], and [`LoadError::Extra`].
    pub fn load<B: Attend>(
        &self,
        backend: &B,
        weights: &Weights,
    ) -> Result<WtaSpikingformer<B>, LoadError> {
        let builder = Builder::load(backend, weights);
        let network = self.build(&builder)?;
        builder.finish()?;
        Ok(network)
    }

    /// Builds the network freshly drawn, and gives its initial checkpoint.
    ///
    /// # Errors
    /// As [`Config::build`].
    pub fn draw<B: Attend>(
        &self,
        backend: &B,
        seed: u64,
    ) -> Result<(WtaSpikingformer<B>, Weights), LoadError> {
        let builder = Builder::draw(backend, seed);
        let network = self.build(&builder)?;
        Ok((network, builder.finish()?))
    }

    /// Builds the network without numbers, and gives its tensors: names and shapes.
    ///
    /// # Errors
    /// As [`Config::build`].
    pub fn outline(&self) -> Result<(WtaSpikingformer<Outline>, Weights), LoadError> {
        let builder = Builder::zeros(&Outline);
        let network = self.build(&builder)?;
        Ok((network, builder.finish()?))
    }
}

/// The network.
pub struct WtaSpikingformer<B: Backend> {
    config: Config,
    token: Embedding<B>,
    position: Embedding<B>,
    blocks: Vec<Block<B>>,
    head: Head<B>,
}

impl<B: Attend> WtaSpikingformer<B> {
    /// Logits of every token, `[B, N, vocabulary]`, or of every text, `[B, classes]`. A text of
    /// padding alone gives the logits of silence.
    ///
    /// # Panics
    /// If the tokens were checked for another configuration.
    pub fn forward(&self, pass: &mut Pass<'_, B>, tokens: &Tokens) -> B::Real {
        let mut x = self.embed(pass, tokens.ids(), 0);
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(pass, &x, &tokens.visible(self.config.task == Task::Causal));
            pass.output(&format!("blocks.{i}"), &x);
        }
        let logits = self.head.forward(pass, &self.token, &x, tokens);
        logits.reshape(&logits.shape()[1..])
    }

    /// Shape and settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Membranes `[1, B, N, C]` of tokens `[B, N]`, the first at position `start`.
    fn embed(&self, pass: &Pass<'_, B>, ids: &Array2<usize>, start: usize) -> B::Real {
        let one_step = |x: Array2<usize>| x.insert_axis(Axis(0)).into_dyn();
        let places = Array2::from_shape_fn(ids.raw_dim(), |(_, n)| start + n);
        let token = self.token.forward(pass, &one_step(ids.clone()));
        pass.backend.add_real(&token, &self.position.forward(pass, &one_step(places)))
    }
}

/// From the membranes of the last block to logits.
enum Head<B: Backend> {
    /// Spikes meet the vectors of all tokens.
    Causal { neurons: Neurons<B>, scale: f64 },
    /// One layer more before that, as in BERT.
    Masked { neurons: Neurons<B>, dense: Synapse<B>, scale: f64 },
    /// The mean over the tokens that are there.
    Classify { neurons: Neurons<B>, unit: f64, dense: Synapse<B> },
}

impl<B: Attend> Head<B> {
    fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let neurons = Neurons::new(cfg, from, "neurons")?;
        // Vectors have a length of sqrt(C): logits start at the order of 1.
        let scale = 1.0 / (cfg.dim as f64).sqrt();
        let eight_bits = |stage: Stage<'static>| match &cfg.coding {
            Some(matterhorn::Coding { table_bits: Some(bits), .. }) => stage.quantized(*bits),
            _ => stage,
        };
        Ok(match cfg.task {
            Task::Causal => Self::Causal { neurons, scale },
            Task::Masked => {
                let stage = eight_bits(Stage::linear("dense", cfg.dim, cfg.dim).norm("norm"));
                let dense = from.synapse_reading(neurons.levels(), stage)?;
                Self::Masked { neurons, dense, scale }
            }
            Task::Classify { classes } => {
                let stage = Stage::linear("dense", cfg.dim, classes).bias(Init::Constant(0.0));
                let unit = neurons.unit();
                Self::Classify { neurons, unit, dense: from.synapse(eight_bits(stage))? }
            }
        })
    }

    /// Membranes `[1, B, N, C]` to `[1, B, N, vocabulary]` or `[1, B, classes]`.
    fn forward(
        &self,
        pass: &mut Pass<'_, B>,
        token: &Embedding<B>,
        x: &B::Real,
        tokens: &Tokens,
    ) -> B::Real {
        match self {
            Self::Causal { neurons, scale } => {
                let spikes = neurons.forward(pass, x);
                token.compare(pass, spikes.levels(), *scale)
            }
            Self::Masked { neurons, dense, scale } => {
                let spikes = neurons.forward(pass, x);
                let x = spikes.meet(pass, dense);
                token.compare(pass, &x, *scale)
            }
            Self::Classify { neurons, unit, dense } => {
                let spikes = neurons.forward(pass, x);
                // Counts stand on the left of a product: S^T w, `[C, N]` times `[N, 1]`.
                let turned = spikes.levels().permute(&[0, 1, 3, 2]);
                let weights = pass.backend.real(&tokens.shares(*unit));
                let mean = pass.backend.matmul_real(&turned, &weights);
                let shape = mean.shape();
                dense.forward(pass, &mean.reshape(&shape[..3]))
            }
        }
    }
}

/// The published networks. Only their sizes are: numbers of parameters are ours.
pub fn presets() -> Vec<Preset<Config>> {
    let preset = |name, task, parameters, accuracy, config| Preset {
        name,
        task,
        parameters,
        accuracy: Some(accuracy),
        source: "Zhou et al., Winner-Take-All Spiking Transformer, arXiv 2604.11321",
        status: Status::OurReading,
        config,
    };
    let classify = Task::Classify { classes: 2 };
    vec![
        preset("we-spikingformer-sst2", "SST-2", 108_936_194, 89.0, Config::encoder(classify)),
        preset(
            "we-spikingformer",
            "GLUE, mean of 8",
            109_526_016,
            66.3,
            Config::encoder(Task::Masked),
        ),
        preset(
            "wd-spikingformer-0.4b",
            "5 question sets, mean",
            457_080_832,
            28.4,
            Config::decoder(),
        ),
    ]
}
