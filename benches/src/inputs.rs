//! Repeatable inputs for neurons and attention, and what the reference makes of them.

use anyhow::Result;
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use rand_distr::{Bernoulli, Distribution, Normal};
use rayon::prelude::*;
use snn_attn::Attend;
use snn_core::{Backend, Neuron, Reference, tensor};
use snn_hash::{BitCodes, hamming};

use crate::suite::Form;

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
/// Share of queries, keys and values that are spikes, unless another is asked for.
pub const RATE: f64 = 0.15;

/// Codes that are searched.
pub const CODES: usize = 1_000_000;
/// Queries at once.
pub const QUERIES: usize = 1000;
/// Nearest codes that each asks for.
pub const NEIGHBORS: usize = 10;

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

/// Queries, keys and values, `[T, B, N, C]`, for so many tokens and channels of a head, of which
/// `rate` spike.
///
/// # Errors
/// If `rate` is no share.
pub fn qkv(tokens: usize, width: usize, rate: f64) -> Result<[tensor::Spikes; 3]> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let bernoulli = Bernoulli::new(rate)?;
    let shape = [STEPS, SAMPLES, tokens, HEADS * width];
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

/// So many queries `[H, n, d]`, keys and values `[H, N, d]` of so many tokens and channels, of which
/// `rate` spike.
///
/// # Errors
/// If `rate` is no share.
pub fn heads(
    queries: usize,
    tokens: usize,
    width: usize,
    rate: f64,
) -> Result<[tensor::Spikes; 3]> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let bernoulli = Bernoulli::new(rate)?;
    Ok([queries, tokens, tokens].map(|tokens| {
        let shape = IxDyn(&[HEADS, tokens, width]);
        ArrayD::from_shape_simple_fn(shape, || bernoulli.sample(&mut rng))
    }))
}

/// What a step of decoding gives, `[H, d]`, head by head: the value of the best key, the first of
/// equal ones, or the mean of values by softmax of an eighth of the scores.
pub fn decoded([q, k, v]: &[tensor::Spikes; 3], form: Form) -> Vec<f32> {
    let heads = q.outer_iter().zip(k.outer_iter()).zip(v.outer_iter());
    let head =
        |((q, k), v): ((ArrayViewD<'_, bool>, ArrayViewD<'_, bool>), ArrayViewD<'_, bool>)| {
            let scores: Vec<f64> = k
                .outer_iter()
                .map(|key| key.iter().zip(&q).filter(|&(&k, &q)| k && q).count() as f64)
                .collect();
            let greatest = scores.iter().copied().fold(0.0, f64::max);
            let weights: Vec<f64> = match form {
                Form::Wta => {
                    let best = scores.iter().position(|&score| score == greatest && score > 0.0);
                    (0..scores.len()).map(|i| f64::from(u8::from(Some(i) == best))).collect()
                }
                Form::Softmax => {
                    let weights = scores.iter().map(|score| (0.125 * (score - greatest)).exp());
                    let weights: Vec<f64> = weights.collect();
                    let sum: f64 = weights.iter().sum();
                    weights.iter().map(|weight| weight / sum).collect()
                }
            };
            let values = v.mapv(|spike| f64::from(u8::from(spike)));
            let rows = values.outer_iter().zip(weights).map(|(value, weight)| &value * weight);
            rows.reduce(|sum, row| sum + row).map_or_else(Vec::new, |sum| sum.into_iter().collect())
        };
    heads.flat_map(head).map(|x| x as f32).collect()
}

/// Random codes of whole bytes: [`CODES`], then [`QUERIES`].
///
/// # Errors
/// If `bits` is zero or not a multiple of 8.
pub fn codes(bits: usize) -> Result<BitCodes> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut bytes = vec![0; (CODES + QUERIES) * bits.div_ceil(8)];
    rng.fill_bytes(&mut bytes);
    Ok(BitCodes::from_bytes(bits, &bytes)?)
}

/// The distances of the [`NEIGHBORS`] nearest codes of each query, nearest first, by counting how
/// many codes are how far.
pub fn nearest_distances(codes: &BitCodes) -> Vec<f32> {
    let query = |i: usize| {
        let query = codes.code(CODES + i);
        let mut counts = vec![0; codes.bits() + 1];
        codes.iter().take(CODES).for_each(|code| counts[hamming(query, code) as usize] += 1);
        let sorted = counts.into_iter().enumerate().flat_map(|(d, n)| std::iter::repeat_n(d, n));
        sorted.take(NEIGHBORS).map(|distance| distance as f32).collect::<Vec<_>>()
    };
    (0..QUERIES).into_par_iter().flat_map(query).collect()
}
