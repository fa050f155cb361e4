//! The fast form: one pass over memory forward, one backward, in C++.

use snn_core::{
    Neuron,
    neuron::{Charge, Reset, Surrogate},
};
use tch::{Device, Kind, Tensor};

use crate::shim::{self, RawNeuron};

/// As [`composed::fire`](super::composed::fire), where the tensors are of a
/// kind that it knows: on a CPU, all in `f32` or all in `f64`.
pub(super) fn fire(
    neuron: &Neuron,
    leak: Option<&Tensor>,
    x: &Tensor,
    v: Option<&Tensor>,
) -> Option<(Tensor, Tensor)> {
    let kind = x.kind();
    let known = |t: &Tensor| t.device() == Device::Cpu && t.kind() == kind;
    let float = matches!(kind, Kind::Float | Kind::Double);
    if !float || ![Some(x), leak, v].into_iter().flatten().all(known) {
        return None;
    }
    let parametric = matches!(neuron.charge, Charge::Parametric { .. });
    assert!(!parametric || leak.is_some(), "a parametric neuron needs its learned leak");
    if let Some(v) = v {
        assert_eq!(v.size(), x.size()[1..], "membranes [...] for currents [T, ...]");
    }
    Some(shim::fire(&raw(neuron), x, v, leak.filter(|_| parametric)))
}

fn raw(neuron: &Neuron) -> RawNeuron {
    let (charge, decay_input, tau) = match neuron.charge {
        Charge::Integrate => (0, true, 1.0),
        Charge::Leaky { tau, decay_input } => (1, decay_input, tau),
        Charge::Parametric { tau, decay_input } => (2, decay_input, tau),
    };
    let (hard_reset, reset_to) = match neuron.reset {
        Reset::Hard { to } => (1, to),
        Reset::Soft => (0, 0.0),
    };
    let surrogate = match neuron.surrogate {
        Surrogate::Sigmoid { .. } => 0,
        Surrogate::Arctan { .. } => 1,
        Surrogate::Rectangle { .. } => 2,
        Surrogate::FastSigmoid { .. } => 3,
        Surrogate::Triangle { .. } => 4,
    };
    RawNeuron {
        charge,
        decay_input: decay_input.into(),
        tau,
        threshold: neuron.threshold,
        hard_reset,
        reset_to,
        detach_reset: neuron.detach_reset.into(),
        surrogate,
        surrogate_parameter: neuron.surrogate.parameter().1,
    }
}
