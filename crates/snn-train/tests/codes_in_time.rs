//! Masked time-to-first-spike codes that learn: calibration, the dead zone, gradients.

use ndarray::ArrayD;
use proptest::{collection::vec, prelude::*};
use snn_core::{
    Backend, Builder, Input, Pass, Reference, Tensor, Weights,
    backend::CoderConfig,
    encode::ttfs::{Histogram, MaskedTtfs, Quantizer},
    layer::Coded,
};
use snn_train::{Precision, Torch};
use tch::{Device, Kind};

const CONFIG: CoderConfig =
    CoderConfig { levels: 16, dead_zone: 2, widen_every: 2, refresh_every: 3 };

fn torch() -> Torch {
    Torch::new(Device::Cpu, Precision::Double).unwrap()
}

fn row(x: &[f32]) -> ArrayD<f32> {
    ArrayD::from_shape_vec(vec![1, 1, x.len()], x.to_vec()).unwrap()
}

fn number(weights: &Weights, name: &str) -> f64 {
    f64::from(weights.get(name).unwrap().to_f32().sum())
}

proptest! {
    #[test]
    fn the_first_pass_calibrates_and_the_reference_agrees(
        x in vec(-3.0f32..3.0, 1..50), positive: bool,
    ) {
        let x: Vec<f32> = if positive { x.iter().map(|x| x.abs()).collect() } else { x };
        let backend = torch();
        let layer = Builder::draw(&backend, 1).coded("code", CONFIG).unwrap();
        let input = backend.real(&row(&x));
        let Coded { levels, spikes } = layer.forward(&mut Pass::train(&backend), &input);
        let weights = backend.weights();
        let signed = x.iter().any(|&x| x < 0.0);
        let zero_point = if signed { 7 } else { 0 };
        prop_assert_eq!(number(&weights, "code.zero_level"), f64::from(zero_point));
        let mean = x.iter().map(|x| f64::from(x.abs())).sum::<f64>() / x.len() as f64;
        let step = 2.0 * mean / f64::from(15 - zero_point).sqrt();
        let found = number(&weights, "code.step");
        prop_assert!((found - step).abs() <= 1e-6 * step, "{found} {step}");
        let quantizer = Quantizer::new(16, found as f32, zero_point).unwrap();
        let mode = Histogram::of(&quantizer, &row(&x)).unwrap().mode(&quantizer).unwrap();
        prop_assert_eq!(number(&weights, "code.mask_level"), f64::from(mode));
        prop_assert_eq!(number(&weights, "code.num_batches_tracked"), 1.0);

        // After one pass the dead zone is still closed.
        let reference = Reference::<f64>::new();
        let layer = Builder::load(&reference, &weights).coded("code", CONFIG).unwrap();
        let given = reference.real(&row(&x));
        let same = layer.forward(&mut Pass::new(&reference), &given);
        prop_assert_eq!(backend.read(Input::Counts(&levels)), same.levels.mapv(f64::from));
        let spiking = same.spikes.mapv(|s| f64::from(u8::from(s)));
        prop_assert_eq!(backend.read(Input::Spikes(&spikes)), spiking);
    }
}

#[test]
fn the_mask_is_looked_for_again_and_the_dead_zone_widens() {
    let backend = torch();
    let layer = Builder::draw(&backend, 1).coded("code", CONFIG).unwrap();
    let pass = |x: &[f32]| {
        let x = backend.real(&row(x));
        let coded = layer.forward(&mut Pass::train(&backend), &x);
        backend.read(Input::Spikes(&coded.spikes)).sum()
    };
    // A step of 2 / sqrt(8): levels of -1, 0 and 1 are 6, 7 and 8.
    let first = [-1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, -2.0];
    let mask = || number(&backend.weights(), "code.mask_level");
    pass(&first);
    let (step, of_one) = (number(&backend.weights(), "code.step"), mask());
    assert!((step - 2.0 * 7.0 / 8.0 / 8f64.sqrt()).abs() < 1e-6);
    assert_eq!(of_one, 7.0 + (1.0 / step).round());
    // Another level is the most frequent now, but it is looked for every third pass only.
    pass(&[0.0; 8]);
    assert_eq!(mask(), of_one);
    pass(&[0.0; 8]);
    assert_eq!(mask(), of_one);
    pass(&[0.0; 8]);
    assert_eq!(mask(), 7.0);
    // Four passes: the zone is 2.
    let x = [step as f32 * 1.6, step as f32 * 2.6, 0.0, 0.0];
    assert_eq!(pass(&x), 1.0);
}

#[test]
fn gradients_pass_straight_through_unless_clamped_and_through_the_zone() {
    let mut weights = Weights::default();
    let whole = |n: i64| Tensor::I64(ndarray::arr0(n).into_dyn());
    weights.insert("code.step", Tensor::F32(ndarray::arr0(0.5).into_dyn()));
    weights.insert("code.zero_level", whole(7));
    weights.insert("code.mask_level", whole(7));
    weights.insert("code.num_batches_tracked", whole(1000));
    let x = [-9.0, -3.4, -0.3, 0.2, 1.3, 4.1, 4.3, 9.0];
    let by = [1.0, -2.0, 3.0, 0.5, -1.5, 2.5, 4.0, -1.0];
    let backend = torch();
    let layer = Builder::load(&backend, &weights).coded("code", CONFIG).unwrap();
    let input = backend.real(&row(&x));
    let _ = input.tensor().shallow_clone().set_requires_grad(true);
    let coded = layer.forward(&mut Pass::new(&backend), &input);
    let loss = coded.levels.tensor() * backend.real(&row(&by)).tensor();
    loss.sum(Kind::Double).backward();

    let code = MaskedTtfs::new(Quantizer::new(16, 0.5, 7).unwrap(), 7, 2).unwrap();
    let (mut of_step, found) = (0.0, input.tensor().grad());
    for (i, (&x, &by)) in x.iter().zip(&by).enumerate() {
        let level = f64::from(x / 0.5).round_ties_even() + 7.0;
        let inside = (0.0..=15.0).contains(&level);
        let expected = if inside { f64::from(by) / 0.5 } else { 0.0 };
        assert!((found.double_value(&[0, 0, i as i64]) - expected).abs() < 1e-12, "{x}");
        let value = coded.levels.tensor().double_value(&[0, 0, i as i64]);
        let settled = code.settled(code.quantizer().level(x));
        assert_eq!(value, f64::from(settled));
        of_step -= if inside { f64::from(by) * f64::from(x) / 0.25 } else { 0.0 };
    }
    let gain = 1.0 / (8.0f64 * 15.0).sqrt();
    let (_, step) = backend.parameters().remove(0);
    assert!((step.grad().double_value(&[]) - gain * of_step).abs() < 1e-9);
}
