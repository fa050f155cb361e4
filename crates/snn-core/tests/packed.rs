//! The packed engine against the reference in 64-bit floats.

use ndarray::ArrayD;
use proptest::prelude::*;
use snn_core::{
    Backend, Builder, Init, Map, Neuron, Packed, Pass, Reference, Signal, Stage, Tensor, Weights,
    Window,
    neuron::{Charge, Reset},
    packed::{Isa, Precision},
};

type Oracle = Reference<f64>;

const CHANNELS: [usize; 9] = [1, 3, 31, 63, 64, 65, 100, 127, 129];

/// Repeatable bits, `percent` of them set.
fn bits(shape: &[usize], seed: u64, percent: u64) -> ArrayD<bool> {
    let mut state = seed | 1;
    ArrayD::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % 100 < percent
    })
}

#[derive(Clone, Debug)]
struct Case {
    map: Map,
    shape: [usize; 5],
    neuron: Neuron,
    percent: u64,
    seed: u64,
}

prop_compose! {
    fn cases()(
        kind in 0usize..3, i in 0usize..9, o in 0usize..9, size in 1usize..4, stride in 1usize..3,
        padding in 0usize..3, dilation in 1usize..3, t in prop::sample::select(vec![1usize, 2, 5]),
        b in 1usize..4, height in 5usize..12, width in 5usize..12,
        percent in prop::sample::select(vec![0u64, 2, 15, 50, 100]), soft: bool, decay_input: bool,
        leaky: bool, seed: u64,
    ) -> Case {
        let (inputs, outputs) = (CHANNELS[i], CHANNELS[o]);
        let map = match kind {
            0 => Map::Linear { inputs, outputs },
            1 => Map::conv2d(inputs.min(33), outputs, Window::same(2 * (size / 2) + 1).dilation(1)),
            _ => Map::conv2d(inputs.min(9), outputs, Window { size, stride, padding, dilation }),
        };
        let charge = Charge::Leaky { tau: 2.0, decay_input };
        let neuron = Neuron {
            charge: if leaky { charge } else { Charge::Integrate },
            reset: if soft { Reset::Soft } else { Reset::Hard { to: 0.0 } },
            ..Neuron::lif(2.0).with_threshold(0.5)
        };
        Case { map, shape: [t, b, height, width, map.inputs()], neuron, percent, seed }
    }
}

/// A weight of a few levels, so that membranes meet thresholds exactly now and
/// then, and a BatchNorm that is not the identity.
fn weights(map: Map, seed: u64) -> Weights {
    let backend = Oracle::new();
    let builder = Builder::draw(&backend, seed);
    builder.synapse(stage(map)).unwrap();
    let mut weights = builder.finish().unwrap();
    let drawn = weights.get("s.weight").unwrap().to_f32();
    let coarse = seed.is_multiple_of(2);
    let level = |w: f32| if coarse { (w * 4.0).round() / 4.0 } else { w };
    weights.insert("s.weight", Tensor::F32(drawn.mapv(level)));
    if !coarse {
        let vector = |f: fn(usize) -> f32| {
            Tensor::F32(ArrayD::from_shape_fn(vec![map.outputs()], |i| f(i[0])))
        };
        weights.insert("bn.weight", vector(|c| 0.5 + (c % 7) as f32 * 0.2));
        weights.insert("bn.bias", vector(|c| (c % 5) as f32 * 0.1 - 0.1));
        weights.insert("bn.running_mean", vector(|c| (c % 3) as f32 * 0.3 - 0.3));
        weights.insert("bn.running_var", vector(|c| 0.5 + (c % 4) as f32));
    }
    weights
}

fn stage(map: Map) -> Stage<'static> {
    Stage::new("s", map).init(Init::Normal(0.4)).bias(Init::Normal(0.1)).norm("bn")
}

