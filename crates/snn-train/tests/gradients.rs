//! What a training pass gives besides its output: gradients and statistics.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn};
use proptest::prelude::*;
use snn_core::{
    Backend, Builder, Init, IntegerNeuron, Map, Pass, Response, Signal, Stage, Tensor, Weights,
    Window, layer::Synapse, neuron::Rounding,
};
use snn_train::{Precision, Torch};
use tch::{Device, Kind};

fn torch() -> Torch {
    Torch::new(Device::Cpu, Precision::Double).unwrap()
}

fn array(shape: &[usize], values: impl IntoIterator<Item = f32>) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(shape), values.into_iter().collect()).unwrap()
}

/// Numbers without a pattern.
fn noise(seed: u64, shape: &[usize]) -> ArrayD<f32> {
    let backend = torch();
    let drawn = Builder::draw(&backend, seed).param("noise", shape, Init::Normal(1.0)).unwrap();
    array(shape, flat(&drawn).into_iter().map(|v| v as f32))
}

fn flat(x: &tch::Tensor) -> Vec<f64> {
    Vec::try_from(x.detach().to_kind(Kind::Double).reshape([-1])).unwrap()
}

fn gradients(backend: &Torch) -> BTreeMap<String, Vec<f64>> {
    backend.parameters().into_iter().map(|(name, p)| (name, flat(&p.grad()))).collect()
}

/// The sum of everything that comes out, each with a weight of its own.
fn loss(
    synapse: &Synapse<Torch>,
    pass: &mut Pass<'_, Torch>,
    x: &impl Signal<Torch>,
    repeats: usize,
) -> tch::Tensor {
    let current = synapse.forward_repeated(pass, x, repeats);
    let by = pass.backend.real(&noise(7, &current.shape()));
    (current.tensor() * by.tensor()).sum(Kind::Double)
}

fn maps() -> impl Strategy<Value = Map> {
    let same = |size| Window::same(size);
    prop_oneof![
        Just(Map::Linear { inputs: 4, outputs: 3 }),
        Just(Map::conv2d(4, 3, same(3).stride(2))),
        Just(Map::conv2d(4, 2, same(1))),
        Just(Map::depthwise(4, same(3).dilation(2).padding(2))),
        Just(Map::Conv2d { inputs: 4, outputs: 6, window: same(3), groups: 2 }),
        Just(Map::Conv1d { inputs: 4, outputs: 3, size: 3 }),
    ]
}

fn stage(map: Map, norms: usize) -> Stage<'static> {
    let stage = Stage::new("map", map).bias(Init::Normal(0.5));
    ["first", "second"][..norms].iter().fold(stage, |stage, name| stage.norm(name))
}

