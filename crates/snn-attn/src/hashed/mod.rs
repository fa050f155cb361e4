//! Attention on hashed tokens: the operations of the efficient spiking self-attention.
//!
//! Tokens become codes by learned kernel hashes, codes become spikes, spikes are counted. Every
//! backend computes the same function; see [`codes`](crate::codes) for the packed kernels.

mod dense;
mod outline;
mod packed;
mod reference;
mod unfolded;

use std::num::NonZeroUsize;

use snn_core::Backend;

use crate::codes::{Bias, Measure};

/// Learned kernel hashes of one attention.
///
/// Source: Liu et al., *EcoFormer*, NeurIPS 2022, arXiv 2209.09004; that several scales share
/// support points and bandwidth is our reading. Axes of length 1 in the shapes, as published
/// tensors have them, are of no meaning.
pub struct HashFunctions<P> {
    /// Heads that the channels are split into.
    pub heads: usize,
    /// Support points of a head.
    pub points: usize,
    /// The support points, `[heads, points, C / heads]`.
    pub support: P,
    /// The scales; at least one.
    pub scales: Vec<HashScale<P>>,
}

/// One scale of a kernel hash.
pub struct HashScale<P> {
    /// What the bandwidth is multiplied by.
    pub bandwidth: f64,
    /// Bits of its codes.
    pub bits: usize,
    /// Mean features `[heads, points]`.
    pub centre: P,
    /// Projections to bits `[heads, bits, points]`.
    pub projection: P,
}

/// How spikes of codes are compared, and how many keys count.
pub struct CodeSimilarity<P> {
    /// What is counted in the codes of each scale.
    pub measure: Measure,
    /// Bits of each scale.
    pub bits: Vec<usize>,
    /// Weights of the scales before their softmax, `[scales]`; none where there is one scale.
    pub scales: Option<P>,
    /// Keys that a query attends to: those of the greatest weights, ties by lowest index; all if
    /// `None`.
    pub keep: Option<NonZeroUsize>,
    /// How late a query sees a key; as it is if `None`.
    pub delays: Option<RelativeDelays<P>>,
}

/// Learned delays of keys by how far they lie from the query: query `i` sees key `j` late by
/// `u[h, clip(j - i)]` time steps, where distances are clipped to `window` tokens either way. So
/// there are as many delays for any number of tokens.
///
/// Delays are rounded, held and, backwards, soft as in [`HashAttend::delay`]. Relative positions
/// are those of Shaw et al., NAACL 2018, arXiv 1803.02155; delays by them are our reading.
pub struct RelativeDelays<P> {
    /// The greatest distance that has a delay of its own.
    pub window: usize,
    /// `u` `[heads, 2 window + 1]`, from the keys farthest before the query to those behind.
    pub table: P,
    /// Whether no key is seen ahead of its time.
    pub causal: bool,
}

impl<P> RelativeDelays<P> {
    /// Where the table has the delay of key `j` for query `i`.
    pub fn column(&self, i: usize, j: usize) -> usize {
        (j + self.window).saturating_sub(i).min(2 * self.window)
    }
}

/// What attention on hashed tokens needs of a backend.
pub trait HashAttend: Backend {
    /// What the bits of kernel hashes are the signs of, with one bandwidth for all `sides`.
    ///
    /// Each side is `[T, B, positions..., C]`; gives `[T, B, positions..., heads sum(bits)]`, head
    /// by head and in each scale by scale. The bandwidth is that of one time step, sample and head.
    ///
    /// # Panics
    /// If the channels are not those of the support points.
    fn hash(
        &self,
        sides: &[&Self::Real],
        functions: &HashFunctions<Self::Param>,
    ) -> Vec<Self::Real>;

    /// One spike for every bit that is set, the earlier the surer: bit `y > 0` fires at step
    /// `floor((1 - min(1, |y|)) (T - 1))`, where `y` is the mean over time. Shape as `y`
    /// `[T, ...]`. Backwards, what that step holds, set or not, is half of a sign
    /// ([`straight_through`](snn_hash::straight_through)).
    fn latency(&self, y: &Self::Real) -> Self::Spikes;

    /// Spikes later by learned delays `delta` `[heads, bits]`, rounded to whole steps, half to
    /// even; what leaves the steps is lost. `x` is `[T, B, positions..., heads bits]`. Delays are
    /// held within 4 steps and `T - 1`, and with `causal` from looking ahead. Backwards, the shift
    /// is soft.
    fn delay(&self, x: &Self::Spikes, delta: &Self::Param, causal: bool) -> Self::Spikes;

    /// `sum_j w_ij v_j / sum_j w_ij` per time step, sample and head; zeros where no key weighs
    /// anything. With several scales `w = sum_s softmax(scales)_s count_s / bits_s`.
    ///
    /// `q`: `[T, B, positions..., heads sum(bits)]`; `k` likewise; `v`: `[T, B, positions..., Cv]`
    /// at the positions of `k`. Gives `[T, B, positions..., Cv]` at those of `q`.
    ///
    /// # Panics
    /// If shapes do not fit.
    fn attend_codes(
        &self,
        q: &Self::Spikes,
        k: &Self::Spikes,
        v: &Self::Spikes,
        heads: usize,
        similarity: &CodeSimilarity<Self::Param>,
    ) -> Self::Real;

    /// The linear attention of EcoFormer on codes of -1 (silence) and +1 (a spike): see
    /// [`KernelHashAttention`](crate::codes::KernelHashAttention). Queries and keys are the same
    /// `codes` `[T, B, positions..., heads bits]`; `v`: `[T, B, positions..., C]`, and so the
    /// result.
    ///
    /// # Panics
    /// If shapes do not fit.
    fn attend_hashed(
        &self,
        codes: &Self::Spikes,
        v: &Self::Real,
        heads: usize,
        bias: Bias,
    ) -> Self::Real;

    /// `softmax(scale Q K^T) V` per time step, sample and head: what the dense baseline computes.
    /// Shapes as [`Attend::ssa`](crate::Attend::ssa).
    fn attend_dense(
        &self,
        q: &Self::Real,
        k: &Self::Real,
        v: &Self::Spikes,
        heads: usize,
        scale: f64,
    ) -> Self::Real;
}
