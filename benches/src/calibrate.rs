use std::collections::BTreeMap;

use anyhow::Result;
use ndarray::{Array1, ArrayD, Axis, Slice};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use snn_core::{
    Backend, Event, Input, Map, Pass, Probe, Reference, Tensor, Weights,
    backend::{Mode, StageParts, SynapseParts},
};
use snn_models::{Config, Frames};

use crate::case::Draw;

/// Images that statistics are taken of.
const IMAGES: usize = 4;

/// Draws gain and shift of every BatchNorm, and sets its statistics to those of
/// its input over some images.
///
/// In training a BatchNorm uses the statistics of its input, so that one pass
/// shows them all.
pub(crate) fn calibrate(
    config: &Config,
    weights: &mut Weights,
    images: &ArrayD<f32>,
    draw: Draw,
) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(draw.seed);
    rng.set_stream(1);
    let norms: Vec<String> = weights
        .tensors
        .keys()
        .filter_map(|name| name.strip_suffix(".running_var"))
        .map(String::from)
        .collect();
    for norm in &norms {
        let channels = weights.get(&format!("{norm}.weight")).map_or(0, |t| t.shape()[0]);
        let gain = |rng: &mut ChaCha8Rng| 0.8 + 0.4 * uniform(rng);
        let shift = |rng: &mut ChaCha8Rng| draw.shift + 0.1 * normal(rng);
        set(weights, &format!("{norm}.weight"), (0..channels).map(|_| gain(&mut rng)));
        set(weights, &format!("{norm}.bias"), (0..channels).map(|_| shift(&mut rng)));
    }
    let backend = Reference::<f32>::new();
    let network = config.load(&backend, weights)?;
    let few = images.slice_axis(Axis(0), Slice::from(..IMAGES.min(images.shape()[0])));
    let frames = Frames::from_torch_layout(&backend, &few.to_owned());
    let mut statistics = Statistics { weights, found: BTreeMap::new() };
    network.forward(&mut Pass::train(&backend).with_probe(&mut statistics), &frames);
    for (norm, [mean, var]) in statistics.found {
        set(weights, &format!("{norm}.running_mean"), mean.into_iter());
        set(weights, &format!("{norm}.running_var"), var.into_iter());
    }
    Ok(())
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    StandardUniform.sample(rng)
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn set(weights: &mut Weights, name: &str, values: impl Iterator<Item = f64>) {
    let values: Array1<f32> = values.map(|x| x as f32).collect();
    weights.insert(name, Tensor::F32(values.into_dyn()));
}

/// Mean and variance of what each BatchNorm is given.
struct Statistics<'a> {
    weights: &'a Weights,
    found: BTreeMap<String, [Vec<f64>; 2]>,
}

impl Statistics<'_> {
    /// The BatchNorm behind a weight: `q_linear` and `proj_conv1` are followed by
    /// `q_bn` and `proj_bn1`.
    fn norm(&self, weight: &str) -> Option<String> {
        let (path, own) = weight.rsplit_once('.')?;
        let kinds = ["conv", "linear"].into_iter();
        let names = kinds.map(|kind| format!("{path}.{}", own.replace(kind, "bn")));
        names.into_iter().find(|name| self.weights.get(&format!("{name}.running_var")).is_some())
    }

    /// What the map alone makes of its input, without BatchNorm.
    fn current(
        &self,
        backend: &Reference<f32>,
        name: &str,
        map: Map,
        input: Input<'_, Reference<f32>>,
    ) -> Option<ArrayD<f32>> {
        let tensor = |part: &str| self.weights.tensors.get(&format!("{name}.{part}")).cloned();
        let stage = StageParts {
            name: name.to_owned(),
            map,
            weight: tensor("weight")?,
            quantizer: None,
            bias: tensor("bias"),
            norms: Vec::new(),
            border: 0,
        };
        let parts = SynapseParts { name: name.to_owned(), map, reads: None, stages: vec![stage] };
        Some(backend.current(&backend.synapse(&parts), input, 1, Mode::Eval))
    }
}

impl Probe<Reference<f32>> for Statistics<'_> {
    fn observe(&mut self, backend: &Reference<f32>, event: Event<'_, Reference<f32>>) {
        let Event::Synapse { name, map, input, .. } = event else { return };
        let Some(norm) = self.norm(name) else { return };
        let Some(current) = self.current(backend, name, map, input) else { return };
        let channels = map.outputs();
        let rows = current.len() / channels;
        let (mut sum, mut squares) = (vec![0f64; channels], vec![0f64; channels]);
        for (i, &x) in current.iter().enumerate() {
            sum[i % channels] += f64::from(x);
            squares[i % channels] += f64::from(x) * f64::from(x);
        }
        let mean: Vec<f64> = sum.into_iter().map(|sum| sum / rows as f64).collect();
        let var = squares.iter().zip(&mean);
        let var = var.map(|(squares, mean)| squares / rows as f64 - mean * mean).collect();
        self.found.insert(norm, [mean, var]);
    }
}
