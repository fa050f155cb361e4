//! Repeatable inputs for neurons and attention, and what the reference makes of them.

use anyhow::Result;
use ndarray::{ArrayD, IxDyn};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Bernoulli, Distribution, Normal};
use snn_attn::Attend;
use snn_core::{Backend, Neuron, Reference, tensor};

/// Time steps.
pub const STEPS: usize = 4;
/// Channels of neurons: with so many, the numbers that are measured are whole rows.
const CHANNELS: usize = 400;

/// Samples of an attention.
pub const SAMPLES: usize = 4;
/// Heads of an attention.
pub const HEADS: usize = 12;
/// Channels of a head.
pub const WIDTH: usize = 32;
/// Share of queries, keys and values that are spikes.
pub const RATE: f64 = 0.15;

/// Currents `[T, B, N, C]` of so many neurons, under which about a quarter fires.
///
/// # Errors
/// Never: the distribution is a constant.
pub fn currents(neurons: usize) -> Result<ArrayD<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let normal = Normal::new(0.3f32, 0.7)?;
    let shape = [STEPS, 1, neurons / CHANNELS, CHANNELS];
    Ok(ArrayD::from_shape_simple_fn(IxDyn(&shape), || normal.sample(&mut rng)))
}

/// The spikes of LIF neurons in 32-bit floats, in which all who are compared compute.
pub fn fired(currents: &ArrayD<f32>) -> Vec<f32> {
    let reference = Reference::<f32>::new();
    let (spikes, _) = reference.fire(&Neuron::lif(2.0), None, currents, None);
    spikes.into_iter().map(f32::from).collect()
}

/// Queries, keys and values, `[T, B, N, C]`, for so many tokens.
///
/// # Errors
/// Never: the distribution is a constant.
pub fn qkv(tokens: usize) -> Result<[tensor::Spikes; 3]> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let bernoulli = Bernoulli::new(RATE)?;
    let shape = [STEPS, SAMPLES, tokens, HEADS * WIDTH];
    Ok(std::array::from_fn(|_| {
        ArrayD::from_shape_simple_fn(IxDyn(&shape), || bernoulli.sample(&mut rng))
    }))
}

/// The products `Q (K^T V)`; with `neuron`, the spikes of neurons of threshold 0.5 on
/// an eighth of them.
pub fn attended(qkv: &[tensor::Spikes; 3], neuron: bool) -> Vec<f32> {
    // Sums of products of spikes are exact in 32-bit floats.
    let reference = Reference::<f32>::new();
    let [q, k, v] = qkv.each_ref().map(|x| reference.widen(x));
    let scale = if neuron { 0.125 } else { 1.0 };
    let products = reference.ssa(&q, &k, &v, HEADS, scale);
    if !neuron {
        return products.into_iter().collect();
    }
    let neuron = Neuron::lif(2.0).with_threshold(0.5);
    let (spikes, _) = reference.fire(&neuron, None, &products, None);
    spikes.into_iter().map(f32::from).collect()
}
