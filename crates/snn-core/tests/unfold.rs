//! Integer neurons as spikes over virtual steps.

use ndarray::{ArrayD, Axis};
use proptest::prelude::*;
use snn_core::{
    Backend, Builder, Init, IntegerNeuron, Map, Pass, Reference, Signal, Stage, Unfolded, Window,
    layer::Synapse,
    neuron::Rounding,
    unfold::{fold, unfold},
};

type F64 = Reference<f64>;

fn neuron(levels: u32, gain: f64, unit: f64, up: bool) -> IntegerNeuron {
    let rounding = if up { Rounding::HalfUp } else { Rounding::HalfEven };
    IntegerNeuron { levels, gain, unit, rounding }
}

/// Numbers from -1 to 7, none half way between two levels.
fn currents(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 48) as f32 / 8192.1 - 1.0
    })
}

/// A convolution chain with biases, a BatchNorm and a border, and a linear map.
fn synapse<B: Backend>(builder: &Builder<'_, B>, reads: IntegerNeuron) -> Synapse<B> {
    let inner = Map::depthwise(3, Window::same(3).padding(0));
    let stages = vec![
        Stage::linear("a", 3, 3).bias(Init::Normal(1.0)).norm("bn").border(1),
        Stage::new("b", inner).bias(Init::Normal(1.0)),
    ];
    builder.chain("chain", Map::conv2d(3, 3, Window::SAME3), Some(reads), stages).unwrap()
}

proptest! {
    #[test]
    fn levels_fold_and_unfold(levels in prop::collection::vec(0u32..=9, 1..20), more in 0u32..3) {
        let backend = F64::new();
        let steps = levels.iter().max().unwrap() + more;
        prop_assume!(steps > 0);
        let levels = ArrayD::from_shape_vec(vec![1, 1, levels.len()], levels).unwrap();
        let spikes = unfold(&backend, &levels, steps);
        prop_assert_eq!(&fold(&backend, &spikes), &levels);
        prop_assert_eq!(spikes.len_of(Axis(0)), steps as usize);
        for (d, step) in spikes.axis_iter(Axis(0)).enumerate() {
            let expected = levels.mapv(|n| n as usize > d);
            prop_assert_eq!(step, expected);
        }
    }

    #[test]
    fn a_synapse_averages_virtual_steps(
        seed: u64, levels in 1u32..8, gain in 0.5..4.0, unit in 0.1..2.0, up: bool,
    ) {
        let neuron = neuron(levels, gain, unit, up);
        let x = currents(&[2, 1, 4, 3, 3], seed);
        let plain = {
            let backend = F64::new();
            let builder = Builder::draw(&backend, seed);
            let layer = builder.integer_neuron("lif", neuron);
            let mut pass = Pass::new(&backend);
            let levels = layer.forward(&mut pass, &backend.real(&x));
            synapse(&builder, neuron).forward(&mut pass, &levels)
        };
        let backend = Unfolded::new(F64::new());
        let builder = Builder::draw(&backend, seed);
        let layer = builder.integer_neuron("lif", neuron);
        let mut pass = Pass::new(&backend);
        let spikes = layer.forward(&mut pass, &backend.real(&x));
        prop_assert_eq!(spikes.shape(), x.shape());
        let y = synapse(&builder, neuron).forward(&mut pass, &spikes);
        let y = backend.read(y.input());
        prop_assert_eq!(y.shape(), plain.shape());
        prop_assert!(y.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-9), "{y} {plain}");
    }

    /// Products of levels, moved and reshaped, are those of their spikes.
    #[test]
    fn counts_stay_counts(seed: u64, levels in 1u32..8) {
        let neuron = neuron(levels, 1.0, 1.0, true);
        let x = currents(&[2, 1, 4, 3], seed);
        fn product<B: Backend>(backend: &B, neuron: &IntegerNeuron, x: &ArrayD<f32>) -> ArrayD<f64> {
            let x = backend.quantize(neuron, &backend.real(x));
            let y = x.permute(&[0, 1, 3, 2]);
            let product = backend.matmul(&x, &y).reshape(&[2, 16]);
            backend.read(backend.sum_axis(&product, 0).input())
        }
        let unfolded = Unfolded::new(F64::new());
        prop_assert_eq!(product(&unfolded, &neuron, &x), product(&F64::new(), &neuron, &x));
    }
}

#[test]
#[should_panic(expected = "spikes of virtual steps evaluate")]
fn virtual_steps_do_not_train() {
    let backend = Unfolded::new(F64::new());
    let builder = Builder::draw(&backend, 0);
    let neuron = neuron(4, 1.0, 0.25, true);
    let x = backend.real(&currents(&[1, 2, 4, 3, 3], 0));
    let mut pass = Pass::train(&backend);
    let spikes = builder.integer_neuron("lif", neuron).forward(&mut pass, &x);
    synapse(&builder, neuron).forward(&mut pass, &spikes);
}
