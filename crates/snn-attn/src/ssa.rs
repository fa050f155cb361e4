//! Spiking self-attention, the mechanism of Spikformer and its descendants.

use snn_core::{Backend, Signal};

use crate::heads::{merge_heads, split_heads};

pub(crate) fn ssa<B: Backend>(
    backend: &B,
    q: &B::Counts,
    k: &B::Counts,
    v: &B::Counts,
    heads: usize,
    scale: f64,
) -> B::Real {
    let shape = q.shape();
    let [q, k, v] = [q, k, v].map(|x| split_heads(x, heads));
    let kv = backend.matmul(&transpose(&k), &v); // [T, B, h, d, dv]
    let y = backend.scale(&backend.matmul(&q, &kv), scale);
    merge_heads(&y, &shape[2..shape.len() - 1])
}

/// `[T, B, h, N, d]` to `[T, B, h, d, N]`.
pub(crate) fn transpose<B: Backend, S: Signal<B>>(x: &S) -> S {
    x.permute(&[0, 1, 2, 4, 3])
}
