//! Spike-driven self-attention: masks and additions, no products.

use snn_core::{Backend, Signal, Window};

use crate::{
    attend::Attend,
    heads::{merge_heads, split_heads},
    similarity::Agreement,
};

/// SDSA-1: `Q ⊗ fire(sum over tokens of K ⊗ V)`, channel by channel.
///
/// `q`, `k`, `v`: `[T, B, positions..., C]`. `fire` is the neuron layer in the
/// middle: it takes currents `[T, B, 1..., C]`, the number of tokens where key
/// and value agree. With `planes`, the products are max-pooled as
/// [`pool_head_planes`] does with that many heads. The roles are those of the
/// released code; the paper calls them value, query and key. Source: Yao et
/// al., *Spike-driven Transformer*, NeurIPS 2023.
pub fn sdsa1<B: Attend>(
    backend: &B,
    [q, k, v]: [&B::Spikes; 3],
    agreement: &Agreement<B>,
    planes: Option<usize>,
    fire: impl FnOnce(&B::Real) -> B::Spikes,
) -> B::Spikes {
    let pool = |x: B::Spikes| match planes {
        Some(heads) => pool_head_planes(backend, &x, heads),
        None => x,
    };
    let gate = fire(&agreement.channel_sums(backend, k, v, pool));
    pool(backend.mask(q, &gate))
}

/// Max-pooling with a 3x3 window that keeps the size, over the planes that the
/// released event networks pool after splitting heads: tokens, in row-major
/// order, by channels of a head. So it mixes neighbouring tokens and
/// neighbouring channels.
///
/// Spikes `[T, B, positions..., C]` in and out.
pub fn pool_head_planes<B: Backend>(backend: &B, x: &B::Spikes, heads: usize) -> B::Spikes {
    let shape = x.shape();
    let planes = split_heads(x, heads);
    let split = planes.shape();
    let flat = planes.reshape(&[split[0], split[1] * heads, split[3], split[4], 1]);
    let pooled = backend.max_pool(&flat, Window::SAME3);
    merge_heads(&pooled.reshape(&split), &shape[2..shape.len() - 1])
}
