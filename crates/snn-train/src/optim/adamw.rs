use serde::{Deserialize, Serialize};
use snn_core::{LoadError, Weights};
use tch::Tensor;

use super::{
    Optimizer,
    slots::{Slot, Slots},
};
use crate::shim::{self, AdamWSlot, RawAdamW};

/// Adam with decoupled weight decay. Source: Loshchilov and Hutter, ICLR 2019,
/// as `torch.optim.AdamW`.
#[derive(Debug)]
pub struct AdamW {
    options: AdamWOptions,
    slots: Slots<2>,
}

/// What shapes the steps of [`AdamW`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWOptions {
    /// Share that the first moment, and the second, keep a step.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Share of a parameter that decays in a step, in units of the learning
    /// rate.
    pub weight_decay: f64,
    /// Whether parameters of fewer than two axes decay too.
    pub decay_vectors: bool,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01, decay_vectors: true }
    }
}

impl AdamW {
    /// For these parameters, named as in [`Torch::parameters`](crate::Torch::parameters).
    pub fn new(parameters: Vec<(String, Tensor)>, options: AdamWOptions) -> Self {
        Self { options, slots: Slots::new(parameters, ["exp_avg", "exp_avg_sq"]) }
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, lr: f64) {
        let AdamWOptions { betas: [beta1, beta2], eps, weight_decay, decay_vectors } = self.options;
        let moving: Vec<_> = self.slots.moving().map(|(slot, _)| &*slot).collect();
        let (decaying, others): (Vec<_>, Vec<_>) =
            moving.into_iter().partition(|slot| slot.decays(decay_vectors));
        let (paced, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|slot| slot.pace() != 1.0);
        let (quick, slow): (Vec<_>, Vec<_>) = paced.into_iter().partition(|slot| slot.pace() > 1.0);
        let groups = [(decaying, weight_decay), (others, 0.0), (quick, 0.0), (slow, 0.0)];
        for (slots, weight_decay) in groups {
            let lr = lr * slots.first().map_or(1.0, |slot| slot.pace());
            let options = RawAdamW { lr, beta1, beta2, eps, weight_decay };
            shim::adamw(&options, &slots.into_iter().map(slot).collect::<Vec<_>>());
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

fn slot(slot: &Slot<2>) -> AdamWSlot<'_> {
    let Slot { parameter, steps, moments: [mean, square], .. } = slot;
    AdamWSlot { parameter, mean, square, steps: *steps }
}
