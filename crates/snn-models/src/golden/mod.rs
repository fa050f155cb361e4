//! Comparing networks and mechanisms with what their authors' own code gave.
//!
//! A golden file is a safetensors file. That of a network holds its weights
//! under their published names, an `input`, the `logits`, and by module `act.*`
//! (outputs), `rate.*` (share of outputs that are not zero) and `level.*` (mean
//! output); its metadata names the `system`, the `variant` and the `config`.

mod codes;
mod file;
mod heads;
mod quant;
mod recorded;
mod temporal;
mod ttfs;
mod window;
mod wta;
mod xnor;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use ndarray::ArrayD;
use snn_attn::Attend;
use snn_core::{
    Event, Input, LoadError, Pass, Probe, Tensor, Weights, encode::ttfs::TtfsError,
    quant::QuantError,
};

use self::recorded::Recorded;
pub use self::{
    codes::CodesRecording, quant::QuantRecording, temporal::TemporalBlockRecording,
    ttfs::TtfsRecording, window::WindowRecording, wta::WinnerTakeAllRecording, xnor::Similarities,
};
use crate::{
    network::Frames,
    spike_driven_transformer::SpikeMode,
    spikformer,
    zoo::{Config, Preset},
};

/// A golden file of any kind.
#[derive(Clone, Debug)]
pub enum Recording {
    /// Of a whole network.
    Network(Box<Golden>),
    /// Of the a-XNOR similarity.
    Xnor(Similarities),
    /// Of winner-take-all attention.
    WinnerTakeAll(WinnerTakeAllRecording),
    /// Of hashing, and of attention on codes.
    Codes(CodesRecording),
    /// Of masked time-to-first-spike codes.
    Ttfs(TtfsRecording),
    /// Of weights of few bits.
    Quant(QuantRecording),
    /// Of a block that looks along time.
    TemporalBlock(TemporalBlockRecording),
    /// Of attention on dilated windows, and of spiking response pooling.
    Window(WindowRecording),
}

impl Recording {
    /// Reads a golden file.
    ///
    /// # Errors
    /// [`GoldenError`] if it cannot be read or describes nothing of ours.
    pub fn load(path: &Path) -> Result<Self, GoldenError> {
        let file = read(path)?;
        match file.metadata.get("system").map(String::as_str) {
            Some("a-xnor") => Ok(Self::Xnor(Similarities::new(file))),
            Some("wta-attention") => {
                Ok(Self::WinnerTakeAll(WinnerTakeAllRecording::new(path, file)?))
            }
            Some(
                "ecoformer-hash" | "multi-scale-hash" | "temporal-alignment" | "lsh-attention",
            ) => Ok(Self::Codes(CodesRecording::new(path, file)?)),
            Some("mttfs") => Ok(Self::Ttfs(TtfsRecording::new(path, file)?)),
            Some("log-quant" | "nf4") => Ok(Self::Quant(QuantRecording::new(path, file)?)),
            Some("teformer-block") => {
                Ok(Self::TemporalBlock(TemporalBlockRecording::new(path, file)?))
            }
            Some("dilated-window") => Ok(Self::Window(WindowRecording::new(path, file)?)),
            _ => Ok(Self::Network(Golden::new(path, file)?.into())),
        }
    }

    /// Compares all that was recorded of a forward pass.
    ///
    /// # Errors
    /// [`GoldenError`] if tensors are missing or do not fit.
    pub fn compare<B: Attend + 'static>(&self, backend: &B) -> Result<Comparison, GoldenError> {
        match self {
            Self::Network(golden) => golden.compare(backend),
            Self::Xnor(similarities) => similarities.compare(backend),
            Self::WinnerTakeAll(recording) => recording.compare(backend),
            Self::Codes(recording) => recording.compare(backend),
            Self::Ttfs(recording) => recording.compare(backend.name()),
            Self::Quant(recording) => recording.compare(backend.name()),
            Self::Window(recording) => recording.compare(backend),
            Self::TemporalBlock(recording) => recording.compare(backend),
        }
    }
}

