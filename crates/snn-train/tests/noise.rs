//! Noise of devices while training: what it does forwards, and that gradients do not see it.

use ndarray::{ArrayD, Axis};
use proptest::prelude::*;
use snn_core::{
    Backend, Builder, Init, Pass, Signal, Stage,
    analog::Noise,
    backend::CoderConfig,
    layer::Synapse,
    quant::{Base, LogCode},
};
use snn_train::{Precision, Torch, torch::Disturbance};
use tch::{Device, Kind};

const INPUTS: usize = 40;
const OUTPUTS: usize = 30;

fn layer(backend: &Torch, logarithmic: bool) -> Synapse<Torch> {
    let stage = Stage::linear("fc", INPUTS, OUTPUTS).init(Init::Normal(0.3));
    let code = LogCode::new(4, Base::Two).unwrap();
    let stage = if logarithmic { stage.logarithmic(code) } else { stage };
    Builder::draw(backend, 1).synapse(stage).unwrap()
}

/// Currents in a pass that trains, and the gradient of the weight for fixed gradients of these.
fn current(backend: &Torch, synapse: &Synapse<Torch>, x: &ArrayD<f32>) -> [ArrayD<f64>; 2] {
    let y = synapse.forward(&mut Pass::train(backend), &backend.real(x));
    let upstream = ArrayD::from_shape_fn(y.shape(), |i| ((i[1] * 7 + i[2] * 5) % 9) as f32 - 4.0);
    let (_, mut weight) = backend.parameters().remove(0);
    weight.zero_grad();
    (y.tensor() * backend.real(&upstream).tensor()).sum(Kind::Double).backward();
    let gradient = weight.grad();
    let shape = [OUTPUTS, INPUTS];
    let numbers: Vec<f64> = Vec::try_from(gradient.flatten(0, -1)).unwrap();
    [backend.read(y.input()), ArrayD::from_shape_vec(shape.to_vec(), numbers).unwrap()]
}

/// Every input alone: currents are weights, `[1, inputs, outputs]`.
fn one_by_one() -> ArrayD<f32> {
    ArrayD::from_shape_fn(vec![1, INPUTS, INPUTS], |i| if i[1] == i[2] { 1.0 } else { 0.0 })
}

fn deviation(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = x.clone().count() as f64;
    (x.map(|x| x * x).sum::<f64>() / count).sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn weights_and_readings_are_off_and_gradients_are_not(
        seed in 0..1000u64, pass in 0..1000u64, programming in 0.01..0.2f64, read in 0.01..0.2f64,
    ) {
        let backend = Torch::new(Device::Cpu, Precision::Double).unwrap();
        let synapse = layer(&backend, true);
        let with = |noise, pass| {
            backend.disturb(Some(Disturbance { noise, seed, pass }));
            let found = current(&backend, &synapse, &one_by_one());
            backend.disturb(None);
            found
        };
        let [exact, expected] = current(&backend, &synapse, &one_by_one());

        let noise = Noise { programming, ..Noise::default() };
        let [held, gradient] = with(noise, pass);
        prop_assert_eq!(&gradient, &expected);
        let ratios = held.iter().zip(&exact).filter(|(_, w)| **w != 0.0).map(|(h, w)| h / w - 1.0);
        let found = deviation(ratios) / programming;
        prop_assert!((0.85..1.15).contains(&found), "{found}");
        // Devices that are off stay off.
        prop_assert!(held.iter().zip(&exact).all(|(h, w)| (*h == 0.0) == (*w == 0.0)));

        let noise = Noise { read, ..Noise::default() };
        let [seen, gradient] = with(noise, pass);
        prop_assert_eq!(&gradient, &expected);
        let rows = seen.axis_iter(Axis(2)).zip(exact.axis_iter(Axis(2)));
        let added = rows.flat_map(|(seen, exact)| {
            let greatest = exact.iter().fold(0f64, |a, w| a.max(w.abs()));
            (&seen - &exact).into_iter().map(move |added| added / greatest)
        });
        let found = deviation(added.collect::<Vec<_>>().into_iter()) / read;
        prop_assert!((0.85..1.15).contains(&found), "{found}");

        // A pass draws what no other does, and the same again.
        prop_assert_eq!(&with(noise, pass)[0], &seen);
        prop_assert_ne!(&with(noise, pass + 1)[0], &seen);
        prop_assert_eq!(&current(&backend, &synapse, &one_by_one())[0], &exact);
    }
}

#[test]
fn only_what_devices_hold_suffers_and_only_while_it_trains() {
    let noise = Noise { programming: 0.5, read: 0.5, threshold: 0.5 };
    let disturbance = Disturbance { noise, seed: 3, pass: 0 };
    for logarithmic in [false, true] {
        let backend = Torch::new(Device::Cpu, Precision::Double).unwrap();
        let synapse = layer(&backend, logarithmic);
        let [exact, _] = current(&backend, &synapse, &one_by_one());
        backend.disturb(Some(disturbance));
        let [noisy, _] = current(&backend, &synapse, &one_by_one());
        assert_eq!(noisy != exact, logarithmic);
        let x = backend.real(&one_by_one());
        let tested = synapse.forward(&mut Pass::new(&backend), &x);
        assert_eq!(backend.read(tested.input()), exact);
    }
}

#[test]
fn thresholds_are_off_channel_by_channel_and_gradients_pass() {
    let backend = Torch::new(Device::Cpu, Precision::Double).unwrap();
    let config = CoderConfig { levels: 256, dead_zone: 0, widen_every: 0, refresh_every: 1 };
    let code = Builder::draw(&backend, 1).coded("code", config).unwrap();
    // Two rows of the same numbers, calibrated first.
    let x = ArrayD::from_shape_fn(vec![1, 2, 50], |i| 1.0 + (i[2] % 7) as f32 / 7.0);
    let pass = |disturbance| {
        backend.disturb(disturbance);
        let input = backend.real(&x);
        let _ = input.tensor().shallow_clone().set_requires_grad(true);
        let levels = code.forward(&mut Pass::train(&backend), &input).levels;
        levels.tensor().sum(Kind::Double).backward();
        let gradient = input.tensor().grad();
        (backend.read(levels.input()), gradient)
    };
    let (exact, expected) = pass(None);
    let noise = Noise { threshold: 0.1, ..Noise::default() };
    let (noisy, gradient) = pass(Some(Disturbance { noise, seed: 1, pass: 9 }));
    assert_ne!(noisy, exact);
    // A device stands beside each channel, for every row the same.
    assert_eq!(noisy.index_axis(Axis(1), 0), noisy.index_axis(Axis(1), 1));
    let ratios = noisy.iter().zip(&exact).map(|(n, e)| n / e - 1.0);
    assert!((0.05..0.2).contains(&deviation(ratios)));
    let far = (gradient - expected).abs().max().double_value(&[]);
    assert!(far < 1e-12, "{far}");
}
