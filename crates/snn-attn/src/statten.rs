//! Block-wise spatial-temporal attention (STAtten).

use snn_core::{Backend, Signal};

use crate::{
    heads::{merge_heads, split_heads},
    ssa::transpose,
};

pub(crate) fn statten<B: Backend>(
    backend: &B,
    q: &B::Counts,
    k: &B::Counts,
    v: &B::Counts,
    heads: usize,
    chunk: usize,
    scale: f64,
) -> B::Real {
    let [q, k, v] = [q, k, v].map(|x| split_chunks(x, chunk));
    let shape = q.shape();
    let [q, k, v] = [&q, &k, &v].map(|x| split_heads(x, heads)); // [T / c, B, h, c N, d]
    let kv = backend.scale(&backend.matmul(&transpose(&k), &v), scale);
    let y = backend.matmul_real(&q, &kv);
    merge_chunks(&merge_heads(&y, &shape[2..shape.len() - 1]))
}

/// `[T, B, positions..., C]` to `[T / chunk, B, chunk, positions..., C]`: the
/// steps of a chunk become a position.
///
/// # Panics
/// If `chunk` does not divide `T`.
pub fn split_chunks<B: Backend, S: Signal<B>>(x: &S, chunk: usize) -> S {
    let shape = x.shape();
    assert!(shape[0].is_multiple_of(chunk), "chunks of {chunk} do not divide {} steps", shape[0]);
    let split = [&[shape[0] / chunk, chunk], &shape[1..]].concat();
    swap_axes(&x.reshape(&split))
}

/// Undoes [`split_chunks`].
pub fn merge_chunks<B: Backend, S: Signal<B>>(x: &S) -> S {
    let x = swap_axes(x);
    let shape = x.shape();
    x.reshape(&[&[shape[0] * shape[1]], &shape[2..]].concat())
}

/// Axes 1 and 2 change places.
fn swap_axes<B: Backend, S: Signal<B>>(x: &S) -> S {
    let mut axes: Vec<usize> = (0..x.shape().len()).collect();
    axes.swap(1, 2);
    x.permute(&axes)
}
