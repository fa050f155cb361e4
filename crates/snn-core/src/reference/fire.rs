use ndarray::{Axis, Zip};

use super::Scalar;
use crate::{
    neuron::{Charge, Neuron, Reset},
    tensor::{Real, Spikes},
};

/// Charge, fire, reset: one step after the other, as `neuron`'s docs say.
pub(super) fn fire<F: Scalar>(
    neuron: &Neuron,
    leak: Option<F>,
    x: &Real<F>,
    v: Option<&Real<F>>,
) -> (Spikes, Real<F>) {
    let (threshold, rest) = (F::of(neuron.threshold), F::of(neuron.rest()));
    let charge = |v: F, x: F| match neuron.charge {
        Charge::Integrate => v + x,
        Charge::Leaky { tau, decay_input: true } => v + (x - (v - rest)) / F::of(tau),
        Charge::Leaky { tau, decay_input: false } => v - (v - rest) / F::of(tau) + x,
        Charge::Parametric { decay_input, .. } => {
            let Some(w) = leak else { panic!("a parametric neuron needs its learned leak") };
            let rate = F::one() / (F::one() + (-w).exp());
            if decay_input { v + (x - (v - rest)) * rate } else { v - (v - rest) * rate + x }
        }
    };
    let mut v = match v {
        Some(v) => v.clone(),
        None => Real::from_elem(x.index_axis(Axis(0), 0).raw_dim(), F::zero()),
    };
    let mut spikes = Spikes::from_elem(x.raw_dim(), false);
    for (x, spikes) in x.axis_iter(Axis(0)).zip(spikes.axis_iter_mut(Axis(0))) {
        Zip::from(&mut v).and(x).and(spikes).for_each(|v, &x, spike| {
            let h = charge(*v, x);
            *spike = h - threshold >= F::zero();
            *v = match (neuron.reset, *spike) {
                (_, false) => h,
                (Reset::Hard { to }, true) => F::of(to),
                (Reset::Soft, true) => h - threshold,
            };
        });
    }
    (spikes, v)
}