/// A trained-looking checkpoint of `stage`: no scale is 1, no shift 0.
fn weights(stage: Stage<'_>, seed: u64) -> Weights {
    let backend = torch();
    let builder = Builder::draw(&backend, seed);
    builder.synapse(stage).unwrap();
    let mut weights = builder.finish().unwrap();
    for (i, (name, tensor)) in weights.tensors.iter_mut().enumerate() {
        let Tensor::F32(values) = tensor.as_ref() else { continue };
        let drawn = noise(seed + i as u64, values.shape()) * 0.3;
        let positive = name.ends_with("running_var");
        let moved = if positive { values + &drawn.mapv(f32::abs) } else { values + &drawn };
        *tensor = std::sync::Arc::new(Tensor::F32(moved));
    }
    weights
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn synapses_have_the_gradients_of_finite_differences(
        map in maps(), norms in 0usize..3, train in any::<bool>(), seed in 0u64..1000,
    ) {
        let backend = torch();
        let weights = weights(stage(map, norms), seed);
        let synapse = Builder::load(&backend, &weights).synapse(stage(map, norms)).unwrap();
        let x = backend.real(&noise(seed, &[2, 1, 3, 4, 4]));
        let input = x.tensor().shallow_clone().set_requires_grad(true);
        let pass = || if train { Pass::train(&backend) } else { Pass::new(&backend) };
        loss(&synapse, &mut pass(), &x, 1).backward();
        let leaves = backend.parameters().into_iter().chain([("input".to_owned(), input)]);
        for (name, leaf) in leaves {
            let exact = flat(&leaf.grad());
            for i in (0..exact.len()).step_by(exact.len() / 5 + 1) {
                let at = |shift: f64| tch::no_grad(|| {
                    let mut element = leaf.view([-1]).select(0, i as i64);
                    let _ = element.g_add_scalar_(shift);
                    let loss = loss(&synapse, &mut pass(), &x, 1).double_value(&[]);
                    let _ = element.g_add_scalar_(-shift);
                    loss
                });
                let step = 1e-5;
                let difference = (at(step) - at(-step)) / (2.0 * step);
                let far = (exact[i] - difference).abs() > 1e-6 * (1.0 + difference.abs());
                prop_assert!(!far, "{}[{}]: {} and {}", name, i, exact[i], difference);
            }
        }
    }

    #[test]
    fn an_input_computed_once_counts_every_repetition(
        map in maps(), norms in 0usize..3, repeats in 2usize..5, seed in 0u64..1000,
    ) {
        let x = noise(seed, &[1, 2, 3, 4, 4]);
        let weights = weights(stage(map, norms), seed);
        let run = |x: &ArrayD<f32>, repeats: usize| {
            let backend = torch();
            let synapse = Builder::load(&backend, &weights).synapse(stage(map, norms)).unwrap();
            loss(&synapse, &mut Pass::train(&backend), &backend.real(x), repeats).backward();
            (gradients(&backend), backend.weights())
        };
        let (once, after_once) = run(&x, repeats);
        let whole = ndarray::concatenate(Axis(0), &vec![x.view(); repeats]).unwrap();
        let (all, after_all) = run(&whole, 1);
        for (name, gradient) in &all {
            for (a, b) in gradient.iter().zip(&once[name]) {
                prop_assert!((a - b).abs() < 1e-9 * (1.0 + a.abs()), "{}: {} and {}", name, a, b);
            }
        }
        for (name, tensor) in &after_all.tensors {
            let (a, b) = (tensor.to_f32(), after_once.get(name).unwrap().to_f32());
            prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "{}", name);
        }
    }

    #[test]
    fn integer_neurons_pass_their_derivative(
        levels in 1u32..6, gain in 0.5..4.0f64, half_up in any::<bool>(), seed in 0u64..1000,
    ) {
        let rounding = if half_up { Rounding::HalfUp } else { Rounding::HalfEven };
        let neuron = IntegerNeuron { levels, gain, unit: 1.0, rounding };
        let backend = torch();
        let mut values = noise(seed, &[40]) * 2.0;
        // Both ends of the range, where the two kinds of rounding differ.
        (values[[0]], values[[1]]) = (0.0, (f64::from(levels) / gain) as f32);
        let x = backend.real(&values);
        let leaf = x.tensor().shallow_clone().set_requires_grad(true);
        backend.quantize(&neuron, &x).tensor().sum(Kind::Double).backward();
        let expected: Vec<f64> = values.iter().map(|&x| neuron.derivative(f64::from(x))).collect();
        prop_assert_eq!(flat(&leaf.grad()), expected);
    }
}

#[test]
fn quantised_weights_have_the_gradients_of_lsq() {
    let (outputs, inputs, bits) = (3, 8, 4u32);
    let (low, high) = (-8.0, 7.0);
    let backend = torch();
    let stage = || Stage::linear("map", inputs, outputs).init(Init::Normal(1.0)).quantized(bits);
    let builder = Builder::draw(&backend, 3);
    builder.synapse(stage()).unwrap();
    let mut weights = builder.finish().unwrap();
    // Steps so small that some weights lie beyond both ends.
    weights.insert("map.alpha", Tensor::F32(array(&[outputs], [0.1, 0.2, 0.3])));
    let backend = torch();
    let synapse = Builder::load(&backend, &weights).synapse(stage()).unwrap();
    let x = backend.real(&noise(5, &[1, 1, 6, inputs]));
    loss(&synapse, &mut Pass::train(&backend), &x, 1).backward();

    // The gradient of the quantised weight, that of an ordinary linear map: by^T x.
    let by = noise(7, &[6, outputs]).mapv(f64::from);
    let x = noise(5, &[6, inputs]).mapv(f64::from);
    let weight = weights.get("map.weight").unwrap().to_f32().mapv(f64::from);
    let alpha = weights.get("map.alpha").unwrap().to_f32().mapv(f64::from);
    let gain = 1.0 / ((outputs * inputs) as f64 * high).sqrt();
    let found = gradients(&backend);
    let mut beyond = [0, 0];
    for o in 0..outputs {
        let mut of_step = 0.0;
        for i in 0..inputs {
            let of_quantised: f64 = (0..6).map(|n| by[[n, o]] * x[[n, i]]).sum();
            let level = weight[[o, i]] / alpha[[o]];
            let inside = (low..=high).contains(&level);
            beyond[usize::from(level > high)] += usize::from(!inside);
            let of_weight = if inside { of_quantised } else { 0.0 };
            assert!((found["map.weight"][o * inputs + i] - of_weight).abs() < 1e-10);
            let clamped = level.clamp(low, high);
            let kept = if inside { clamped } else { 0.0 };
            of_step += of_quantised * (clamped.round_ties_even() - kept);
        }
        assert!((found["map.alpha"][o] - gain * of_step).abs() < 1e-10);
    }
    assert!(beyond.iter().all(|&count| count > 0), "both ends are met: {beyond:?}");
}

