//! What kernels are held to.

use ndarray::{ArrayD, Axis, Dimension, Slice, concatenate};
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};

use super::Layer;
use crate::{
    backend::{Backend, Signal},
    neuron::Neuron,
    pass::Pass,
    reference::Reference,
    tensor::Spikes,
};

type Law = Result<(), TestCaseError>;

/// The currents that `kernel` makes of the layer's spikes are those of the
/// reference, up to `tolerance`.
///
/// # Errors
/// The first current that is not, and where.
pub fn currents_are_those_of_the_reference(
    layer: &Layer,
    kernel: impl Fn(&Layer, &Spikes) -> ArrayD<f64>,
    tolerance: f64,
) -> Law {
    let x = layer.spikes();
    near(&kernel(layer, &x), &layer.currents(&x), tolerance)
}

/// The spikes that `kernel` makes of the layer's spikes, synapse and neuron in
/// one, are those of the reference.
///
/// # Errors
/// The first spike that is not, and where.
pub fn spikes_are_those_of_the_reference(
    layer: &Layer,
    kernel: impl Fn(&Layer, &Spikes) -> Spikes,
) -> Law {
    let x = layer.spikes();
    same(&kernel(layer, &x), &layer.fired(&x))
}

/// A synapse is affine: where no spike is in both of `a` and `b`, the current of
/// both is that of `a` and that of `b`, less that of silence.
///
/// # Errors
/// The first current that is not, and where.
pub fn currents_add_up(
    layer: &Layer,
    kernel: impl Fn(&Layer, &Spikes) -> ArrayD<f64>,
    tolerance: f64,
) -> Law {
    let (both, mask) = (layer.spikes(), layer.other_spikes(1));
    let part = |side: bool| {
        let mut part = both.clone();
        part.zip_mut_with(&mask, |spike, &m| *spike &= m == side);
        kernel(layer, &part)
    };
    let silence = kernel(layer, &both.mapv(|_| false));
    near(&(part(false) + part(true) - silence), &kernel(layer, &both), tolerance)
}

/// No sample of a batch sees another: the second half of the batch alone gives
/// what it gives beside the first.
///
/// # Errors
/// The first number that does not, and where.
pub fn samples_stand_alone(
    layer: &Layer,
    kernel: impl Fn(&Layer, &Spikes) -> ArrayD<f64>,
    tolerance: f64,
) -> Law {
    let x = layer.spikes();
    let rest = Slice::from(layer.shape[1] / 2..);
    let mut alone = layer.clone();
    alone.shape[1] -= layer.shape[1] / 2;
    let together = kernel(layer, &x);
    let found = kernel(&alone, &x.slice_axis(Axis(1), rest).to_owned());
    near(&found, &together.slice_axis(Axis(1), rest).to_owned(), tolerance)
}

/// Neurons that are stopped after `cut` steps and go on from their membranes fire
/// as those that never stopped.
///
/// `kernel` takes the neuron, currents `[T, ...]` and the membranes `[...]` that
/// it starts from, and gives spikes and membranes.
///
/// # Errors
/// The first spike that differs, and where.
///
/// # Panics
/// If `cut` is not within `0..=T`.
pub fn spikes_go_on(
    neuron: &Neuron,
    currents: &ArrayD<f64>,
    cut: usize,
    kernel: impl Fn(&Neuron, &ArrayD<f64>, &ArrayD<f64>) -> (Spikes, ArrayD<f64>),
) -> Law {
    let rest = ArrayD::zeros(&currents.shape()[1..]);
    let (whole, end) = kernel(neuron, currents, &rest);
    let part = |range| currents.slice_axis(Axis(0), Slice::from(range)).to_owned();
    let (first, v) = kernel(neuron, &part(0..cut), &rest);
    let (second, v) = kernel(neuron, &part(cut..currents.shape()[0]), &v);
    let joined = match concatenate(Axis(0), &[first.view(), second.view()]) {
        Ok(joined) => joined,
        Err(e) => return Err(TestCaseError::fail(format!("parts of {:?}: {e}", whole.shape()))),
    };
    same(&joined, &whole)?;
    near(&v, &end, 0.0)
}

/// A whole backend does with a layer what the reference in 64-bit floats does:
/// spikes of the synapse and neuron for spikes, for counts of two, three and four
/// bits, and for numbers that last for two steps each.
///
/// # Errors
/// The first spike that differs, and where.
pub fn backend_is_the_reference<B: Backend>(backend: &B, layer: &Layer) -> Law {
    let expected = behaviour(&Reference::<f64>::new(), layer);
    for (found, expected) in behaviour(backend, layer).iter().zip(&expected) {
        same(found, expected)?;
    }
    Ok(())
}

/// See [`backend_is_the_reference`].
fn behaviour<B: Backend>(backend: &B, layer: &Layer) -> Vec<Spikes> {
    let (synapse, neuron) = layer.build(backend);
    let mut pass = Pass::new(backend);
    let [x, y] = [0, 1].map(|n| backend.spikes(&layer.other_spikes(n)));
    let mut currents = vec![synapse.forward(&mut pass, &x)];
    let mut sum = backend.widen(&x);
    for _ in 0..3 {
        sum = backend.add(&backend.add(&backend.add(&sum, &y), &x), &y);
        currents.push(synapse.forward(&mut pass, &sum));
    }
    let numbers = backend.real(&backend.read(sum.input()).mapv(|n| n as f32 / 4.0 - 1.0));
    currents.push(synapse.forward_repeated(&mut pass, &numbers, 2));
    let mut fire = |current| {
        let spikes = neuron.forward(&mut pass, current);
        backend.read(spikes.input()).mapv(|spike| spike != 0.0)
    };
    currents.iter().map(&mut fire).collect()
}

fn near(found: &ArrayD<f64>, expected: &ArrayD<f64>, tolerance: f64) -> Law {
    prop_assert_eq!(found.shape(), expected.shape(), "shape, found and expected");
    for ((place, found), expected) in found.indexed_iter().zip(expected) {
        let off = (found - expected).abs();
        let place = place.slice();
        prop_assert!(
            off <= tolerance,
            "at {place:?}: {found}, expected {expected}, off by {off:e}"
        );
    }
    Ok(())
}

fn same(found: &Spikes, expected: &Spikes) -> Law {
    prop_assert_eq!(found.shape(), expected.shape(), "shape, found and expected");
    for ((place, found), expected) in found.indexed_iter().zip(expected) {
        let place = place.slice();
        prop_assert_eq!(found, expected, "at {:?}, found and expected", place);
    }
    Ok(())
}