/// Spikes of synapse and neuron for spikes, for counts of two, three and four bits,
/// and for numbers that last for two steps each.
fn run<B: Backend>(backend: &B, case: &Case) -> Vec<ArrayD<f64>> {
    let weights = weights(case.map, case.seed);
    let builder = Builder::load(backend, &weights);
    let synapse = builder.synapse(stage(case.map)).unwrap();
    let lif = builder.neuron("lif", case.neuron).unwrap();
    let mut pass = Pass::new(backend);
    let x = backend.spikes(&bits(&case.shape, case.seed, case.percent));
    let mut currents = vec![synapse.forward(&mut pass, &x)];
    let y = backend.spikes(&bits(&case.shape, case.seed ^ 77, case.percent));
    let mut sum = backend.widen(&x);
    for _ in 0..3 {
        sum = backend.add(&backend.add(&backend.add(&sum, &y), &x), &y);
        currents.push(synapse.forward(&mut pass, &sum));
    }
    let numbers = backend.real(&backend.read(sum.input()).mapv(|n| n as f32 / 4.0 - 1.0));
    currents.push(synapse.forward_repeated(&mut pass, &numbers, 2));
    let mut fire = |current| backend.read(lif.forward(&mut pass, current).input());
    currents.iter().map(&mut fire).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn exact_spikes_are_those_of_64_bit_floats(case in cases()) {
        let reach = |window: Window| window.dilation * (window.size - 1) + 1;
        if let Map::Conv2d { window, .. } = case.map {
            prop_assume!(reach(window) <= 5 + 2 * window.padding);
        }
        let expected = run(&Oracle::new(), &case);
        for isa in Isa::all() {
            let found = run(&Packed::with_isa(Precision::Exact, isa), &case);
            prop_assert_eq!(&found, &expected, "{}", isa.name());
        }
    }

    /// Real-valued streams: sums of currents, pooled, averaged, and fired.
    #[test]
    fn membrane_shortcuts_are_certified_too(case in cases()) {
        let shape = [case.shape[0], case.shape[1], 6, 7, 9];
        fn stream<B: Backend>(backend: &B, shape: &[usize; 5], case: &Case) -> Vec<ArrayD<f64>> {
            let map = Map::conv2d(9, 9, Window::SAME3);
            let weights = weights(map, case.seed);
            let synapse = Builder::load(backend, &weights).synapse(stage(map)).unwrap();
            let lif = Builder::draw(backend, 0).neuron("lif", case.neuron).unwrap();
            let mut pass = Pass::new(backend);
            let x = backend.spikes(&bits(shape, case.seed, case.percent));
            let a = synapse.forward(&mut pass, &x);
            let s = lif.forward(&mut pass, &a);
            let b = synapse.forward(&mut pass, &s);
            let sum = backend.add_real(&a, &b);
            let pooled = backend.max_pool_real(&sum, Window::HALVE3);
            let mean = backend.mean_positions(&sum);
            [sum, pooled, mean].iter().map(|x| {
                let spikes = lif.forward(&mut pass, x);
                backend.read(spikes.input())
            }).collect()
        }
        let expected = stream(&Oracle::new(), &shape, &case);
        for isa in Isa::all() {
            let packed = Packed::with_isa(Precision::Exact, isa);
            prop_assert_eq!(&stream(&packed, &shape, &case), &expected, "{}", isa.name());
        }
    }

    #[test]
    fn layouts_hold_what_was_packed(
        (t, b, n) in (1usize..4, 1usize..3, 1usize..70), c in 0usize..9, seed: u64,
    ) {
        let packed = Packed::default();
        let spikes = bits(&[t, b, n, CHANNELS[c]], seed, 30);
        let tensor = packed.spikes(&spikes);
        prop_assert_eq!(packed.read(tensor.input()), spikes.mapv(f64::from));
        let counts = spikes.mapv(|s| if s { (seed % 255) as u32 + 1 } else { 3 });
        let tensor = packed.counts(&counts);
        prop_assert_eq!(packed.read(tensor.input()), counts.mapv(f64::from));
        let swapped = tensor.permute(&[0, 1, 3, 2]);
        let expected = counts.permuted_axes(vec![0, 1, 3, 2]).mapv(f64::from);
        prop_assert_eq!(packed.read(swapped.input()), expected);
    }

    #[test]
    fn pools_masks_and_sums_are_those_of_the_reference(case in cases()) {
        let shape = [case.shape[0], case.shape[1], case.shape[2], case.shape[3], 5];
        let window = Window { size: 3, padding: 1, ..match case.map {
            Map::Conv2d { window, .. } => window,
            Map::Linear { .. } => Window::SAME3,
        }};
        fn all<B: Backend>(backend: &B, shape: &[usize], window: Window, case: &Case)
            -> Vec<ArrayD<f64>>
        {
            let x = backend.spikes(&bits(shape, case.seed, case.percent));
            let y = backend.spikes(&bits(shape, !case.seed, case.percent));
            let activity = backend.activity(x.input());
            let sums = activity.iter().map(|step| step.sum).collect::<Vec<_>>();
            vec![
                backend.read(backend.max_pool(&x, window).input()),
                backend.read(backend.mask(&x, &y).input()),
                backend.read(backend.complement(&x).input()),
                backend.read(backend.add(&backend.widen(&x), &y).input()),
                ArrayD::from_shape_vec(vec![sums.len()], sums).unwrap(),
            ]
        }
        let expected = all(&Oracle::new(), &shape, window, &case);
        prop_assert_eq!(all(&Packed::default(), &shape, window, &case), expected);
    }
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let case = Case {
        map: Map::conv2d(16, 40, Window::SAME3),
        shape: [4, 3, 9, 9, 16],
        neuron: Neuron::lif(2.0),
        percent: 20,
        seed: 5,
    };
    for precision in Precision::ALL {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&Packed::new(precision), &case))
        };
        assert_eq!(on(1), on(3), "{}", precision.name());
    }
}

