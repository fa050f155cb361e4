//! Comparing a network with what its authors' own code gave.
//!
//! A golden file is a safetensors file with the network's weights under their
//! published names, an `input`, the `logits`, and by module `act.*` (outputs),
//! `rate.*` (share of outputs that are not zero) and `level.*` (mean output).
//! Its metadata names the `system`, the `variant` and the `config`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use ndarray::ArrayD;
use serde::Deserialize;
use snn_attn::Attend;
use snn_core::{Event, Input, LoadError, Pass, Probe, Tensor, Weights};

use crate::{network::Frames, spikformer, zoo::Config};

/// A golden file, taken apart.
#[derive(Clone, Debug)]
pub struct Golden {
    /// The network that it is of.
    pub config: Config,
    /// Whether it was recorded in training: then it holds gradients.
    pub training: bool,
    /// Weights under their published names.
    pub weights: Weights,
    /// Everything else.
    pub recorded: BTreeMap<String, Tensor>,
}

/// Greatest differences that pass. `rate` is so small that no spike may differ.
pub mod tolerance {
    /// Of logits, absolute.
    pub const LOGITS: f64 = 1e-4;
    /// Of module outputs, absolute.
    pub const ACT: f64 = 1e-4;
    /// Of rates, absolute.
    pub const RATE: f64 = 1e-6;
}

/// Why a file is no golden file that we can check.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// Its weights do not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its metadata does not describe a network.
    #[error("{}: metadata `{key}` is {found}, expected {expected}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// It lacks a recorded tensor.
    #[error("golden file holds no tensor `{name}`")]
    Missing {
        /// The tensor.
        name: String,
    },
}

/// The `config` of a golden file, with the keys of every system.
#[derive(Deserialize)]
struct Recorded {
    image: [usize; 2],
    in_channels: usize,
    classes: usize,
    heads: usize,
    mlp_ratio: usize,
    time_steps: usize,
    #[serde(default)]
    dim: usize,
    #[serde(default)]
    depth: usize,
    #[serde(default)]
    mode: String,
}

impl Recorded {
    fn config(&self, system: &str, variant: &str) -> Option<Config> {
        let Self { image, in_channels, classes, heads, mlp_ratio, time_steps, dim, depth, .. } =
            *self;
        match system {
            "spikformer" => Some(Config::Spikformer(spikformer::Config {
                variant: serde_json::from_value(variant.into()).ok()?,
                image,
                in_channels,
                classes,
                dim,
                depth,
                heads,
                mlp_ratio,
                time_steps,
            })),
            _ => None,
        }
    }
}

impl Golden {
    /// Reads a golden file.
    ///
    /// # Errors
    /// [`GoldenError`] if it cannot be read or describes no system of ours.
    pub fn load(path: &Path) -> Result<Self, GoldenError> {
        let file = Weights::load(path)?;
        let bad = |key, found: Option<&str>, expected: &str| GoldenError::Metadata {
            path: path.into(),
            key,
            found: found.map_or("missing".into(), |text| format!("`{text}`")),
            expected: expected.into(),
        };
        let text = |key| file.metadata.get(key).map(String::as_str);
        let system = text("system")
            .ok_or_else(|| bad("system", None, "the name of a system; is this a golden file?"))?;
        let json = text("config").ok_or_else(|| {
            bad("config", None, "a JSON object: only whole networks can be checked")
        })?;
        let recorded: Recorded = serde_json::from_str(json).map_err(|e| {
            bad("config", Some(json), &format!("a configuration of `{system}` ({e})"))
        })?;
        let variant = text("variant").unwrap_or_default();
        let config = recorded.config(system, variant).ok_or_else(|| {
            bad("system", Some(&format!("{system} {variant}")), "a system and variant of the zoo")
        })?;
        let mut golden = Self {
            config,
            training: recorded.mode == "train",
            weights: Weights::default(),
            recorded: BTreeMap::new(),
        };
        for (name, tensor) in file.tensors {
            if is_recorded(&name) {
                golden.recorded.insert(name, (*tensor).clone());
            } else {
                golden.weights.tensors.insert(name, tensor);
            }
        }
        Ok(golden)
    }

    /// A recorded tensor.
    ///
    /// # Errors
    /// [`GoldenError::Missing`].
    pub fn tensor(&self, name: &str) -> Result<&Tensor, GoldenError> {
        self.recorded.get(name).ok_or_else(|| GoldenError::Missing { name: name.into() })
    }

