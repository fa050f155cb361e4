//! Spiking neurons: what charges the membrane, what fires, what resets.
//!
//! One description serves every backend. A step is, in this order and in the
//! tensor's own precision (the order of SpikingJelly, so that membranes agree
//! to the bit where the currents do):
//!
//! ```text
//! h[t] = charge(v[t-1], x[t])
//! s[t] = 1 if h[t] - threshold >= 0 else 0          a tie fires
//! v[t] = reset(h[t], s[t])
//! ```

mod integer;
mod surrogate;

use num_traits::Float;
use serde::{Deserialize, Serialize};

pub use integer::{IntegerNeuron, Rounding};
pub use surrogate::Surrogate;

/// A spiking neuron, applied elementwise over everything but time.
///
/// State is the membrane potential `v`, zero at rest, passed by value: see
/// [`Backend::fire`](crate::Backend::fire).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neuron {
    /// How the input current charges the membrane.
    pub charge: Charge,
    /// Membrane potential at which the neuron fires; reaching it is enough.
    pub threshold: f64,
    /// What a spike does to the membrane.
    pub reset: Reset,
    /// Whether the spike inside the reset carries no gradient.
    pub detach_reset: bool,
    /// Stands for the derivative of the step in the backward pass.
    pub surrogate: Surrogate,
}

/// How the input current `x` charges the membrane `v`; `r` is the value of a
/// hard reset, 0 under a soft one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Charge {
    /// Integrate and fire (IF): `h = v + x`.
    Integrate,
    /// Leaky integrate and fire (LIF). With `decay_input` the current decays
    /// with the membrane, `h = v + (x - (v - r)) / tau`; without,
    /// `h = v - (v - r) / tau + x`.
    Leaky {
        /// Membrane time constant in time steps, above 1.
        tau: f64,
        /// Whether the input is divided by `tau` too.
        decay_input: bool,
    },
    /// Parametric LIF (PLIF): as [`Charge::Leaky`] with `1 / tau = sigmoid(w)`,
    /// `w` one learnable number a layer. Source: Fang et al., ICCV 2021, eq. 8.
    Parametric {
        /// Time constant that training starts from, in time steps, above 1.
        tau: f64,
        /// Whether the input is multiplied by `1 / tau` too.
        decay_input: bool,
    },
}

/// What a spike `s` does to the charged membrane `h`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reset {
    /// `v = (1 - s) h + s to`.
    Hard {
        /// The potential after a spike.
        to: f64,
    },
    /// `v = h - s threshold`: what exceeds the threshold is kept.
    Soft,
}

/// No neuron but a sign: a spike where the current is above zero, without
/// memory. Backwards it is the straight-through sign of binary codes, 1 between
/// -1 and 1, for a code that steps from -1 to +1: half of it for spikes.
pub const SIGN: Neuron = Neuron {
    charge: Charge::Leaky { tau: 1.0, decay_input: true },
    // The least normal number of both float types: zero is not above zero.
    threshold: f32::MIN_POSITIVE as f64,
    surrogate: Surrogate::Rectangle { width: 2.0 },
    ..Neuron::integrate_and_fire()
};

impl Neuron {
    /// The neuron of the published spiking transformers: threshold 1, hard
    /// reset to 0, input decays, reset detached, sigmoid surrogate with
    /// `alpha = 4`.
    ///
    /// `tau` is in time steps.
    pub const fn lif(tau: f64) -> Self {
        Self {
            charge: Charge::Leaky { tau, decay_input: true },
            threshold: 1.0,
            reset: Reset::Hard { to: 0.0 },
            detach_reset: true,
            surrogate: Surrogate::Sigmoid { alpha: 4.0 },
        }
    }

    /// As [`Neuron::lif`], without a leak.
    pub const fn integrate_and_fire() -> Self {
        Self { charge: Charge::Integrate, ..Self::lif(2.0) }
    }

    /// As [`Neuron::lif`], with a leak that is learned from `tau` on.
    pub const fn plif(tau: f64) -> Self {
        Self { charge: Charge::Parametric { tau, decay_input: true }, ..Self::lif(tau) }
    }

    /// The same neuron with another threshold.
    pub const fn with_threshold(self, threshold: f64) -> Self {
        Self { threshold, ..self }
    }

    /// The membrane that the leak pulls to: the hard reset's value, else 0.
    pub const fn rest(&self) -> f64 {
        match self.reset {
            Reset::Hard { to } => to,
            Reset::Soft => 0.0,
        }
    }

    /// The charged membrane `h` after current `x` met membrane `v`, in the order
    /// of operations of the published code. `leak` is the learned `w` of a
    /// PLIF.
    ///
    /// # Panics
    /// If a PLIF has no `leak`.
    pub fn charge<F: Float>(&self, leak: Option<F>, v: F, x: F) -> F {
        let f = |value: f64| F::from(value).unwrap_or_else(F::nan);
        let rest = f(self.rest());
        match self.charge {
            Charge::Integrate => v + x,
            Charge::Leaky { tau, decay_input: true } => v + (x - (v - rest)) / f(tau),
            Charge::Leaky { tau, decay_input: false } => v - (v - rest) / f(tau) + x,
            Charge::Parametric { decay_input, .. } => {
                let Some(w) = leak else { panic!("a parametric neuron needs its learned leak") };
                let rate = F::one() / (F::one() + (-w).exp());
                if decay_input { v + (x - (v - rest)) * rate } else { v - (v - rest) * rate + x }
            }
        }
    }

    /// Whether the charged membrane `h` fires, and the membrane it leaves.
    pub fn fire<F: Float>(&self, h: F) -> (bool, F) {
        let f = |value: f64| F::from(value).unwrap_or_else(F::nan);
        let spike = h - f(self.threshold) >= F::zero();
        let v = match (self.reset, spike) {
            (_, false) => h,
            (Reset::Hard { to }, true) => f(to),
            (Reset::Soft, true) => h - f(self.threshold),
        };
        (spike, v)
    }

    /// The learnable `w` that a PLIF layer starts from, `-ln(tau - 1)`, so that
    /// `sigmoid(w) = 1 / tau`; `None` where nothing is learned.
    pub fn initial_leak(&self) -> Option<f64> {
        match self.charge {
            Charge::Parametric { tau, .. } => Some(-(tau - 1.0).ln()),
            _ => None,
        }
    }

    /// Checks that every number is finite and in its range.
    ///
    /// # Errors
    /// [`NeuronError`] names the field, the value and what is allowed.
    pub fn validate(&self) -> Result<(), NeuronError> {
        let Self { charge, threshold, reset, detach_reset: _, surrogate } = *self;
        let check = |field, value: f64, ok: bool, allowed| {
            if ok && value.is_finite() {
                Ok(())
            } else {
                Err(NeuronError { field, value, allowed })
            }
        };
        match charge {
            Charge::Integrate => {}
            Charge::Leaky { tau, .. } => check("tau", tau, tau >= 1.0, "at least 1 step")?,
            Charge::Parametric { tau, .. } => check("tau", tau, tau > 1.0, "above 1 step")?,
        }
        check("threshold", threshold, threshold > 0.0, "above 0")?;
        if let Reset::Hard { to } = reset {
            check("reset.to", to, to < threshold, "below the threshold")?;
        }
        let (field, value) = surrogate.parameter();
        check(field, value, value > 0.0, "above 0")
    }
}

/// A neuron parameter outside its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("neuron field `{field}` is {value}, expected a finite number {allowed}")]
pub struct NeuronError {
    /// The field.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// What is allowed.
    pub allowed: &'static str,
}
