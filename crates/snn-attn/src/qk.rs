//! Q-K attention: queries alone decide which keys pass, at linear cost.
//!
//! Source: Zhou et al., *QKFormer*, NeurIPS 2024.

use crate::attend::Attend;

/// Token attention: `fire(sum of Q over the channels of a head) ⊗ K`, a mask
/// over tokens for each head.
///
/// `q`, `k`: `[T, B, positions..., C]`. `fire` is the neuron layer in the
/// middle: it takes currents `[T, B, positions..., heads]`.
pub fn token_attention<B: Attend>(
    backend: &B,
    q: &B::Spikes,
    k: &B::Spikes,
    heads: usize,
    fire: impl FnOnce(&B::Real) -> B::Spikes,
) -> B::Spikes {
    let gate = fire(&backend.scale(&backend.head_sums(q, heads), 1.0));
    backend.mask_heads(k, &gate)
}

/// Channel attention: `fire(sum of Q over the tokens) ⊗ K`, a mask over
/// channels.
///
/// As [`token_attention`], with currents `[T, B, 1..., C]`; heads make no
/// difference.
pub fn channel_attention<B: Attend>(
    backend: &B,
    q: &B::Spikes,
    k: &B::Spikes,
    fire: impl FnOnce(&B::Real) -> B::Spikes,
) -> B::Spikes {
    let gate = fire(&backend.scale(&backend.channel_sums(q), 1.0));
    backend.mask(k, &gate)
}
