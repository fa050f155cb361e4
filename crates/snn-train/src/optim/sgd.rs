use serde::{Deserialize, Serialize};
use snn_core::{LoadError, Weights};
use tch::Tensor;

use super::{Optimizer, slots::Slots};

/// Stochastic gradient descent with momentum, as `torch.optim.SGD`: weight
/// decay is added to the gradient, the first step starts the momentum.
#[derive(Debug)]
pub struct Sgd {
    options: SgdOptions,
    slots: Slots<1>,
}

/// What shapes the steps of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdOptions {
    /// Share of the last step that goes into the next.
    pub momentum: f64,
    /// Whether to look ahead along the momentum; needs one.
    pub nesterov: bool,
    /// Share of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Whether parameters of fewer than two axes decay too.
    pub decay_vectors: bool,
}

impl Default for SgdOptions {
    fn default() -> Self {
        Self { momentum: 0.9, nesterov: false, weight_decay: 0.0, decay_vectors: true }
    }
}

impl Sgd {
    /// For these parameters, named as in [`Torch::parameters`](crate::Torch::parameters).
    pub fn new(parameters: Vec<(String, Tensor)>, options: SgdOptions) -> Self {
        Self { options, slots: Slots::new(parameters, ["momentum_buffer"]) }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, lr: f64) {
        let SgdOptions { momentum, nesterov, weight_decay, decay_vectors } = self.options;
        let _guard = tch::no_grad_guard();
        for (slot, gradient) in self.slots.moving() {
            let decay = if slot.decays(decay_vectors) { weight_decay } else { 0.0 };
            let gradient = gradient + &slot.parameter * decay;
            let [buffer] = &mut slot.moments;
            let _ = buffer.g_mul_scalar_(momentum).g_add_(&gradient);
            let direction =
                if nesterov { gradient + &*buffer * momentum } else { buffer.shallow_clone() };
            let _ = slot.parameter.g_sub_(&(direction * (lr * slot.pace())));
        }
    }

    fn zero_grad(&mut self) {
        self.slots.zero_grad();
    }

    fn state(&self) -> Weights {
        self.slots.state()
    }

    fn restore(&mut self, state: &Weights) -> Result<(), LoadError> {
        self.slots.restore(state)
    }
}