    /// Runs the network on the recorded input and compares all that was
    /// recorded of the forward pass.
    ///
    /// # Errors
    /// [`GoldenError`] if the weights do not fit, or there is no input.
    pub fn compare<B: Attend + 'static>(&self, backend: &B) -> Result<Comparison, GoldenError> {
        let network = self.config.load(backend, &self.weights)?;
        let input = Frames::from_torch_layout(backend, &self.tensor("input")?.to_f32());
        let mut watch = Watch { golden: self, seen: Vec::new() };
        let pass = Pass::new(backend);
        let pass = if self.training { Pass::train(backend) } else { pass };
        let logits = network.forward(&mut pass.with_probe(&mut watch), &input);
        let mut seen = watch.seen;
        let expected = self.tensor("logits")?.to_f32();
        seen.push(Difference::new("logits", &backend.read(Input::Real(&logits)), &expected));
        Ok(Comparison { backend: backend.name(), differences: seen })
    }

    /// Whether modules put channels behind the tokens, as in the code that was
    /// recorded.
    fn channels_last(&self) -> bool {
        let Config::Spikformer(config) = &self.config;
        config.variant == spikformer::Variant::Cifar
    }
}

/// Whether a tensor of a golden file is no weight.
fn is_recorded(name: &str) -> bool {
    const KINDS: [&str; 5] = ["act.", "rate.", "level.", "grad.", "after."];
    ["input", "logits", "labels", "loss"].contains(&name)
        || KINDS.iter().any(|kind| name.starts_with(kind))
}

/// How one network on one backend differs from the recording.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The backend.
    pub backend: String,
    /// What was compared.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Greatest difference among names that start with `kind`; `None` if
    /// nothing of the kind was compared.
    pub fn greatest(&self, kind: &str) -> Option<f64> {
        let of_kind = self.differences.iter().filter(|d| d.name.starts_with(kind));
        // NaN must not hide: it is greater than anything.
        of_kind.map(|d| d.greatest).reduce(|a, b| if a >= b { a } else { b })
    }

    /// Everything beyond its tolerance.
    pub fn failures(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|d| d.greatest.is_nan() || d.greatest > d.tolerance())
    }
}

/// Greatest absolute difference of one tensor.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Name in the golden file.
    pub name: String,
    /// The difference; NaN if shapes or numbers are not comparable.
    pub greatest: f64,
}

impl Difference {
    fn new(name: &str, found: &ArrayD<f64>, expected: &ArrayD<f32>) -> Self {
        let greatest = if found.shape() == expected.shape() {
            let pairs = found.iter().zip(expected);
            pairs.map(|(a, &b)| (a - f64::from(b)).abs()).fold(0.0, |a, b| {
                if a >= b { a } else { b } // NaN stays
            })
        } else {
            f64::NAN
        };
        Self { name: name.into(), greatest }
    }

    /// Greatest difference that passes.
    pub fn tolerance(&self) -> f64 {
        match self.name.split('.').next() {
            Some("rate" | "level") => tolerance::RATE,
            Some("act") => tolerance::ACT,
            _ => tolerance::LOGITS,
        }
    }
}

/// Compares what passes by with the recording.
struct Watch<'a> {
    golden: &'a Golden,
    seen: Vec<Difference>,
}

impl Watch<'_> {
    fn compare(&mut self, name: String, found: impl FnOnce(&ArrayD<f32>) -> ArrayD<f64>) {
        if let Some(expected) = self.golden.recorded.get(&name) {
            let expected = expected.to_f32();
            self.seen.push(Difference::new(&name, &found(&expected), &expected));
        }
    }
}

impl<B: Attend> Probe<B> for Watch<'_> {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        match event {
            Event::Neuron { name, output, unit } => {
                let steps = backend.activity(output);
                let total = |f: fn(&snn_core::Activity) -> f64| steps.iter().map(f).sum::<f64>();
                let elements = total(|s| s.elements);
                let scalar = |x: f64| ArrayD::from_elem(vec![1], x);
                let rate = total(|s| s.nonzero) / elements;
                self.compare(format!("rate.{name}"), |_| scalar(rate));
                let level = total(|s| s.sum) * unit / elements;
                self.compare(format!("level.{name}"), |_| scalar(level));
            }
            Event::Output { name, x } => {
                let last = self.golden.channels_last();
                self.compare(format!("act.{name}"), |expected| {
                    let x = backend.read(x);
                    let x = if last { x } else { channels_first(x) };
                    let fits = x.len() == expected.len();
                    if fits { reshaped(x, expected.shape()) } else { x }
                });
            }
            _ => {}
        }
    }
}

/// `[T, B, positions..., C]` to `[T, B, C, positions...]`.
fn channels_first(x: ArrayD<f64>) -> ArrayD<f64> {
    let mut axes: Vec<usize> = (0..x.ndim()).collect();
    let channels = axes.remove(x.ndim() - 1);
    axes.insert(2, channels);
    x.permuted_axes(axes)
}

fn reshaped(x: ArrayD<f64>, shape: &[usize]) -> ArrayD<f64> {
    match x.to_shape(shape) {
        Ok(y) => y.to_owned(),
        Err(e) => unreachable!("lengths were compared: {e}"),
    }
}
