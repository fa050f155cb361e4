//! A network with weights, an input and the answer to it, as one file.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use ndarray::{ArrayD, IxDyn, Slice};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use snn_attn::Attend;
use snn_core::{Backend, Input, Outline, Pass, Reference, Tensor, Weights};
use snn_models::{Config, Frames, Network, mean_logits};
use snn_models::{qkformer, spike_driven_transformer, spikformer};

use crate::calibrate::calibrate;

/// A network with weights, an input and the answer to it.
#[derive(Clone, Debug)]
pub struct Case {
    /// `system-depth-dim`, where it is one of the networks for 32x32 pixels.
    pub name: String,
    /// The network.
    pub config: Config,
    /// Under their published names.
    pub weights: Weights,
    /// Images as PyTorch lays them out, `[N, C, H, W]`.
    pub input: ArrayD<f32>,
    /// `[N, classes]`; computed in 64-bit floats where we made the case.
    pub logits: ArrayD<f32>,
}

/// How a case is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// Same seed, same case.
    pub seed: u64,
    /// Images of the input.
    pub images: usize,
    /// Mean shift of the BatchNorms, which sets the firing rate: currents have
    /// about this mean and a standard deviation of 1. Trained networks fire at
    /// 10 to 25 %, which 0.6 gives.
    pub shift: f64,
}

impl Default for Draw {
    fn default() -> Self {
        Self { seed: 0, images: 16, shift: 0.6 }
    }
}

impl Case {
    /// Draws weights as training would start from, then BatchNorms, whose
    /// statistics are those of the first images; asks the reference in 64-bit
    /// floats for the answer.
    ///
    /// # Errors
    /// If the configuration contradicts itself or takes event frames.
    pub fn draw(name: &str, config: Config, draw: Draw) -> Result<Self> {
        let shape = config.input();
        ensure!(!shape.events, "`{name}` takes event frames, expected images");
        let mut rng = ChaCha8Rng::seed_from_u64(draw.seed);
        let pixels = [draw.images, shape.channels, shape.height, shape.width];
        let input =
            ArrayD::from_shape_simple_fn(IxDyn(&pixels), || StandardNormal.sample(&mut rng));
        let (_, mut weights) = config.draw(&Outline, draw.seed)?;
        calibrate(&config, &mut weights, &input, draw)?;
        let logits = ArrayD::zeros(vec![draw.images, config.classes()]);
        let mut case = Self { name: name.to_owned(), config, weights, input, logits };
        let oracle = Reference::<f64>::new();
        let network = case.network(&oracle)?;
        case.logits = logits_of(&oracle, &*network, &case.input).mapv(|x| x as f32);
        Ok(case)
    }

    /// Reads a case: weights, `input` and `logits`; the metadata name the
    /// `model`, as in [`config`], and may name time steps `T`.
    ///
    /// # Errors
    /// If the file is no case, or its model is not known.
    pub fn load(path: &Path) -> Result<Self> {
        let mut weights = Weights::load(path)?;
        let place = path.display();
        let metadata = std::mem::take(&mut weights.metadata);
        let name = metadata.get("model").with_context(|| {
            format!(
                "{place} has no `model` in its metadata, expected a case such as `bench` writes"
            )
        })?;
        let steps = match metadata.get("T") {
            Some(text) => text.parse().with_context(|| {
                format!("{place}: metadata `T` is `{text}`, expected a number of time steps")
            })?,
            None => 4,
        };
        let mut take = |name: &str, axes: usize| {
            let tensor = weights.tensors.remove(name).map(|tensor| tensor.to_f32());
            let tensor = tensor.with_context(|| format!("{place} holds no tensor `{name}`"))?;
            let found = tensor.ndim();
            ensure!(found == axes, "{place}: `{name}` has {found} axes, expected {axes}");
            Ok(tensor)
        };
        let (input, logits) = (take("input", 4)?, take("logits", 2)?);
        let mut config = config(name, steps)?;
        // Other sizes than 32x32 are for curves; the weights do not depend on it.
        if let Config::Spikformer(config) = &mut config {
            config.image = [input.shape()[2], input.shape()[3]];
        }
        let (images, answers) = (input.shape()[0], logits.shape()[0]);
        ensure!(images == answers, "{place} holds {images} images and {answers} answers");
        let shape = config.input();
        let expected = [images, shape.channels, shape.height, shape.width];
        ensure!(
            input.shape() == expected,
            "{place}: `input` has shape {:?}, expected {expected:?}",
            input.shape()
        );
        Ok(Self { name: name.clone(), config, weights, input, logits })
    }

