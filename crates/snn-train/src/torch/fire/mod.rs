//! Spiking neurons with surrogate gradients, in two forms that agree.

mod composed;
mod fused;
#[cfg(test)]
mod tests;

use snn_core::Neuron;
use tch::Tensor;

/// Runs a neuron over `x` (`[T, ...]`) from membrane `v` (`[...]`, zero if
/// `None`). Gives spikes `[T, ...]` and the last membrane.
///
/// The spike in the forward pass is exactly 0 or 1; its derivative in the
/// backward pass is that of the neuron's surrogate. A NaN stays one, so that
/// the loss shows it.
pub(super) fn fire(
    neuron: &Neuron,
    leak: Option<&Tensor>,
    x: &Tensor,
    v: Option<&Tensor>,
) -> (Tensor, Tensor) {
    fused::fire(neuron, leak, x, v).unwrap_or_else(|| composed::fire(neuron, leak, x, v))
}
