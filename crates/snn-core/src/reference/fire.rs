use ndarray::{Axis, Zip};

use super::Scalar;
use crate::{
    neuron::Neuron,
    tensor::{Real, Spikes},
};

/// Charge, fire, reset: one step after the other, as `neuron`'s docs say.
pub(super) fn fire<F: Scalar>(
    neuron: &Neuron,
    leak: Option<F>,
    x: &Real<F>,
    v: Option<&Real<F>>,
) -> (Spikes, Real<F>) {
    let mut v = match v {
        Some(v) => v.clone(),
        None => Real::from_elem(x.index_axis(Axis(0), 0).raw_dim(), F::zero()),
    };
    let mut spikes = Spikes::from_elem(x.raw_dim(), false);
    for (x, spikes) in x.axis_iter(Axis(0)).zip(spikes.axis_iter_mut(Axis(0))) {
        Zip::from(&mut v).and(x).and(spikes).for_each(|v, &x, spike| {
            (*spike, *v) = neuron.fire(neuron.charge(leak, *v, x));
        });
    }
    (spikes, v)
}