#[test]
fn faster_precisions_flip_few_spikes() {
    let case = Case {
        map: Map::Linear { inputs: 384, outputs: 256 },
        shape: [4, 2, 8, 8, 384],
        neuron: Neuron::lif(2.0),
        percent: 15,
        seed: 3,
    };
    let exact = &run(&Oracle::new(), &case)[0];
    let flips = |precision| {
        let found = &run(&Packed::new(precision), &case)[0];
        let flipped = found.iter().zip(exact).filter(|(a, b)| a != b).count();
        flipped as f64 / exact.len() as f64
    };
    assert_eq!(flips(Precision::Exact), 0.0);
    assert!(flips(Precision::F32) <= 1e-5);
    assert!(flips(Precision::I16) <= 1e-3);
    assert!(flips(Precision::I8) <= 2e-2);
}

#[test]
fn a_stream_goes_on_where_it_stopped() {
    let packed = Packed::default();
    let builder = Builder::draw(&packed, 4);
    let synapse = builder.synapse(Stage::linear("fc", 10, 12).init(Init::Normal(0.5))).unwrap();
    let lif = builder.neuron("lif", Neuron::lif(2.0)).unwrap();
    let x = bits(&[6, 2, 10], 9, 40);
    let whole = {
        let mut pass = Pass::new(&packed);
        let current = synapse.forward(&mut pass, &packed.spikes(&x));
        packed.read(lif.forward(&mut pass, &current).input())
    };
    let mut state = snn_core::State::default();
    for t in 0..6 {
        let step = x.slice_axis(ndarray::Axis(0), (t..t + 1).into()).to_owned();
        let mut pass = Pass::new(&packed).with_state(state);
        let current = synapse.forward(&mut pass, &packed.spikes(&step));
        let spikes = packed.read(lif.forward(&mut pass, &current).input());
        assert_eq!(spikes.index_axis(ndarray::Axis(0), 0), whole.index_axis(ndarray::Axis(0), t));
        state = pass.into_state();
    }
}
