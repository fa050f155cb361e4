//! The obvious form: one libtorch operation after the other.

use std::f64::consts::FRAC_PI_2;

use snn_core::{
    Neuron,
    neuron::{Charge, Reset, Surrogate},
};
use tch::{Kind, Tensor};

pub(super) fn fire(
    neuron: &Neuron,
    leak: Option<&Tensor>,
    x: &Tensor,
    v: Option<&Tensor>,
) -> (Tensor, Tensor) {
    // Under autocast currents come in half precision; membranes do not live there.
    let half = matches!(x.kind(), Kind::Half | Kind::BFloat16);
    let x = if half { x.to_kind(Kind::Float) } else { x.shallow_clone() };
    let rate = leak.map(Tensor::sigmoid);
    let mut v = match v {
        Some(v) => v.shallow_clone(),
        None => x.select(0, 0).zeros_like(),
    };
    let mut spikes = Vec::new();
    for x in x.unbind(0) {
        let h = charge(neuron, rate.as_ref(), &v, &x);
        let above = &h - neuron.threshold;
        let spike = step(&neuron.surrogate, &above);
        let s = if neuron.detach_reset { spike.detach() } else { spike.shallow_clone() };
        v = match neuron.reset {
            Reset::Hard { to } => (1.0 - &s) * h + s * to,
            Reset::Soft => h - s * neuron.threshold,
        };
        spikes.push(spike);
    }
    (Tensor::stack(&spikes, 0), v)
}

fn charge(neuron: &Neuron, rate: Option<&Tensor>, v: &Tensor, x: &Tensor) -> Tensor {
    let rest = neuron.rest();
    match neuron.charge {
        Charge::Integrate => v + x,
        Charge::Leaky { tau, decay_input: true } => v + (x - (v - rest)) / tau,
        Charge::Leaky { tau, decay_input: false } => v - (v - rest) / tau + x,
        Charge::Parametric { decay_input, .. } => {
            let Some(rate) = rate else { panic!("a parametric neuron needs its learned leak") };
            if decay_input { v + (x - (v - rest)) * rate } else { v - (v - rest) * rate + x }
        }
    }
}

/// 1 where `x >= 0`, else 0; backwards, the surrogate.
fn step(surrogate: &Surrogate, x: &Tensor) -> Tensor {
    let at = x.detach();
    let spike = at.ge(0.0).to_kind(x.kind());
    spike + (x - &at) * tch::no_grad(|| derivative(surrogate, &at))
}

/// [`Surrogate::derivative`] of every element.
fn derivative(surrogate: &Surrogate, x: &Tensor) -> Tensor {
    match *surrogate {
        Surrogate::Sigmoid { alpha } => {
            let s = (x * alpha).sigmoid();
            alpha * &s * (1.0 - &s)
        }
        Surrogate::Arctan { alpha } => alpha / 2.0 / (1.0 + (x * (FRAC_PI_2 * alpha)).square()),
        Surrogate::Rectangle { width } => x.abs().lt(width / 2.0).to_kind(x.kind()) / width,
        Surrogate::FastSigmoid { alpha } => (x.abs() * alpha + 1.0).square().reciprocal(),
        Surrogate::Triangle { width } => (x.abs() / -width + 1.0).clamp_min(0.0) / width,
    }
}
