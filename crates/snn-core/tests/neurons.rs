//! Laws of the neurons on the reference backend.

use ndarray::{ArrayD, Axis, Slice};
use proptest::prelude::*;
use snn_core::{
    Backend, Builder, IntegerNeuron, Neuron, Pass, Reference, State,
    laws::neurons,
    neuron::{Charge, Reset, Rounding, Surrogate},
};

fn currents() -> impl Strategy<Value = ArrayD<f32>> {
    (1usize..6, 1usize..5).prop_flat_map(|(t, n)| {
        prop::collection::vec(-2.0f32..3.0, t * n)
            .prop_map(move |x| ArrayD::from_shape_vec(vec![t, 1, n], x).unwrap())
    })
}

/// One neuron, one number after the other, written from the equations.
fn by_hand(neuron: &Neuron, xs: &[f64]) -> (Vec<bool>, f64) {
    let rest = match neuron.reset {
        Reset::Hard { to } => to,
        Reset::Soft => 0.0,
    };
    let mut v = 0.0;
    let mut spikes = Vec::new();
    for x in xs {
        let h = match neuron.charge {
            Charge::Integrate => v + x,
            Charge::Leaky { tau, decay_input: true } => v + (x - (v - rest)) / tau,
            Charge::Leaky { tau, decay_input: false } => v - (v - rest) / tau + x,
            Charge::Parametric { .. } => unreachable!("not drawn"),
        };
        let s = h >= neuron.threshold;
        spikes.push(s);
        v = match neuron.reset {
            Reset::Hard { to } if s => to,
            Reset::Soft if s => h - neuron.threshold,
            _ => h,
        };
    }
    (spikes, v)
}

proptest! {
    #[test]
    fn every_neuron_follows_its_equations(neuron in neurons(), x in currents()) {
        let backend = Reference::<f64>::new();
        let (spikes, v) = backend.fire(&neuron, None, &backend.real(&x), None);
        for n in 0..x.shape()[2] {
            let xs: Vec<f64> = x.axis_iter(Axis(0)).map(|step| step[[0, n]].into()).collect();
            let (expected, last) = by_hand(&neuron, &xs);
            let found: Vec<bool> = spikes.axis_iter(Axis(0)).map(|step| step[[0, n]]).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(v[[0, n]], last);
        }
    }

    #[test]
    fn a_stream_in_two_parts_is_the_whole(neuron in neurons(), x in currents(), cut in 0.0..1.0) {
        let backend = Reference::<f32>::new();
        let builder = Builder::draw(&backend, 0);
        let layer = builder.neuron("lif", neuron).unwrap();
        let whole = layer.forward(&mut Pass::new(&backend), &x);
        let cut = (cut * x.shape()[0] as f64) as usize;
        let mut state = State::default();
        let mut parts = Vec::new();
        for range in [0..cut, cut..x.shape()[0]].into_iter().filter(|r| !r.is_empty()) {
            let part = x.slice_axis(Axis(0), Slice::from(range)).to_owned();
            let mut pass = Pass::new(&backend).with_state(state);
            parts.push(layer.forward(&mut pass, &part));
            state = pass.into_state();
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        prop_assert_eq!(ndarray::concatenate(Axis(0), &views).unwrap(), whole);
    }

    #[test]
    fn an_integer_level_is_a_sum_of_thresholds(x in -3.0f64..8.0, levels in 1u32..9) {
        let neuron = IntegerNeuron { levels, gain: 1.0, unit: 1.0, rounding: Rounding::HalfUp };
        let fired = (1..=levels).filter(|k| x >= f64::from(*k) - 0.5).count() as u32;
        prop_assert_eq!(neuron.level(x), fired);
    }

    #[test]
    fn surrogates_are_even_and_peak_at_the_threshold(x in 0.0f64..4.0, alpha in 0.2f64..6.0) {
        for surrogate in [
            Surrogate::Sigmoid { alpha },
            Surrogate::Arctan { alpha },
            Surrogate::Rectangle { width: alpha },
            Surrogate::FastSigmoid { alpha },
            Surrogate::Triangle { width: alpha },
        ] {
            let at = surrogate.derivative(x);
            prop_assert!((at - surrogate.derivative(-x)).abs() < 1e-12, "{surrogate:?}");
            prop_assert!(at >= 0.0 && at <= surrogate.derivative(0.0) + 1e-15, "{surrogate:?}");
        }
    }
}

#[test]
fn surrogates_that_are_densities_integrate_to_one() {
    let step = 1e-3;
    for surrogate in [
        Surrogate::Sigmoid { alpha: 4.0 },
        Surrogate::Arctan { alpha: 2.0 },
        Surrogate::Rectangle { width: 1.0 },
        Surrogate::Triangle { width: 1.0 },
    ] {
        let area: f64 =
            (-400_000..400_000).map(|i| surrogate.derivative((f64::from(i) + 0.5) * step)).sum();
        assert!((area * step - 1.0).abs() < 5e-3, "{surrogate:?}: {}", area * step);
    }
}

#[test]
fn rounding_half_way_follows_the_rule() {
    let neuron = |rounding| IntegerNeuron { levels: 4, gain: 1.0, unit: 0.25, rounding };
    let halves = [0.5, 1.5, 2.5, 3.5];
    assert_eq!(halves.map(|x| neuron(Rounding::HalfEven).level(x)), [0, 2, 2, 4]);
    assert_eq!(halves.map(|x| neuron(Rounding::HalfUp).level(x)), [1, 2, 3, 4]);
    let ends = [-0.1, 0.0, 4.0, 4.1];
    assert_eq!(ends.map(|x| neuron(Rounding::HalfEven).derivative(x)), [0.0, 1.0, 1.0, 0.0]);
    assert_eq!(ends.map(|x| neuron(Rounding::HalfUp).derivative(x)), [0.0; 4]);
}

#[test]
fn reaching_the_threshold_is_enough() {
    let backend = Reference::<f64>::new();
    let x = backend.real(&ArrayD::from_elem(vec![1, 1, 1], 2.0)); // charges to exactly 1
    let (spikes, v) = backend.fire(&Neuron::lif(2.0), None, &x, None);
    assert!(spikes[[0, 0, 0]]);
    assert_eq!(v[[0, 0]], 0.0);
}

#[test]
fn a_parametric_leak_starts_as_the_plain_one() {
    let backend = Reference::<f64>::new();
    let builder = Builder::draw(&backend, 0);
    let plif = builder.neuron("plif", Neuron::plif(2.0)).unwrap();
    let lif = builder.neuron("lif", Neuron::lif(2.0)).unwrap();
    let x = ArrayD::from_shape_fn(vec![6, 2, 5], |i| (i[0] * 7 + i[1] * 3 + i[2]) as f64 % 3.1);
    let mut pass = Pass::new(&backend);
    assert_eq!(plif.forward(&mut pass, &x), lif.forward(&mut pass, &x));
    assert_eq!(builder.finish().unwrap().get("plif.w").unwrap().shape(), [0usize; 0]);
}

#[test]
fn neurons_out_of_range_say_what_is_allowed() {
    let backend = Reference::<f32>::new();
    let builder = Builder::draw(&backend, 0);
    let error = builder.neuron("lif", Neuron::lif(0.5)).err().unwrap();
    let text = error.to_string();
    assert_eq!(text, "neuron field `tau` is 0.5, expected a finite number at least 1 step");
}
