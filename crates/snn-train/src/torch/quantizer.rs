use snn_core::backend::Lsq;
use tch::Tensor;

use super::{Torch, operations::straight_through};

/// Learned step size quantisation of the weights of one stage.
#[derive(Debug)]
pub(super) struct Quantizer {
    alpha: Tensor,
    range: (f64, f64),
}

impl Quantizer {
    pub(super) fn new(backend: &Torch, lsq: &Lsq) -> Self {
        Self { alpha: backend.learn(&lsq.name, &lsq.alpha), range: lsq.range() }
    }

    /// `weight` (`[outputs, ...]`) on the grid of its steps. Backwards,
    /// rounding is passed straight through, and the gradient of the steps is
    /// scaled by `1 / sqrt(weights * greatest level)`: Esser et al., section 2.2.
    pub(super) fn quantize(&self, weight: &Tensor) -> Tensor {
        let (low, high) = self.range;
        let gain = 1.0 / (weight.numel() as f64 * high).sqrt();
        let step = self.alpha.detach() + (&self.alpha - self.alpha.detach()) * gain;
        let mut per_output = vec![1; weight.dim()];
        per_output[0] = -1;
        let step = step.view(per_output.as_slice());
        let level = (weight / &step).clamp(low, high);
        straight_through(&level.round(), &level) * step
    }
}
