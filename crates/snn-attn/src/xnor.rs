//! a-XNOR: common silence counts too, a little.

use snn_core::{Activation, Backend, Signal};

use crate::{
    heads::{merge_heads, split_heads},
    similarity::Granularity,
    ssa::{ssa, transpose},
};

/// The weight `a` of a channel where query and key are both silent.
pub enum ZeroWeight<B: Backend> {
    /// The same for all channels, not learned.
    Fixed(f64),
    /// Learned.
    Learned {
        /// What `activation` makes `a` of; as many as `granularity` says.
        raw: B::Param,
        /// How many there are.
        granularity: Granularity,
        /// Heads that the channels are split into.
        heads: usize,
        /// Keeps `a` between 0 and 1.
        activation: Activation,
    },
}

impl<B: Backend> ZeroWeight<B> {
    /// `by a x`, where `x` is `[..., C]` and `heads` divides `C`.
    pub(crate) fn weigh(&self, backend: &B, x: &B::Counts, by: f64) -> B::Real {
        match self {
            Self::Fixed(a) => backend.scale(x, a * by),
            Self::Learned { raw, granularity: Granularity::PerHead, heads, activation } => {
                let shape = x.shape();
                let (channels, outer) = (shape[shape.len() - 1], &shape[..shape.len() - 1]);
                let rows = outer.iter().product();
                let x = x.reshape(&[rows, *heads, channels / heads]).permute(&[0, 2, 1]);
                let x = backend.scale_learned(&backend.scale(&x, by), raw, *activation);
                x.permute(&[0, 2, 1]).reshape(&shape)
            }
            Self::Learned { raw, activation, .. } => {
                backend.scale_learned(&backend.scale(x, by), raw, *activation)
            }
        }
    }

    const fn is_per_channel(&self) -> bool {
        matches!(self, Self::Learned { granularity: Granularity::PerChannel, .. })
    }
}

/// Both parts are dot products: of the spikes, and of the silences.
pub(crate) fn xnor<B: Backend>(
    backend: &B,
    q: &B::Spikes,
    k: &B::Spikes,
    v: &B::Counts,
    heads: usize,
    scale: f64,
    a: &ZeroWeight<B>,
) -> B::Real {
    let shape = q.shape();
    let positions = &shape[2..shape.len() - 1];
    let [silent_q, silent_k] =
        [q, k].map(|x| split_heads(&backend.widen(&backend.complement(x)), heads));
    let kv = backend.matmul(&transpose(&silent_k), &split_heads(v, heads)); // [T, B, h, d, dv]
    let zeros = if a.is_per_channel() {
        // `a` belongs to the channels that the second product sums over.
        let channels_last = merge_heads(&transpose(&kv), &[kv.shape()[4]]); // [T, B, dv, C]
        let weighed = split_heads(&a.weigh(backend, &channels_last, scale), heads);
        merge_heads(&backend.matmul_real(&silent_q, &transpose(&weighed)), positions)
    } else {
        a.weigh(backend, &merge_heads(&backend.matmul(&silent_q, &kv), positions), scale)
    };
    let ones = ssa(backend, &backend.widen(q), &backend.widen(k), v, heads, scale);
    backend.add_real(&ones, &zeros)
}
