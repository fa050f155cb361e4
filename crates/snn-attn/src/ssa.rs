//! Spiking self-attention, the mechanism of Spikformer and its descendants.

use snn_core::{Backend, Signal};

use crate::heads::{merge_heads, split_heads};

/// What a spiking self-attention needs of a backend. The methods have generic
/// forms; a backend overrides those that it can do better.
pub trait Attend: Backend {
    /// `scale Q (K^T V)` per time step, sample and head: without a softmax the
    /// order of the products is free, and this one costs `N d^2`.
    ///
    /// `q`, `k`: `[T, B, positions..., C]`; `v`: `[T, B, positions..., Cv]`;
    /// `heads` divides both. Gives currents shaped like `v`. Source: Zhou et
    /// al., *Spikformer*, ICLR 2023, eq. 6.
    fn ssa(
        &self,
        q: &Self::Counts,
        k: &Self::Counts,
        v: &Self::Counts,
        heads: usize,
        scale: f64,
    ) -> Self::Real {
        let positions = v.shape();
        let positions = &positions[2..positions.len() - 1];
        let [q, k, v] = [q, k, v].map(|x| split_heads(x, heads));
        let kv = self.matmul(&k.permute(&[0, 1, 2, 4, 3]), &v); // [T, B, h, d, dv]
        merge_heads(&self.scale(&self.matmul(&q, &kv), scale), positions)
    }
}

impl<F: snn_core::reference::Scalar> Attend for snn_core::Reference<F> {}
