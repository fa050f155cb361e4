//! Every operation of the backend gives what the reference gives.

use ndarray::{ArrayD, Axis, IxDyn};
use proptest::{collection::vec, prelude::*};
use snn_core::{
    Activation, Backend, IntegerNeuron, Map, Mode, Neuron, Pass, Reference, Response, Signal,
    Stage, Tensor, Weights, Window,
    neuron::{Charge, Reset, Rounding},
    tensor,
    weights::{Builder, Init},
};
use snn_train::{Precision, Torch};
use tch::Device;

fn torch() -> Torch {
    Torch::new(Device::Cpu, Precision::Double).unwrap()
}

const REFERENCE: Reference<f64> = Reference::new();

/// Whether both tensors hold the same, up to rounding.
fn same<A: Backend, B: Backend>(
    (a, x): (&A, &impl Signal<A>),
    (b, y): (&B, &impl Signal<B>),
) -> Result<(), TestCaseError> {
    prop_assert_eq!(x.shape(), y.shape());
    let (x, y) = (a.read(x.input()), b.read(y.input()));
    for (i, (x, y)) in x.iter().zip(&y).enumerate() {
        let far = (x - y).abs() > 1e-9 * (1.0 + y.abs());
        prop_assert!(!far, "element {}: {} and {}", i, x, y);
    }
    Ok(())
}

fn array<T: std::fmt::Debug>(
    shape: Vec<usize>,
    element: impl Strategy<Value = T>,
) -> impl Strategy<Value = ArrayD<T>> {
    let count = shape.iter().product::<usize>();
    vec(element, count)
        .prop_map(move |values| ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap())
}

fn reals(shape: Vec<usize>) -> impl Strategy<Value = ArrayD<f32>> {
    array(shape, -2.0..2.0f32)
}

fn spikes(shape: Vec<usize>) -> impl Strategy<Value = tensor::Spikes> {
    array(shape, any::<bool>())
}

fn counts(shape: Vec<usize>) -> impl Strategy<Value = tensor::Counts> {
    array(shape, 0..6u32)
}

/// `[T, B, H, W, C]`.
fn frames() -> impl Strategy<Value = Vec<usize>> {
    (1usize..4, 1usize..3, 1usize..7, 1usize..7, 1usize..6)
        .prop_map(|(t, b, h, w, c)| vec![t, b, h, w, c])
}

fn windows() -> impl Strategy<Value = Window> {
    (1usize..4, 1usize..3, 1usize..3).prop_flat_map(|(size, stride, dilation)| {
        (0..=size / 2).prop_map(move |padding| Window { size, stride, padding, dilation })
    })
}

