//! Features at several resolutions in space and time, and their change in time.
//!
//! Everything here is our reading of the idea; no paper defines it.

use ndarray::{
    Array, Array4, ArrayView, ArrayView4, Axis, Dimension, LinalgScalar, concatenate, s,
};
use snn_core::reference::Scalar;

use crate::codes::BitCodes;

/// Tokens `[B, H, rows * columns, D]` on a grid, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows.
    pub rows: usize,
    /// Tokens of a row.
    pub columns: usize,
}

impl Grid {
    /// Tokens of it.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }

    /// The grid of blocks of `side` by `side`; blocks at the border may be smaller.
    pub fn blocks(&self, side: usize) -> Self {
        Self { rows: self.rows.div_ceil(side), columns: self.columns.div_ceil(side) }
    }

    /// The block of each token.
    fn block_of(&self, side: usize) -> impl Iterator<Item = usize> + use<> {
        let (columns, across) = (self.columns, self.blocks(side).columns);
        (0..self.tokens()).map(move |i| i / columns / side * across + i % columns / side)
    }

    /// The mean over each block of `side` by `side`, a level of a spatial pyramid: tokens
    /// `[B, H, N, D]` to `[B, H, blocks, D]`. A block at the border is the mean of what it has.
    ///
    /// # Panics
    /// If the tokens do not fill the grid, or `side` is zero.
    pub fn pool<F: Scalar>(&self, x: ArrayView4<'_, F>, side: usize) -> Array4<F> {
        let (b, h, n, d) = x.dim();
        assert_eq!(n, self.tokens(), "tokens of the grid");
        let blocks = self.blocks(side).tokens();
        let mut sums = Array4::zeros((b, h, blocks, d));
        let mut counts = vec![0u32; blocks];
        for (i, block) in self.block_of(side).enumerate() {
            let mut sum = sums.slice_mut(s![.., .., block, ..]);
            sum += &x.slice(s![.., .., i, ..]);
            counts[block] += 1;
        }
        for (block, &count) in counts.iter().enumerate() {
            let mut mean = sums.slice_mut(s![.., .., block, ..]);
            mean.mapv_inplace(|sum| sum / F::of(f64::from(count)));
        }
        sums
    }

    /// Gives every token the code of its block: codes as in `[B, H, blocks]` to codes as in
    /// `[B, H, N]`.
    ///
    /// # Panics
    /// If the codes are no whole number of grids, or `side` is zero.
    pub fn spread(&self, codes: &BitCodes, side: usize) -> BitCodes {
        let blocks = self.blocks(side).tokens();
        assert!(codes.len().is_multiple_of(blocks.max(1)), "codes of whole grids");
        let mut spread = BitCodes::zeros(codes.len() / blocks.max(1) * self.tokens(), codes.bits());
        for i in 0..codes.len() / blocks.max(1) {
            for (token, block) in self.block_of(side).enumerate() {
                let code = codes.view(i * blocks + block);
                spread.view_mut(i * self.tokens() + token).copy_from_bitslice(code);
            }
        }
        spread
    }
}

/// The mean over the last `window` steps of `[T, ...]`, step by step; the first steps take what
/// there is.
///
/// # Panics
/// If `window` is zero.
pub fn window_mean<F: Scalar, D: Dimension>(x: ArrayView<'_, F, D>, window: usize) -> Array<F, D> {
    assert!(window > 0, "a window has at least one step");
    let x = x.into_dyn();
    let mut out = Array::zeros(x.raw_dim());
    for t in 0..x.shape()[0] {
        let first = (t + 1).saturating_sub(window);
        let mut mean = out.index_axis_mut(Axis(0), t);
        for u in first..=t {
            mean += &x.index_axis(Axis(0), u);
        }
        mean.mapv_inplace(|sum| sum / F::of((t + 1 - first) as f64));
    }
    match out.into_dimensionality() {
        Ok(out) => out,
        Err(e) => unreachable!("the axes are those of the input: {e}"),
    }
}

/// What is there and how it changed: `[T, ..., D]` to `[T, ..., 2 D]`, `x[t]` then
/// `x[t] - x[t - 1]` with silence before the first step. For spikes the change is -1, 0 or 1.
pub fn temporal_difference<T: LinalgScalar, D: Dimension>(x: ArrayView<'_, T, D>) -> Array<T, D> {
    let x = x.into_dyn();
    let mut change = x.to_owned();
    for t in 1..x.shape()[0] {
        let mut step = change.index_axis_mut(Axis(0), t);
        step.zip_mut_with(&x.index_axis(Axis(0), t - 1), |now, &before| *now = *now - before);
    }
    let both = concatenate(Axis(x.ndim() - 1), &[x, change.view()]);
    match both.map(|both| both.into_dimensionality()) {
        Ok(Ok(both)) => both,
        other => unreachable!("two arrays of one shape: {:?}", other.map(|_| ())),
    }
}
