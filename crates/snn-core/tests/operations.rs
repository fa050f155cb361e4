//! The reference operations against loops written from their definitions.

use ndarray::ArrayD;
use proptest::prelude::*;
use snn_core::{
    Backend, Builder, IntegerNeuron, Map, Neuron, Pass, Reference, Stage, Tensor, Weights, Window,
    neuron::Rounding,
    probe::{Costs, EnergyMeter, Operations, Rates},
};

type F64 = Reference<f64>;

fn numbers(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32 / (1 << 24) as f32) * 2.0 - 1.0
    })
}

prop_compose! {
    fn convolutions()(
        groups in 1usize..4, i in 1usize..4, o in 1usize..3, size in 1usize..4,
        stride in 1usize..3, padding in 0usize..3, dilation in 1usize..3,
        height in 5usize..8, width in 5usize..8, seed: u64,
    ) -> (Map, [usize; 5], u64) {
        let window = Window { size, stride, padding, dilation };
        let map = Map::Conv2d { inputs: groups * i, outputs: groups * o, window, groups };
        (map, [2, 1, height, width, groups * i], seed)
    }
}

proptest! {
    #[test]
    fn a_convolution_is_its_sum((map, shape, seed) in convolutions()) {
        let Map::Conv2d { inputs, outputs, window, groups } = map else { unreachable!() };
        let (x, w) = (numbers(&shape, seed), numbers(&map.weight_shape(), !seed));
        let backend = F64::new();
        let mut weights = Weights::default();
        weights.insert("conv.weight", Tensor::F32(w.clone()));
        let builder = Builder::load(&backend, &weights);
        let conv = builder.synapse(Stage::new("conv", map)).unwrap();
        let y = conv.forward(&mut Pass::new(&backend), &backend.real(&x));
        prop_assert_eq!(y.shape(), &map.output_shape(&shape)[..]);
        for (place, &found) in y.indexed_iter() {
            let (row, column, o) = (place[2], place[3], place[4]);
            let group = o / (outputs / groups);
            let mut sum = 0.0;
            for i in 0..inputs / groups {
                for dy in 0..window.size {
                    for dx in 0..window.size {
                        let r = (row * window.stride + dy * window.dilation) as isize;
                        let c = (column * window.stride + dx * window.dilation) as isize;
                        let (r, c) = (r - window.padding as isize, c - window.padding as isize);
                        let inside = r >= 0 && c >= 0
                            && (r as usize) < shape[2] && (c as usize) < shape[3];
                        if inside {
                            let channel = group * (inputs / groups) + i;
                            let at = [place[0], place[1], r as usize, c as usize, channel];
                            sum += f64::from(x[&at[..]]) * f64::from(w[[o, i, dy, dx]]);
                        }
                    }
                }
            }
            prop_assert!((found - sum).abs() < 1e-12, "{found} is not {sum}");
        }
    }

    /// Rows of an image stand one after the other: ends meet starts, and nothing is beyond.
    #[test]
    fn a_convolution_along_a_line_is_its_sum(
        (inputs, outputs, half) in (1usize..4, 1usize..4, 0usize..3),
        (height, width) in (1usize..5, 1usize..5), seed: u64,
    ) {
        let map = Map::Conv1d { inputs, outputs, size: 2 * half + 1 };
        let shape = [2, 1, height, width, inputs];
        let (x, w) = (numbers(&shape, seed), numbers(&map.weight_shape(), !seed));
        let backend = F64::new();
        let mut weights = Weights::default();
        weights.insert("conv.weight", Tensor::F32(w.clone()));
        let builder = Builder::load(&backend, &weights);
        let conv = builder.synapse(Stage::new("conv", map)).unwrap();
        let y = conv.forward(&mut Pass::new(&backend), &backend.real(&x));
        prop_assert_eq!(y.shape(), &[2, 1, height, width, outputs][..]);
        for (place, &found) in y.indexed_iter() {
            let mut sum = 0.0;
            for (i, tap) in (0..inputs).flat_map(|i| (0..=2 * half).map(move |tap| (i, tap))) {
                let seen = (place[2] * width + place[3] + tap).checked_sub(half);
                if let Some(seen) = seen.filter(|&seen| seen < height * width) {
                    let at = [place[0], 0, seen / width, seen % width, i];
                    sum += f64::from(x[&at[..]]) * f64::from(w[[place[4], i, tap]]);
                }
            }
            prop_assert!((found - sum).abs() < 1e-12, "{found} is not {sum}");
        }
    }

    #[test]
    fn pooling_spikes_is_or(height in 1usize..7, width in 1usize..7, bits: u64) {
        let backend = F64::new();
        let x = ArrayD::from_shape_fn(vec![1, 1, height, width, 1], |i| {
            bits >> (i[2] * width + i[3]) & 1 == 1
        });
        let pooled = backend.max_pool(&x, Window::HALVE3);
        let real = backend.max_pool_real(&x.mapv(f64::from), Window::HALVE3);
        for (place, &spike) in pooled.indexed_iter() {
            let near = |c: usize, i: usize| (2 * c).abs_diff(i) <= 1;
            let any = x.indexed_iter().any(|(i, s)| *s && near(place[2], i[2]) && near(place[3], i[3]));
            prop_assert_eq!(spike, any);
            prop_assert_eq!(real[&place], f64::from(any));
        }
    }

    #[test]
    fn repeating_is_computing_every_step(seed: u64, repeats in 1usize..4) {
        let backend = F64::new();
        let builder = Builder::draw(&backend, seed);
        let fc = builder.synapse(Stage::linear("fc", 3, 5).norm("bn")).unwrap();
        let x = backend.real(&numbers(&[1, 2, 4, 3], seed));
        let views = vec![x.view(); repeats];
        let long = ndarray::concatenate(ndarray::Axis(0), &views).unwrap();
        let mut pass = Pass::new(&backend);
        prop_assert_eq!(fc.forward_repeated(&mut pass, &x, repeats), fc.forward(&mut pass, &long));
    }

    #[test]
    fn counts_of_units_are_real_multiples(seed: u64) {
        let backend = F64::new();
        let levels = numbers(&[2, 1, 3, 4], seed).mapv(|x| (x.abs() * 4.0) as u32);
        let builder = Builder::draw(&backend, seed);
        let rounding = Rounding::HalfUp;
        let neuron = IntegerNeuron { levels: 4, gain: 1.0, unit: 0.25, rounding };
        let fc = builder.synapse_reading(Some(neuron), Stage::linear("fc", 4, 2)).unwrap();
        let plain = Builder::draw(&backend, seed).synapse(Stage::linear("fc", 4, 2)).unwrap();
        let x = levels.mapv(|n| f64::from(n) / 4.0);
        let mut pass = Pass::new(&backend);
        let (a, b) = (fc.forward(&mut pass, &levels), plain.forward(&mut pass, &x));
        prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

/// 1x1, BatchNorm, border, depthwise 3x3, 1x1, BatchNorm: the RepConv of
/// Meta-SpikeFormer. The border makes it exactly one 3x3 convolution.
#[test]
fn a_chain_with_a_border_is_linear_at_the_border_too() {
    let backend = F64::new();
    let builder = Builder::draw(&backend, 1);
    let window = Window::same(3).padding(0);
    let whole = Map::conv2d(3, 3, Window::SAME3);
    let stages = || {
        vec![
            Stage::linear("a", 3, 3).trailing(2).norm("bn").border(1),
            Stage::new("b", Map::depthwise(3, window)),
            Stage::linear("c", 3, 3).trailing(2),
        ]
    };
    builder.chain("rep", whole, None, stages()).unwrap();
    let mut weights = builder.finish().unwrap();
    for (name, value) in [("bias", 0.7), ("running_mean", -0.4), ("running_var", 2.0)] {
        let tensor = Tensor::F32(ArrayD::from_elem(vec![3], value));
        weights.insert(format!("bn.{name}"), tensor);
    }
    let rep = Builder::load(&backend, &weights).chain("rep", whole, None, stages()).unwrap();
    let run = |x: &ArrayD<f64>| rep.forward(&mut Pass::new(&backend), x);
    let zero = ArrayD::<f64>::zeros(vec![1, 1, 4, 4, 3]);
    let of_zero = run(&zero);
    // A map with zero padding makes the same of silence everywhere.
    for c in 0..3 {
        let first = of_zero[[0, 0, 0, 0, c]];
        assert!((0..16).all(|i| (of_zero[[0, 0, i / 4, i % 4, c]] - first).abs() < 1e-12));
    }
    // And it is the same map one pixel further in.
    let mut corner = zero.clone();
    corner[[0, 0, 0, 0, 1]] = 1.0;
    let mut middle = zero;
    middle[[0, 0, 1, 1, 1]] = 1.0;
    let (corner, middle) = (run(&corner), run(&middle));
    for c in 0..3 {
        assert!((corner[[0, 0, 0, 0, c]] - middle[[0, 0, 1, 1, c]]).abs() < 1e-12);
        assert!((corner[[0, 0, 1, 1, c]] - middle[[0, 0, 2, 2, c]]).abs() < 1e-12);
    }
}

#[test]
fn training_normalises_by_the_batch() {
    let backend = F64::new();
    let builder = Builder::draw(&backend, 5);
    let fc = builder.synapse(Stage::linear("fc", 4, 3).norm("bn")).unwrap();
    let x = backend.real(&numbers(&[2, 3, 5, 4], 9));
    let y = fc.forward(&mut Pass::train(&backend), &x);
    for channel in y.axis_iter(ndarray::Axis(3)) {
        let n = channel.len() as f64;
        let mean = channel.sum() / n;
        let var = channel.mapv(|v| (v - mean).powi(2)).sum() / n;
        assert!(mean.abs() < 1e-12 && (var - 1.0).abs() < 1e-3);
    }
}

#[test]
fn quantised_weights_lie_on_their_grid() {
    let backend = F64::new();
    let mut weights = Weights::default();
    let tensor = |shape: &[usize], x: &[f32]| {
        Tensor::F32(ArrayD::from_shape_vec(shape, x.to_vec()).unwrap())
    };
    // 0.125 and 0.375 lie half way between steps of 0.25: ties go to even.
    weights.insert("fc.weight", tensor(&[1, 5], &[0.125, 0.375, 9.0, -9.0, 0.2]));
    weights.insert("fc.alpha", tensor(&[1], &[0.25]));
    weights.insert("fc.init_state", tensor(&[1], &[1.0]));
    let builder = Builder::load(&backend, &weights);
    let fc = builder.synapse(Stage::linear("fc", 5, 1).quantized(4)).unwrap();
    let eye = ArrayD::from_shape_fn(vec![1, 1, 5, 5], |i| f64::from(u8::from(i[2] == i[3])));
    let y = fc.forward(&mut Pass::new(&backend), &eye);
    assert_eq!(y.into_raw_vec_and_offset().0, [0.0, 0.5, 1.75, -2.0, 0.25]);
}

#[test]
fn energy_is_rate_times_operations() {
    let backend = F64::new();
    let builder = Builder::draw(&backend, 2);
    let conv = builder.synapse(Stage::conv2d("conv", 2, 4, Window::SAME3)).unwrap();
    let lif = builder.neuron("lif", Neuron::integrate_and_fire()).unwrap();
    let (mut meter, mut rates) = (EnergyMeter::new(), Rates::new());
    let mut both = (&mut meter, &mut rates);
    let mut pass = Pass::new(&backend).with_probe(&mut both);
    // Two steps, two samples; a quarter of the first step spikes, then all.
    let x = ArrayD::from_shape_fn(vec![2, 2, 4, 4, 2], |i| i[0] == 1 || i[2] == 0);
    let current = conv.forward(&mut pass, &x);
    lif.forward(&mut pass, &current);
    let dense = f64::from(4 * 4 * 4 * 2 * 9);
    let layers = meter.layers();
    let expected = Operations { ac: dense * 1.25, mac: 0.0, dense };
    assert_eq!((layers.len(), layers[0].operations), (1, expected));
    assert_eq!(layers[0].input_density, 0.625);
    assert_eq!(Costs::F32_45NM.energy_pj(&meter.total()), dense * 1.25 * 0.9);
    assert_eq!(rates.layers()[0].rates.len(), 2);
}

#[test]
fn real_input_costs_products_once_for_a_static_image() {
    let backend = F64::new();
    let fc = Builder::draw(&backend, 2).synapse(Stage::linear("fc", 6, 2)).unwrap();
    let mut meter = EnergyMeter::new();
    let x = ArrayD::<f64>::zeros(vec![1, 3, 6]);
    fc.forward_repeated(&mut Pass::new(&backend).with_probe(&mut meter), &x, 4);
    assert_eq!(meter.total(), Operations { ac: 0.0, mac: 12.0, dense: 12.0 });
    assert_eq!(meter.layers()[0].samples, 3);
}

#[test]
fn matrices_multiply_in_batches() {
    let backend = F64::new();
    let a = ArrayD::from_shape_fn(vec![2, 3, 2], |i| (i[0] + 2 * i[1] + i[2]) as u32);
    let b = ArrayD::from_shape_fn(vec![2, 2, 4], |i| (3 * i[0] + i[1] + i[2]) as u32);
    let c = backend.matmul(&a, &b);
    for (i, &found) in c.indexed_iter() {
        let sum: u32 = (0..2).map(|k| a[[i[0], i[1], k]] * b[[i[0], k, i[2]]]).sum();
        assert_eq!(found, sum);
    }
}
