//! Levels of the packed engine, from integer neurons and masked time-to-first-spike codes, against
//! the reference in 64-bit floats.

use ndarray::{ArrayD, arr0};
use proptest::prelude::*;
use snn_core::{
    Backend, Input, IntegerNeuron, Mode, Packed, Pass, Reference, Signal, Tensor,
    backend::{CoderConfig, CoderParts},
    laws::{self, Layer},
    neuron::Rounding,
    packed::{Isa, Precision},
};

fn code(bits: u32, step: f32, zero_point: i64, mask: i64, dead_zone: u32) -> CoderParts {
    let number = |n: i64| Tensor::I64(arr0(n).into_dyn()).into();
    let levels = 1 << bits;
    CoderParts {
        name: "code".into(),
        config: CoderConfig { levels, dead_zone, widen_every: 0, refresh_every: 1 },
        step: Tensor::F32(arr0(step).into_dyn()).into(),
        zero_point: number(zero_point),
        mask: number(mask % i64::from(levels)),
        tracked: number(1),
    }
}

/// Levels and spikes of everything that a layer's current can be part of: its input are counts.
fn sent<B: Backend>(
    backend: &B,
    layer: &Layer,
    parts: &CoderParts,
    neuron: &IntegerNeuron,
) -> Vec<ArrayD<f64>> {
    let (synapse, _) = layer.build(backend);
    let coder = backend.coder(parts);
    let mut pass = Pass::new(backend);
    let greatest = parts.config.levels - 1;
    let mut current = |n: u64| {
        let mut i = 0;
        let counts = layer.other_spikes(n).mapv(|spike| {
            i += 1;
            if spike { i % greatest + 1 } else { 0 }
        });
        synapse.forward(&mut pass, &backend.counts(&counts))
    };
    let (a, b) = (current(0), current(1));
    let mut out = Vec::new();
    let mut code = |x: &B::Real| {
        let (levels, spikes) = backend.code(&coder, x, Mode::Eval);
        out.push(backend.read(Input::Counts(&levels)));
        out.push(backend.read(Input::Spikes(&spikes)));
        levels
    };
    let levels = code(&a);
    code(&backend.add_real(&a, &b));
    code(&backend.scale(&levels, 0.37));
    for x in [&b, &backend.add_real(&a, &b), &backend.scale(&levels, 0.5)] {
        out.push(backend.read(backend.quantize(neuron, x).input()));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn exact_levels_are_those_of_64_bit_floats(
        layer in laws::layers(), bits in 1..=8u32,
        // With weights in quarters, numbers lie on the borders of levels.
        step in prop::sample::select(vec![0.25f32, 0.5, 0.3, 1.7]),
        zero_point in -3..20i64, mask in 0..256i64, zone in 0..4u32,
        levels in prop::sample::select(vec![1u32, 4, 15, 255]), half_up: bool,
    ) {
        let parts = code(bits, step, zero_point, mask, zone);
        let rounding = if half_up { Rounding::HalfUp } else { Rounding::HalfEven };
        let neuron = IntegerNeuron { levels, gain: 1.0 / f64::from(step), unit: 1.0, rounding };
        let expected = sent(&Reference::<f64>::new(), &layer, &parts, &neuron);
        for isa in Isa::all() {
            let packed = Packed::with_isa(Precision::Exact, isa);
            prop_assert_eq!(&sent(&packed, &layer, &parts, &neuron), &expected, "{}", isa.name());
        }
    }
}

#[test]
fn faster_precisions_move_few_levels_and_by_one() {
    let layer = Layer {
        map: snn_core::Map::Linear { inputs: 384, outputs: 256 },
        shape: vec![1, 4, 64, 384],
        neuron: snn_core::Neuron::lif(2.0),
        percent: 30,
        seed: 3,
    };
    let (parts, neuron) = (code(4, 2.0, 7, 7, 0), IntegerNeuron::nilif(8));
    let exact = sent(&Reference::<f64>::new(), &layer, &parts, &neuron);
    let moved = |precision| {
        let found = sent(&Packed::new(precision), &layer, &parts, &neuron);
        // The levels of the code alone.
        let pairs = || found[0].iter().zip(&exact[0]);
        assert!(pairs().all(|(a, b)| (a - b).abs() <= 1.0));
        pairs().filter(|(a, b)| a != b).count() as f64 / exact[0].len() as f64
    };
    assert_eq!(moved(Precision::Exact), 0.0);
    assert!(moved(Precision::F32) <= 1e-4);
    assert!(moved(Precision::I16) <= 5e-3);
    assert!(moved(Precision::I8) <= 0.2);
}
