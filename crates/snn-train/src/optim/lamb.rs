use serde::{Deserialize, Serialize};
use snn_core::{LoadError, Weights};
use tch::Tensor;

use super::{Optimizer, slots::Slots};

/// Adam whose step is, for each parameter, as long as its norm says. Source:
/// You et al., ICLR 2020, as timm's `Lamb`: bias is corrected, gradients are
/// first scaled down to a common norm of at most 1, parameters without decay
/// take the plain step.
#[derive(Debug)]
pub struct Lamb {
    options: LambOptions,
    slots: Slots<2>,
    parameters: Vec<Tensor>,
}

/// What shapes the steps of [`Lamb`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LambOptions {
    /// Share that the first moment, and the second, keep a step.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Share of a parameter that is added to its step.
    pub weight_decay: f64,
    /// Whether parameters of fewer than two axes decay too.
    pub decay_vectors: bool,
    /// Whether the ratio of norms is at most 1.
    pub trust_clip: bool,
}

impl Default for LambOptions {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            eps: 1e-6,
            weight_decay: 0.01,
            decay_vectors: false,
            trust_clip: false,
        }
    }
}

/// Greatest norm of all gradients together.
const MAX_GRAD_NORM: f64 = 1.0;

impl Lamb {
    /// For these parameters, named as in [`Torch::parameters`](crate::Torch::parameters).
    pub fn new(parameters: Vec<(String, Tensor)>, options: LambOptions) -> Self {
        let own = parameters.iter().map(|(_, tensor)| tensor.shallow_clone()).collect();
        Self { options, slots: Slots::new(parameters, ["exp_avg", "exp_avg_sq"]), parameters: own }
    }
}

impl Optimizer for Lamb {
    fn step(&mut self, lr: f64) {
        let LambOptions { betas: [beta1, beta2], eps, weight_decay, decay_vectors, trust_clip } =
            self.options;
        let norm = super::clip::grad_norm(&self.parameters);
        let scale = 1.0 / (norm / MAX_GRAD_NORM).max(1.0);
        let _guard = tch::no_grad_guard();
        for (slot, gradient) in self.slots.moving() {
            let decays = slot.decays(decay_vectors) && weight_decay != 0.0;
            let gradient = gradient * scale;
            let [mean, square] = &mut slot.moments;
            let _ = mean.lerp_(&gradient, 1.0 - beta1);
            let _ = square.g_mul_scalar_(beta2).g_add_(&(gradient.square() * (1.0 - beta2)));
            let steps = slot.steps as f64;
            let correction = [beta1, beta2].map(|beta| 1.0 - beta.powf(steps));
            let root = square.sqrt() / correction[1].sqrt() + eps;
            let mut direction = &*mean / correction[0] / root;
            if decays {
                direction += &slot.parameter * weight_decay;
                direction *= trust(&slot.parameter, &direction, trust_clip);
            }
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

/// Norm of the parameter over that of its step; 1 where either is zero.
fn trust(parameter: &Tensor, direction: &Tensor, clip: bool) -> Tensor {
    let (own, step) = (parameter.norm(), direction.norm());
    let ratio =
        (&own / &step).where_self(&own.gt(0.0).logical_and(&step.gt(0.0)), &own.ones_like());
    if clip { ratio.clamp_max(1.0) } else { ratio }
}