    /// Writes the file that [`Case::load`] reads.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut file = self.weights.clone();
        file.insert("input", Tensor::F32(self.input.clone()));
        file.insert("logits", Tensor::F32(self.logits.clone()));
        file.metadata.insert("model".into(), self.name.clone());
        file.metadata.insert("T".into(), self.config.input().time_steps.to_string());
        Ok(file.save(path)?)
    }

    /// The network on a backend.
    ///
    /// # Errors
    /// If the weights do not fit.
    pub fn network<B: Attend + 'static>(&self, backend: &B) -> Result<Box<dyn Network<B>>> {
        Ok(self.config.load(backend, &self.weights)?)
    }

    /// The first `batch` images.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn images(&self, batch: usize) -> Result<ArrayD<f32>> {
        let images = self.input.shape()[0];
        if batch == 0 || batch > images {
            bail!("a batch of {batch}, but `{}` holds {images} images", self.name);
        }
        let first = self.input.slice_axis(ndarray::Axis(0), Slice::from(..batch));
        Ok(first.as_standard_layout().into_owned())
    }
}

/// One of the networks for CIFAR-10, over `steps` time steps: `spikformer`,
/// `spike-driven-transformer` (or `sdt`) or `qkformer` with depth and width, such
/// as `spikformer-4-384`.
///
/// QKFormer is built so that an image does not depend on its batch.
///
/// # Errors
/// If the name is none of these.
pub fn config(name: &str, steps: usize) -> Result<Config> {
    let unknown = || {
        format!(
            "`{name}` is not known, expected spikformer-, spike-driven-transformer- or \
             qkformer- with depth and width, such as spikformer-4-384"
        )
    };
    let (rest, dim) = name.rsplit_once('-').with_context(unknown)?;
    let (system, depth) = rest.rsplit_once('-').with_context(unknown)?;
    let (depth, dim): (usize, usize) =
        (depth.parse().with_context(unknown)?, dim.parse().with_context(unknown)?);
    Ok(match system {
        "spikformer" => {
            let heads = if dim == 384 { 12 } else { 8 };
            let config = spikformer::Config::cifar(depth, dim, heads);
            Config::Spikformer(spikformer::Config { time_steps: steps, ..config })
        }
        "spike-driven-transformer" | "sdt" => {
            let config = spike_driven_transformer::Config::cifar(depth, dim);
            Config::SpikeDrivenTransformer(spike_driven_transformer::Config {
                time_steps: steps,
                ..config
            })
        }
        "qkformer" => {
            let last = depth.checked_sub(2).with_context(unknown)?;
            Config::Qkformer(qkformer::Config {
                dim,
                depths: vec![1, 1, last],
                time_steps: steps,
                batch_coupled: false,
                ..qkformer::Config::cifar()
            })
        }
        _ => bail!(unknown()),
    })
}

/// What a network says of images `[B, C, H, W]`: `[B, classes]`.
pub fn logits_of<B: Backend>(
    backend: &B,
    network: &dyn Network<B>,
    images: &ArrayD<f32>,
) -> ArrayD<f64> {
    let frames = Frames::from_torch_layout(backend, images);
    let logits = network.forward(&mut Pass::new(backend), &frames);
    backend.read(Input::Real(&mean_logits(backend, &logits)))
}
