//! Whether a network on a backend does what the reference does, spike by spike.

use anyhow::Result;
use ndarray::ArrayD;
use serde::Serialize;
use snn_attn::Attend;
use snn_core::{
    Backend, Event, Input, Pass, Probe, Reference,
    probe::{self, Agreement},
};
use snn_models::{Frames, mean_logits};

use crate::Case;

type Oracle = Reference<f64>;

/// What the reference in 64-bit floats does on the first images of a case.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Images that it is of.
    pub batch: usize,
    /// `[batch, classes]`.
    pub logits: ArrayD<f64>,
    /// What each synapse read, in the order of computation.
    pub synapses: Vec<Density>,
    spikes: probe::Recording,
}

/// How much of the input of a synapse is not zero.
#[derive(Clone, Debug, Serialize)]
pub struct Density {
    /// Published name of its weight.
    pub name: String,
    /// Multiply-accumulates of one image over all time steps, were it dense.
    pub macs: f64,
    /// Share of its input that is not zero.
    pub density: f64,
    /// Mean of its input.
    pub mean: f64,
}

impl Recording {
    /// Runs the reference on the first `batch` images.
    ///
    /// # Errors
    /// If there are fewer images, or the weights do not fit.
    pub fn new(case: &Case, batch: usize) -> Result<Self> {
        let oracle = Oracle::new();
        let (mut spikes, mut watch) =
            (probe::Recording::default(), Densities { batch, of: Vec::new() });
        let logits = watched(&oracle, case, batch, &mut (&mut spikes, &mut watch))?;
        Ok(Self { batch, logits, synapses: watch.of, spikes })
    }

    /// Share of neurons that spike, over all layers, images and steps.
    pub fn rate(&self) -> f64 {
        self.spikes.rate()
    }

    /// Multiply-accumulates of one image, were all of it dense.
    pub fn macs(&self) -> f64 {
        self.synapses.iter().map(|synapse| synapse.macs).sum()
    }

    /// Share of [`Recording::macs`] whose input is not zero.
    pub fn busy(&self) -> f64 {
        let busy: f64 = self.synapses.iter().map(|s| s.macs * s.density).sum();
        busy / self.macs()
    }
}

/// Runs `backend` on the images of a recording: how its spikes differ, and the
/// greatest difference of a logit.
///
/// # Errors
/// If the weights do not fit.
pub fn agreement<B: Attend + 'static>(
    backend: &B,
    case: &Case,
    recording: &Recording,
) -> Result<(Agreement, f64)> {
    let mut found = Agreement::default();
    let logits = watched(backend, case, recording.batch, &mut found.with(&recording.spikes))?;
    Ok((found, greatest_difference(&logits, &recording.logits)))
}

/// Greatest difference of two arrays of equal shape; NaN if one holds a NaN.
pub fn greatest_difference(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |a, b| if a >= b { a } else { b })
}

fn watched<B: Attend + 'static>(
    backend: &B,
    case: &Case,
    batch: usize,
    probe: &mut dyn Probe<B>,
) -> Result<ArrayD<f64>> {
    let network = case.network(backend)?;
    let frames = Frames::from_torch_layout(backend, &case.images(batch)?);
    let logits = network.forward(&mut Pass::new(backend).with_probe(probe), &frames);
    Ok(backend.read(Input::Real(&mean_logits(backend, &logits))))
}

struct Densities {
    batch: usize,
    of: Vec<Density>,
}

impl Probe<Oracle> for Densities {
    fn observe(&mut self, oracle: &Oracle, event: Event<'_, Oracle>) {
        let Event::Synapse { name, map, input, repeats } = event else { return };
        let steps = oracle.activity(input);
        let total = |f: fn(&snn_core::Activity) -> f64| steps.iter().map(f).sum::<f64>();
        let outputs: usize = map.output_shape(&input.shape()).iter().product();
        let macs = outputs * map.fan_in() * repeats / self.batch;
        let elements = total(|s| s.elements);
        self.of.push(Density {
            name: name.to_owned(),
            macs: macs as f64,
            density: total(|s| s.nonzero) / elements,
            mean: total(|s| s.sum) / elements,
        });
    }
}
