//! Looking along time: the operations of TEFormer.
//!
//! Source: Shen et al., *TEFormer: Structured Bidirectional Temporal Enhancement Modeling in
//! Spiking Transformers*, arXiv 2601.18274, and its code.

mod bidirectional;
mod outline;
mod packed;
mod reference;
mod unfolded;

use ndarray::{Array2, ArrayD, Axis, Zip};
use snn_core::{Backend, reference::Scalar};

use crate::attend::Attend;

pub use bidirectional::bidirectional_temporal_fusion;

/// What looks along time needs of a backend.
pub trait TemporalAttend: Backend {
    /// Forward temporal fusion: the moving average `y_0 = x_0`,
    /// `y_t = (1 - alpha) y_{t-1} + alpha x_t` of `[T, ...]`, with the [`alpha`] of the learned
    /// `theta`, a tensor of one element.
    fn fuse_forward(&self, x: &Self::Real, theta: &Self::Param) -> Self::Real;

    /// `s open + (1 - s) closed` with `s = sigmoid(gate)`, number by number.
    fn blend(&self, gate: &Self::Real, open: &Self::Real, closed: &Self::Real) -> Self::Real;

    /// One time step, `[1, ...]`, of `[T, ...]`.
    ///
    /// # Panics
    /// If there is no such step.
    fn step(&self, x: &Self::Real, t: usize) -> Self::Real;

    /// Spikes one after the other in time.
    ///
    /// # Panics
    /// If there are none, or their other axes differ.
    fn join(&self, steps: &[Self::Spikes]) -> Self::Spikes;
}

/// How much of a step is new in forward temporal fusion: between a half, and all of it.
pub fn alpha(theta: f64) -> f64 {
    0.5 + 0.5 * sigmoid(theta)
}

/// What forward temporal fusion multiplies `[T, ...]` by, `[T, T]`: `alpha (1 - alpha)^(i - j)` of
/// step `j` is in step `i`, and `(1 - alpha)^i` of the first step. Rows sum to 1.
pub fn forward_kernel(alpha: f64, steps: usize) -> Array2<f64> {
    Array2::from_shape_fn((steps, steps), |(i, j)| match i.checked_sub(j) {
        None => 0.0,
        Some(past) => (1.0 - alpha).powi(past as i32) * if j == 0 { 1.0 } else { alpha },
    })
}

/// Token attention with values: [`token_attention`](crate::token_attention) that lets through the
/// channels where the value spikes too.
///
/// `q`, `k`, `v`: `[T, B, positions..., C]`; `fire` takes currents `[T, B, positions..., heads]`.
/// Source: the code of TEFormer, whose values were fused over time before they fired.
pub fn token_value_attention<B: Attend>(
    backend: &B,
    [q, k, v]: [&B::Spikes; 3],
    heads: usize,
    fire: impl FnOnce(&B::Real) -> B::Spikes,
) -> B::Spikes {
    backend.mask(&crate::token_attention(backend, q, k, heads, fire), v)
}

fn sigmoid<F: Scalar>(x: F) -> F {
    F::one() / (F::one() + (-x).exp())
}

fn fuse_forward<F: Scalar>(x: &ArrayD<F>, theta: &ArrayD<F>) -> ArrayD<F> {
    let Some(&theta) = theta.first() else { panic!("fusion has a learned number") };
    let alpha = F::of(0.5) + F::of(0.5) * sigmoid(theta);
    let mut y = x.clone();
    for t in 1..x.shape()[0] {
        let (past, mut now) = y.view_mut().split_at(Axis(0), t);
        let past = past.index_axis_move(Axis(0), t - 1);
        let now = now.index_axis_mut(Axis(0), 0);
        Zip::from(now).and(&past).for_each(|now, &past| {
            *now = (F::one() - alpha) * past + alpha * *now;
        });
    }
    y
}

fn blend<F: Scalar>(gate: &ArrayD<F>, open: &ArrayD<F>, closed: &ArrayD<F>) -> ArrayD<F> {
    Zip::from(gate).and(open).and(closed).map_collect(|&gate, &open, &closed| {
        let share = sigmoid(gate);
        share * open + (F::one() - share) * closed
    })
}

fn step<T: Clone>(x: &ArrayD<T>, t: usize) -> ArrayD<T> {
    x.index_axis(Axis(0), t).insert_axis(Axis(0)).to_owned()
}

fn join<T: Clone>(steps: &[ArrayD<T>]) -> ArrayD<T> {
    let views: Vec<_> = steps.iter().map(|step| step.view()).collect();
    match ndarray::concatenate(Axis(0), &views) {
        Ok(joined) => joined,
        Err(e) => panic!("{} steps of other shapes: {e}", steps.len()),
    }
}