/// The golden file of a network, taken apart.
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
    /// A tensor has no numbers.
    #[error("{}: tensor `{name}` is empty, expected numbers", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// It lacks a recorded tensor.
    #[error("golden file holds no tensor `{name}`")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// A tensor of spikes or levels holds something else.
    #[error(
        "golden file: tensor `{name}` holds {found}, expected whole numbers from 0 to {greatest}"
    )]
    Level {
        /// The tensor.
        name: String,
        /// What it holds.
        found: f32,
        /// The greatest that it may hold.
        greatest: u8,
    },
    /// A tensor has other axes than expected.
    #[error("golden file: tensor `{name}` has {found} axes, expected {expected}")]
    Axes {
        /// The tensor.
        name: String,
        /// Axes that it should have.
        expected: usize,
        /// Axes that it has.
        found: usize,
    },
    /// A tensor cannot be coded in time.
    #[error("golden file: tensor `{name}`: {source}")]
    Ttfs {
        /// The tensor.
        name: String,
        /// Why.
        source: TtfsError,
    },
    /// A tensor cannot be quantised.
    #[error("golden file: tensor `{name}`: {source}")]
    Quant {
        /// The tensor.
        name: String,
        /// Why.
        source: QuantError,
    },
}

impl Golden {
    /// Reads a golden file.
    ///
    /// # Errors
    /// [`GoldenError`] if it cannot be read or describes no system of ours.
    pub fn load(path: &Path) -> Result<Self, GoldenError> {
        Self::new(path, read(path)?)
    }

    fn new(path: &Path, file: Weights) -> Result<Self, GoldenError> {
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
        if !Preset::all().iter().any(|preset| preset.config.system() == system) {
            let expected = "a system of the zoo; `cargo xtask models` lists them";
            return Err(bad("system", Some(system), expected));
        }
        let mut recorded: Recorded = serde_json::from_str(json).map_err(|e| {
            bad("config", Some(json), &format!("a configuration of `{system}` ({e})"))
        })?;
        if file.get("head_lif.w").is_some() {
            recorded.spike_mode = SpikeMode::Plif;
        }
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
        seen.extend(self.unseen(&seen));
        let expected = self.tensor("logits")?.to_f32();
        seen.push(Difference::new("logits", &backend.read(Input::Real(&logits)), &expected));
        Ok(Comparison { backend: backend.name(), differences: seen })
    }

    /// What was recorded of modules that did not report: it differs.
    fn unseen(&self, seen: &[Difference]) -> Vec<Difference> {
        let names: BTreeSet<&str> = seen.iter().map(|d| d.name.as_str()).collect();
        let of_modules = ["act.", "rate.", "level."];
        let names = self.recorded.keys().filter(|name| {
            of_modules.iter().any(|kind| name.starts_with(kind)) && !names.contains(name.as_str())
        });
        names.map(|name| Difference { name: name.clone(), greatest: f64::NAN }).collect()
    }

    /// Whether modules put channels behind the tokens, as in the code that was
    /// recorded.
    fn channels_last(&self) -> bool {
        matches!(
            &self.config,
            Config::Spikformer(config) if config.variant == spikformer::Variant::Cifar
        )
    }
}

/// The tensors of a golden file; none of them is empty.
fn read(path: &Path) -> Result<Weights, GoldenError> {
    let file = Weights::load(path)?;
    match file.tensors.iter().find(|(_, tensor)| tensor.shape().contains(&0)) {
        Some((name, _)) => Err(GoldenError::Empty { path: path.into(), name: name.clone() }),
        None => Ok(file),
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

fn reshaped<T: Clone>(x: ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
    match x.to_shape(shape) {
        Ok(y) => y.to_owned(),
        Err(e) => unreachable!("lengths were compared: {e}"),
    }
}