#[test]
fn the_border_is_a_constant_of_the_updated_statistics() {
    let backend = torch();
    let stage = || Stage::conv2d("map", 2, 2, Window::same(1)).norm("norm").border(1);
    let weights = weights(stage(), 11);
    let synapse = Builder::load(&backend, &weights).synapse(stage()).unwrap();
    let x = backend.real(&noise(2, &[2, 1, 3, 3, 2]));
    let current = synapse.forward(&mut Pass::train(&backend), &x);
    assert_eq!(current.shape(), [2, 1, 5, 5, 2]);
    let after = backend.weights();
    let of =
        |name: &str, c: usize| f64::from(after.get(&format!("norm.{name}")).unwrap().to_f32()[[c]]);
    for c in 0..2 {
        let corner = current.tensor().double_value(&[1, 0, 4, 2, c as i64]);
        let deviation = (of("running_var", c) + 1e-5).sqrt();
        let expected = of("bias", c) - of("running_mean", c) * of("weight", c) / deviation;
        assert!((corner - expected).abs() < 1e-6);
    }
    current.tensor().select(2, 0).sum(Kind::Double).backward();
    assert!(gradients(&backend).values().flatten().all(|&g| g == 0.0));
}

#[test]
fn a_pass_in_training_updates_the_statistics_once() {
    let backend = torch();
    let builder = Builder::draw(&backend, 0);
    let synapse =
        builder.synapse(Stage::linear("map", 1, 1).init(Init::Constant(1.0)).norm("norm")).unwrap();
    let x = backend.real(&array(&[2, 2, 1], [1.0, 2.0, 3.0, 6.0]));
    let statistics = || {
        let weights = backend.weights();
        let of = |name: &str| weights.get(&format!("norm.{name}")).unwrap().clone();
        let Tensor::I64(tracked) = of("num_batches_tracked") else { panic!("a counter is whole") };
        (of("running_mean").to_f32()[[0]], of("running_var").to_f32()[[0]], tracked[[]])
    };
    let _ = synapse.forward(&mut Pass::new(&backend), &x);
    assert_eq!(statistics(), (0.0, 1.0, 0));
    let _ = synapse.forward(&mut Pass::train(&backend), &x);
    let unbiased = (4.0 + 1.0 + 0.0 + 9.0) / 3.0;
    assert_eq!(statistics(), (0.3, (0.9 + 0.1 * unbiased) as f32, 1));
}

#[test]
fn a_pool_sends_its_gradient_to_the_first_maximum() {
    let backend = torch();
    // Two windows of 2x2: one with three spikes, one silent.
    let spikes = [false, true, false, false, true, true, false, false];
    let spikes = ArrayD::from_shape_vec(vec![1, 1, 2, 4, 1], spikes.to_vec()).unwrap();
    let x = backend.spikes(&spikes);
    let leaf = x.tensor().shallow_clone().set_requires_grad(true);
    let window = Window { size: 2, stride: 2, padding: 0, dilation: 1 };
    backend.max_pool(&x, window).tensor().sum(Kind::Double).backward();
    assert_eq!(flat(&leaf.grad()), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn everything_comes_back_under_its_name() {
    let backend = torch();
    let builder = Builder::draw(&backend, 4);
    builder.synapse(Stage::conv2d("conv", 2, 3, Window::SAME3).norm("norm").quantized(4)).unwrap();
    builder.synapse(Stage::linear("fc", 3, 2).trailing(1).bias(Init::Constant(0.5))).unwrap();
    builder.unused("dead", &[2, 2], Init::Normal(1.0)).unwrap();
    builder.neuron("lif", snn_core::Neuron::plif(2.0)).unwrap();
    let weights = builder.finish().unwrap();
    assert_eq!(backend.weights(), weights);
    let names: Vec<_> = backend.parameters().into_iter().map(|(name, _)| name).collect();
    let learned =
        ["conv.alpha", "conv.weight", "fc.bias", "fc.weight", "lif.w", "norm.bias", "norm.weight"];
    assert_eq!(names, learned);
}

#[test]
fn a_response_sends_its_gradient_to_all_that_it_sees() {
    let backend = torch();
    let x = backend.real(&noise(3, &[1, 1, 3, 3, 1]));
    let leaf = x.tensor().shallow_clone().set_requires_grad(true);
    // The windows of the corners see four cells, and padding is none.
    backend.response_pool(&x, Window::HALVE3, Response::Mean).tensor().sum(Kind::Double).backward();
    assert_eq!(flat(&leaf.grad()), [0.25, 0.5, 0.25, 0.5, 1.0, 0.5, 0.25, 0.5, 0.25]);
}
