use ndarray::{ArrayD, Axis};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::{
    backend::Backend,
    layer::{NeuronLayer, Synapse},
    map::Map,
    neuron::Neuron,
    pass::Pass,
    reference::Reference,
    tensor::Spikes,
    weights::{BatchNorm, Builder, Init, Stage, Tensor, Weights},
};

/// A synapse with its weights, the neuron behind it, and spikes before it; small
/// to print, all numbers by seed.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The weighted map.
    pub map: Map,
    /// Of the spikes: `[T, B, positions..., inputs]`.
    pub shape: Vec<usize>,
    /// How many of a hundred inputs spike.
    pub percent: u32,
    /// What the current meets.
    pub neuron: Neuron,
    /// Of weights and spikes. Even: weights are of a few levels, without
    /// BatchNorm, so that membranes meet thresholds exactly now and then. Odd:
    /// normal weights and a BatchNorm.
    pub seed: u64,
}

impl Layer {
    /// The spikes before it, of shape [`shape`](Self::shape).
    pub fn spikes(&self) -> Spikes {
        self.other_spikes(0)
    }

    /// As [`spikes`](Self::spikes), and others for every `n` above 0.
    pub fn other_spikes(&self, n: u64) -> Spikes {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(n);
        ArrayD::from_shape_simple_fn(&self.shape[..], || rng.random_range(0..100) < self.percent)
    }

    /// Shape of its current: `[T, B, positions..., outputs]`.
    pub fn output_shape(&self) -> Vec<usize> {
        self.map.output_shape(&self.shape)
    }

    /// Its tensors as a checkpoint has them: `fc.weight`, `fc.bias`, and `bn.*`
    /// of a BatchNorm.
    pub fn weights(&self) -> Weights {
        let backend = Reference::<f64>::new();
        let builder = Builder::draw(&backend, self.seed);
        let drawn = builder.synapse(self.stage()).and_then(|_| builder.finish());
        let mut weights = match drawn {
            Ok(weights) => weights,
            Err(e) => unreachable!("drawn, not loaded: {e}"),
        };
        if self.has_norm() {
            let vector = |f: fn(usize) -> f32| {
                Tensor::F32(ArrayD::from_shape_fn(vec![self.map.outputs()], |i| f(i[0])))
            };
            weights.insert("bn.weight", vector(|c| 0.5 + (c % 7) as f32 * 0.2));
            weights.insert("bn.bias", vector(|c| (c % 5) as f32 * 0.1 - 0.1));
            weights.insert("bn.running_mean", vector(|c| (c % 3) as f32 * 0.3 - 0.3));
            weights.insert("bn.running_var", vector(|c| 0.5 + (c % 4) as f32));
        } else {
            for name in ["fc.weight", "fc.bias"] {
                let coarse = numbers(&weights, name).mapv(|w| (w * 4.0).round() / 4.0);
                weights.insert(name, Tensor::F32(coarse));
            }
        }
        weights
    }

    /// Weights as published, [`Map::weight_shape`], and bias `[outputs]`, with
    /// the BatchNorm folded into both.
    pub fn folded(&self) -> (ArrayD<f64>, Vec<f64>) {
        let weights = self.weights();
        let vector = |name| numbers(&weights, name).mapv(f64::from);
        let mut weight = vector("fc.weight");
        let mut bias = vector("fc.bias");
        if !self.has_norm() {
            return (weight, bias.iter().copied().collect());
        }
        let (gamma, beta) = (vector("bn.weight"), vector("bn.bias"));
        let (mean, var) = (vector("bn.running_mean"), vector("bn.running_var"));
        for (o, mut row) in weight.axis_iter_mut(Axis(0)).enumerate() {
            let factor = gamma[o] / (var[o] + BatchNorm::EPS).sqrt();
            row.mapv_inplace(|w| w * factor);
            bias[o] = (bias[o] - mean[o]) * factor + beta[o];
        }
        (weight, bias.iter().copied().collect())
    }

    /// Its two parts on a backend: synapse with BatchNorm, and neuron.
    pub fn build<B: Backend>(&self, backend: &B) -> (Synapse<B>, NeuronLayer<B>) {
        let weights = self.weights();
        let builder = Builder::load(backend, &weights);
        match (builder.synapse(self.stage()), builder.neuron("lif", self.neuron)) {
            (Ok(synapse), Ok(neuron)) => (synapse, neuron),
            (Err(e), _) | (_, Err(e)) => unreachable!("the layer has all of its tensors: {e}"),
        }
    }

    fn has_norm(&self) -> bool {
        !self.seed.is_multiple_of(2)
    }

    fn stage(&self) -> Stage<'static> {
        let stage = Stage::new("fc", self.map).init(Init::Normal(0.4)).bias(Init::Normal(0.1));
        if self.has_norm() { stage.norm("bn") } else { stage }
    }

    /// The currents of the reference for spikes `x`.
    pub fn currents(&self, x: &Spikes) -> ArrayD<f64> {
        let oracle = Reference::<f64>::new();
        self.build(&oracle).0.forward(&mut Pass::new(&oracle), x)
    }

    /// What the reference fires for the spikes `x` before it.
    pub fn fired(&self, x: &Spikes) -> Spikes {
        let oracle = Reference::<f64>::new();
        let (synapse, neuron) = self.build(&oracle);
        let mut pass = Pass::new(&oracle);
        let current = synapse.forward(&mut pass, x);
        neuron.forward(&mut pass, &current)
    }
}

fn numbers(weights: &Weights, name: &str) -> ArrayD<f32> {
    match weights.get(name) {
        Some(tensor) => tensor.to_f32(),
        None => unreachable!("every layer has `{name}`"),
    }
}