fn fits(window: Window, shape: &[usize]) -> bool {
    let reach = window.dilation * (window.size - 1) + 1;
    shape[2..4].iter().all(|side| side + 2 * window.padding >= reach)
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn what_comes_in_goes_out(
        (x, s, n) in frames().prop_flat_map(|f| (reals(f.clone()), spikes(f.clone()), counts(f)))
    ) {
        let t = torch();
        same((&t, &t.real(&x)), (&REFERENCE, &REFERENCE.real(&x)))?;
        same((&t, &t.spikes(&s)), (&REFERENCE, &s))?;
        same((&t, &t.counts(&n)), (&REFERENCE, &n))?;
        same((&t, &t.widen(&t.spikes(&s))), (&REFERENCE, &REFERENCE.widen(&s)))?;
        same((&t, &t.complement(&t.spikes(&s))), (&REFERENCE, &REFERENCE.complement(&s)))?;
        let (x_t, x_r) = (t.real(&x), REFERENCE.real(&x));
        for (a, b) in [
            (t.activity(x_t.input()), REFERENCE.activity(x_r.input())),
            (t.activity(t.spikes(&s).input()), REFERENCE.activity(Signal::<Reference<f64>>::input(&s))),
            (t.activity(t.counts(&n).input()), REFERENCE.activity(Signal::<Reference<f64>>::input(&n))),
        ] {
            prop_assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(&b) {
                prop_assert_eq!((a.elements, a.nonzero), (b.elements, b.nonzero));
                prop_assert!((a.sum - b.sum).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn axes_move_alike(
        (shape, x, order) in frames().prop_flat_map(|f| {
            (Just(f.clone()), reals(f), Just(vec![0usize, 1, 2, 3, 4]).prop_shuffle())
        })
    ) {
        let t = torch();
        let (x_t, x_r) = (t.real(&x).permute(&order), REFERENCE.real(&x));
        let x_r = Signal::<Reference<f64>>::permute(&x_r, &order);
        same((&t, &x_t), (&REFERENCE, &x_r))?;
        let flat = [shape.iter().product()];
        let (x_t, x_r) = (x_t.reshape(&flat), Signal::<Reference<f64>>::reshape(&x_r, &flat));
        same((&t, &x_t), (&REFERENCE, &x_r))?;
    }

    #[test]
    fn sums_and_masks(
        (shape, a, b, n, axis) in frames().prop_flat_map(|f| {
            let one_token = vec![f[0], f[1], 1, 1, f[4]];
            (Just(f.clone()), spikes(f.clone()), spikes(one_token), counts(f), 0usize..5)
        })
    ) {
        let t = torch();
        let (a_t, b_t, n_t) = (t.spikes(&a), t.spikes(&b), t.counts(&n));
        same((&t, &t.mask(&a_t, &b_t)), (&REFERENCE, &REFERENCE.mask(&a, &b)))?;
        same((&t, &t.add(&n_t, &a_t)), (&REFERENCE, &REFERENCE.add(&n, &a)))?;
        same((&t, &t.sum_axis(&n_t, axis)), (&REFERENCE, &REFERENCE.sum_axis(&n, axis)))?;
        for by in [1.0, 0.125, 0.3] {
            same((&t, &t.scale(&n_t, by)), (&REFERENCE, &REFERENCE.scale(&n, by)))?;
        }
        prop_assert_eq!(t.sum_axis(&n_t, axis).shape()[axis], shape[axis].min(1));
    }

    #[test]
    fn products(
        (a, b, x) in (1usize..3, 1usize..3, 1usize..5, 1usize..5, 1usize..5).prop_flat_map(
            |(t, b, n, m, p)| {
                (counts(vec![t, b, n, m]), counts(vec![t, b, m, p]), reals(vec![t, b, m, p]))
            })
    ) {
        let t = torch();
        let (a_t, b_t, x_t) = (t.counts(&a), t.counts(&b), t.real(&x));
        let x_r = REFERENCE.real(&x);
        same((&t, &t.matmul(&a_t, &b_t)), (&REFERENCE, &REFERENCE.matmul(&a, &b)))?;
        same((&t, &t.matmul_real(&a_t, &x_t)), (&REFERENCE, &REFERENCE.matmul_real(&a, &x_r)))?;
    }

    #[test]
    fn sums_means_and_factors(
        (x, y, factor, scalar) in frames().prop_flat_map(|f| {
            let channels = vec![f[4]];
            (reals(f.clone()), reals(f), reals(channels), reals(vec![]))
        })
    ) {
        let t = torch();
        let (x_t, y_t) = (t.real(&x), t.real(&y));
        let (x_r, y_r) = (REFERENCE.real(&x), REFERENCE.real(&y));
        same((&t, &t.add_real(&x_t, &y_t)), (&REFERENCE, &REFERENCE.add_real(&x_r, &y_r)))?;
        same((&t, &t.mean_positions(&x_t)), (&REFERENCE, &REFERENCE.mean_positions(&x_r)))?;
        same((&t, &t.mean_time(&x_t)), (&REFERENCE, &REFERENCE.mean_time(&x_r)))?;
        for factor in [factor, scalar] {
            let factor = Tensor::F32(factor);
            let (f_t, f_r) = (t.param("f", &factor), REFERENCE.param("f", &factor));
            let activations = [
                Activation::Identity,
                Activation::Sigmoid,
                Activation::Clamp,
                Activation::PerSoftplus,
            ];
            for activation in activations {
                let scaled = REFERENCE.scale_learned(&x_r, &f_r, activation);
                same((&t, &t.scale_learned(&x_t, &f_t, activation)), (&REFERENCE, &scaled))?;
            }
        }
    }

    #[test]
    fn pools(
        (x, s, window) in frames()
            .prop_flat_map(|f| (reals(f.clone()), spikes(f), windows()))
            .prop_filter("larger than the input", |(x, _, window)| fits(*window, x.shape()))
    ) {
        let t = torch();
        let pooled = REFERENCE.max_pool(&s, window);
        same((&t, &t.max_pool(&t.spikes(&s), window)), (&REFERENCE, &pooled))?;
        let pooled = REFERENCE.max_pool_real(&REFERENCE.real(&x), window);
        let found = t.max_pool_real(&t.real(&x), window);
        let infinite = pooled.iter().any(|v| v.is_infinite());
        prop_assert!(infinite || same((&t, &found), (&REFERENCE, &pooled)).is_ok());
        let window = Window { dilation: 1, ..window };
        for response in [Response::Mean, Response::Sum] {
            let pooled = REFERENCE.response_pool(&REFERENCE.real(&x), window, response);
            let found = t.response_pool(&t.real(&x), window, response);
            same((&t, &found), (&REFERENCE, &pooled))?;
        }
    }

    #[test]
    fn levels(x in reals(vec![2, 3, 5]), levels in 1u32..9, gain in 0.5..4.0f64) {
        let t = torch();
        for rounding in [Rounding::HalfEven, Rounding::HalfUp] {
            let neuron = IntegerNeuron { levels, gain, unit: 1.0, rounding };
            let found = t.quantize(&neuron, &t.real(&x));
            same((&t, &found), (&REFERENCE, &REFERENCE.quantize(&neuron, &REFERENCE.real(&x))))?;
        }
    }

    #[test]
    fn neurons(
        (x, v) in frames().prop_flat_map(|f| (reals(f.clone()), reals(f[1..].to_vec()))),
        (kind, decay_input, tau) in (0..3, any::<bool>(), 1.1..4.0f64),
        (hard, to, threshold) in (any::<bool>(), -0.5..0.3f64, 0.4..1.2f64),
        starts in any::<bool>(),
    ) {
        let t = torch();
        let neuron = Neuron {
            charge: match kind {
                0 => Charge::Integrate,
                1 => Charge::Leaky { tau, decay_input },
                _ => Charge::Parametric { tau, decay_input },
            },
            threshold,
            reset: if hard { Reset::Hard { to } } else { Reset::Soft },
            ..Neuron::lif(2.0)
        };
        let w = neuron.initial_leak().map(|w| Tensor::F32(ndarray::arr0(w as f32).into_dyn()));
        let (w_t, w_r) = (w.as_ref().map(|w| t.param("w", w)), w.map(|w| REFERENCE.param("w", &w)));
        let (v_t, v_r) = (t.real(&v), REFERENCE.real(&v));
        let (s_t, v_t) = t.fire(&neuron, w_t.as_ref(), &t.real(&x), starts.then_some(&v_t));
        let (s_r, v_r) =
            REFERENCE.fire(&neuron, w_r.as_ref(), &REFERENCE.real(&x), starts.then_some(&v_r));
        same((&t, &s_t), (&REFERENCE, &s_r))?;
        same((&t, &v_t), (&REFERENCE, &v_r))?;
    }

    #[test]
    fn synapses(
        (shape, map) in frames().prop_flat_map(|f| (Just(f.clone()), maps(f))),
        (bias, norms, border, bits) in (any::<bool>(), 0usize..3, 0usize..3, 2u32..6),
        (quantized, repeats, train) in (any::<bool>(), 1usize..4, any::<bool>()),
        levels in proptest::option::of(1u32..5),
        kind in 0..3,
        seed in any::<u64>(),
    ) {
        let rows = shape[0] * shape[1] * match map {
            Map::Linear { .. } | Map::Conv1d { .. } => shape[2] * shape[3],
            Map::Conv2d { window, .. } => window.outputs(shape[2]) * window.outputs(shape[3]),
        };
        prop_assume!(!train || rows * repeats > 1);
        let stage = || {
            let stage = Stage::new("map", map).trailing(if let Map::Linear { .. } = map { 1 } else { 0 });
            let stage = if bias { stage.bias(Init::Normal(0.5)) } else { stage };
            let stage = if quantized { stage.quantized(bits) } else { stage };
            let conv = matches!(map, Map::Conv2d { .. });
            let stage = if conv { stage.border(border) } else { stage };
            ["first", "second"][..norms].iter().fold(stage, |stage, name| stage.norm(name))
        };
        let reads = levels.map(|levels| IntegerNeuron {
            levels,
            gain: 1.0,
            unit: 0.25,
            rounding: Rounding::HalfEven,
        });
        let t = torch();
        let weights = random(|b| { b.synapse_reading(reads, stage()).unwrap(); }, seed);
        let on_torch = Builder::load(&t, &weights).synapse_reading(reads, stage()).unwrap();
        let on_reference = Builder::load(&REFERENCE, &weights).synapse_reading(reads, stage()).unwrap();
        prop_assert_eq!(&t.weights().tensors, &weights.tensors);

        let values = Init::Normal(1.0);
        let input = Builder::draw(&REFERENCE, seed).param("input", &shape, values).unwrap();
        let mode = if train { Mode::Train } else { Mode::Eval };
        let (mut pass_t, mut pass_r) = (Pass::new(&t), Pass::new(&REFERENCE));
        (pass_t.mode, pass_r.mode) = (mode, mode);
        let found = match kind {
            0 => on_torch.forward_repeated(&mut pass_t, &t.real(&input.mapv(|v| v as f32)), repeats),
            1 => on_torch.forward_repeated(&mut pass_t, &t.spikes(&input.mapv(|v| v > 0.0)), repeats),
            _ => on_torch.forward_repeated(&mut pass_t, &t.counts(&input.mapv(|v| v.abs() as u32)), repeats),
        };
        // What is computed once here must equal what the repeated input gives there.
        let input = ndarray::concatenate(Axis(0), &vec![input.view(); repeats]).unwrap();
        let expected = match kind {
            0 => on_reference.forward(&mut pass_r, &input.mapv(|v| f64::from(v as f32))),
            1 => on_reference.forward(&mut pass_r, &input.mapv(|v| v > 0.0)),
            _ => on_reference.forward(&mut pass_r, &input.mapv(|v| v.abs() as u32)),
        };
        same((&t, &found), (&REFERENCE, &expected))?;
    }
}

fn maps(shape: Vec<usize>) -> impl Strategy<Value = Map> {
    let inputs = shape[4];
    let linear = (1usize..6).prop_map(move |outputs| Map::Linear { inputs, outputs });
    let conv = (windows(), 1usize..4, any::<bool>())
        .prop_map(move |(window, per_group, grouped)| {
            let groups = if grouped { inputs } else { 1 };
            Map::Conv2d { inputs, outputs: per_group * groups, window, groups }
        })
        .prop_filter("larger than the input", move |map| match map {
            Map::Conv2d { window, .. } => fits(*window, &shape),
            _ => true,
        });
    let line = (1usize..4, 0usize..3).prop_map(move |(outputs, half)| Map::Conv1d {
        inputs,
        outputs,
        size: 2 * half + 1,
    });
    prop_oneof![2 => linear, 2 => conv, 1 => line]
}

/// A checkpoint of what `build` asks for in which nothing is at its start: statistics of a network
/// that was trained, quantiser steps that were set.
fn random(build: impl Fn(&Builder<'_, Reference<f64>>), seed: u64) -> Weights {
    let builder = Builder::draw(&REFERENCE, seed);
    build(&builder);
    let mut weights = builder.finish().unwrap();
    let draw = Builder::draw(&REFERENCE, seed ^ 1);
    for (name, tensor) in &mut weights.tensors {
        let Tensor::F32(values) = tensor.as_ref() else { continue };
        let noise = draw.param(name, values.shape(), Init::Normal(0.3)).unwrap();
        let noise = noise.mapv(|v| v as f32);
        *tensor = std::sync::Arc::new(Tensor::F32(match name.rsplit('.').next() {
            Some("init_state") => values.mapv(|_| 1.0),
            Some("running_var" | "alpha") => noise.mapv(|v| v.abs() + 0.1),
            _ => values + &noise,
        }));
    }
    weights
}
