//! The packed engine against the reference in 64-bit floats.

use ndarray::{ArrayD, Axis, IxDyn, Slice};
use proptest::prelude::*;
use snn_core::{
    Backend, Builder, Init, Map, Neuron, Packed, Pass, Reference, Signal, Stage, Tensor, Weights,
    Window,
    laws::{self, CHANNELS, Layer},
    neuron,
    packed::{Isa, Precision, Spikes},
};

type Oracle = Reference<f64>;

/// What a backend fires for the spikes of a layer.
fn fired<B: Backend>(backend: &B, layer: &Layer) -> ArrayD<f64> {
    let (synapse, neuron) = layer.build(backend);
    let mut pass = Pass::new(backend);
    let current = synapse.forward(&mut pass, &backend.spikes(&layer.spikes()));
    backend.read(neuron.forward(&mut pass, &current).input())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn exact_spikes_are_those_of_64_bit_floats(layer in laws::layers()) {
        for isa in Isa::all() {
            let packed = Packed::with_isa(Precision::Exact, isa);
            laws::backend_is_the_reference(&packed, &layer)
                .map_err(|e| TestCaseError::fail(format!("{}: {e}", isa.name())))?;
        }
    }

    #[test]
    fn currents_are_affine_and_samples_stand_alone(layer in laws::layers()) {
        let current = |layer: &Layer, x: &snn_core::tensor::Spikes| {
            let packed = Packed::default();
            let current = layer.build(&packed).0.forward(&mut Pass::new(&packed), &packed.spikes(x));
            packed.read(current.input())
        };
        laws::currents_are_those_of_the_reference(&layer, current, 1e-9)?;
        laws::currents_add_up(&layer, current, 1e-9)?;
        laws::samples_stand_alone(&layer, current, 1e-9)?;
    }

    /// Real-valued streams: sums of currents, pooled, averaged, and fired.
    #[test]
    fn membrane_shortcuts_are_certified_too(drawn in laws::layers()) {
        let [t, b, ..] = drawn.shape[..] else { unreachable!("[T, B, ...]") };
        let map = Map::conv2d(9, 9, Window::SAME3);
        let layer = Layer { map, shape: vec![t, b, 6, 7, 9], ..drawn };
        fn stream<B: Backend>(backend: &B, layer: &Layer) -> Vec<ArrayD<f64>> {
            let (synapse, lif) = layer.build(backend);
            let mut pass = Pass::new(backend);
            let x = backend.spikes(&layer.spikes());
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
        let expected = stream(&Oracle::new(), &layer);
        for isa in Isa::all() {
            let packed = Packed::with_isa(Precision::Exact, isa);
            prop_assert_eq!(&stream(&packed, &layer), &expected, "{}", isa.name());
        }
    }

    #[test]
    fn layouts_hold_what_was_packed(
        (t, b, n) in (1usize..4, 1usize..3, 1usize..70), c in prop::sample::select(&CHANNELS[..]),
        seed: u64,
    ) {
        let packed = Packed::default();
        let map = Map::Linear { inputs: c, outputs: 1 };
        let shape = vec![t, b, n, c];
        let spikes = Layer { map, shape, percent: 30, neuron: Neuron::lif(2.0), seed }.spikes();
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
    fn heads_become_words_and_back(
        (t, b, n) in (1usize..4, 1usize..3, 1usize..140), heads in 1usize..5,
        width in prop::sample::select(&CHANNELS[..]), seed: u64,
    ) {
        let map = Map::Linear { inputs: heads * width, outputs: 1 };
        let shape = vec![t, b, n, heads * width];
        let spikes =
            Layer { map, shape: shape.clone(), percent: 30, neuron: Neuron::lif(2.0), seed }.spikes();
        let tensor = Spikes::pack(&spikes);
        let words = tensor.words(heads);
        let each = width.div_ceil(64);
        prop_assert_eq!(words.len(), t * b * heads * n * each);
        for (i, &word) in words.iter().enumerate() {
            let (code, first) = (i / each, i % each * 64);
            let (frame, head, token) = (code / n / heads, code / n % heads, code % n);
            let bit = |c: usize| c < width && spikes[[frame / b, frame % b, token, head * width + c]];
            let expected = (0..64).fold(0, |word, c| word | u64::from(bit(first + c)) << c);
            prop_assert_eq!(word, expected, "word {}", i);
        }
        prop_assert_eq!(Spikes::from_words(&shape, heads, &words).unpack(), spikes);
    }

    #[test]
    fn pools_masks_and_sums_are_those_of_the_reference(
        drawn in laws::layers(), stride in 1usize..3, dilation in 1usize..3,
        (height, width) in (5usize..12, 5usize..12),
    ) {
        let window = Window { size: 3, padding: 1, stride, dilation };
        let map = Map::Linear { inputs: 5, outputs: 5 };
        let shape = vec![drawn.shape[0], drawn.shape[1], height, width, 5];
        let layer = Layer { map, shape, ..drawn };
        fn all<B: Backend>(backend: &B, layer: &Layer, window: Window) -> Vec<ArrayD<f64>> {
            let [x, y] = [0, 1].map(|n| backend.spikes(&layer.other_spikes(n)));
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
        let expected = all(&Oracle::new(), &layer, window);
        prop_assert_eq!(all(&Packed::default(), &layer, window), expected);
    }
}

/// Each neuron of a layer meets its threshold at one of the rows, but for the rounding of a bias:
/// what tables and integers cannot tell must be in doubt.
fn on_the_edge<B: Backend>(backend: &B, inputs: usize, count: u32, seed: u64) -> ArrayD<f64> {
    const OUTPUTS: usize = 70;
    // A whole block: padding is silence, which makes events pay.
    const ROWS: usize = 64;
    let map = Map::Linear { inputs, outputs: OUTPUTS };
    let random =
        Layer { map, shape: vec![1, ROWS, inputs], neuron: Neuron::lif(2.0), percent: 0, seed };
    // From a few active inputs to all of them.
    let x = ArrayD::from_shape_fn(IxDyn(&[1, ROWS, inputs]), |i| (i[2] * 7 + i[1]) % 8 <= i[1] % 8);
    let levels = x.mapv(|spike| u32::from(spike) * count);
    let neuron = Neuron { charge: neuron::Charge::Integrate, ..Neuron::lif(2.0) };

    let weight = random.weights().tensors["fc.weight"].to_f32();
    let bias = ArrayD::from_shape_fn(IxDyn(&[OUTPUTS]), |n| {
        let row = n[0] % 8;
        let products =
            (0..inputs).map(|k| f64::from(weight[[n[0], k]]) * f64::from(levels[[0, row, k]]));
        let bias = (neuron.threshold - products.sum::<f64>()) as f32;
        [bias, bias.next_up(), bias.next_down()][n[0] % 3]
    });
    let mut weights = Weights::default();
    weights.insert("fc.weight", Tensor::F32(weight));
    weights.insert("fc.bias", Tensor::F32(bias));
    let builder = Builder::load(backend, &weights);
    let stage = Stage::new("fc", map).bias(Init::Normal(0.1));
    let (synapse, lif) = (builder.synapse(stage).unwrap(), builder.neuron("lif", neuron).unwrap());
    let mut pass = Pass::new(backend);
    let current = match count {
        1 => synapse.forward(&mut pass, &backend.spikes(&x)),
        _ => synapse.forward(&mut pass, &backend.counts(&levels)),
    };
    backend.read(lif.forward(&mut pass, &current).input())
}

#[test]
fn what_lies_on_the_edge_is_in_doubt() {
    let mut flipped = 0;
    for (inputs, count) in [(40, 1), (384, 1), (130, 3), (300, 2), (130, 9), (700, 9)] {
        for seed in 0..4 {
            let expected = on_the_edge(&Oracle::new(), inputs, count, seed);
            for isa in Isa::all() {
                let on =
                    |precision| on_the_edge(&Packed::with_isa(precision, isa), inputs, count, seed);
                let name = isa.name();
                assert_eq!(on(Precision::Exact), expected, "{name}, {inputs} inputs, {seed}");
                let rough = on(Precision::I16);
                flipped += rough.iter().zip(&expected).filter(|(a, b)| a != b).count();
            }
        }
    }
    assert!(flipped > 100, "no edge: {flipped} spikes flip without certificates");
}

/// Weights that are all rounded to the same side where inputs spike, as far as a table can be wrong:
/// a neuron that fires by less than that is in doubt, however few spike.
#[test]
fn errors_that_add_up_are_in_doubt() {
    const INPUTS: usize = 64;
    const ACTIVE: [usize; 5] = [3, 6, 12, 24, 29];
    let (inputs, outputs) = (INPUTS, ACTIVE.len());
    // Sums of the first four weights set what a level of two bytes is worth; the others are nearly
    // half of one, and the later of them become none.
    let small = (0.49 * 4.0 / 65531.0) as f32;
    let weight =
        ArrayD::from_shape_fn(IxDyn(&[outputs, inputs]), |i| if i[1] < 4 { 1.0 } else { small });
    let bias = ArrayD::from_shape_fn(IxDyn(&[outputs]), |n| {
        (1.0 - 0.7 * ACTIVE[n[0]] as f64 * f64::from(small)) as f32
    });
    let x = ArrayD::from_shape_fn(IxDyn(&[1, 64, inputs]), |i| {
        i[2] >= INPUTS - ACTIVE[i[1] % ACTIVE.len()]
    });
    let mut weights = Weights::default();
    weights.insert("fc.weight", Tensor::F32(weight));
    weights.insert("fc.bias", Tensor::F32(bias));
    fn fired<B: Backend>(backend: &B, weights: &Weights, x: &ArrayD<bool>) -> ArrayD<f64> {
        let builder = Builder::load(backend, weights);
        let map = Map::Linear { inputs: INPUTS, outputs: ACTIVE.len() };
        let synapse = builder.synapse(Stage::new("fc", map).bias(Init::Normal(0.1))).unwrap();
        let neuron = Neuron { charge: neuron::Charge::Integrate, ..Neuron::lif(2.0) };
        let lif = builder.neuron("lif", neuron).unwrap();
        let mut pass = Pass::new(backend);
        let current = synapse.forward(&mut pass, &backend.spikes(x));
        backend.read(lif.forward(&mut pass, &current).input())
    }
    let expected = fired(&Oracle::new(), &weights, &x);
    assert!((0..outputs).all(|n| expected[[0, n, n]] == 1.0), "its own row makes each fire");
    for isa in Isa::all() {
        let found = fired(&Packed::with_isa(Precision::Exact, isa), &weights, &x);
        assert_eq!(found, expected, "{}", isa.name());
    }
}

/// A neuron that meets its threshold at the greatest of nine numbers which 32-bit floats cannot tell
/// apart: which of them it is must be worked out anew too.
#[test]
fn the_greatest_of_numbers_nearly_alike_is_worked_out_anew() {
    const INPUTS: usize = 32;
    const OUTPUTS: usize = 48;
    const SIDE: usize = 8;
    fn fired<B: Backend>(backend: &B, weights: &Weights, x: &ArrayD<bool>) -> ArrayD<f64> {
        let builder = Builder::load(backend, weights);
        let map = Map::Linear { inputs: INPUTS, outputs: OUTPUTS };
        let synapse = builder.synapse(Stage::new("fc", map).bias(Init::Normal(0.1))).unwrap();
        let neuron = Neuron { charge: neuron::Charge::Integrate, ..Neuron::lif(2.0) };
        let lif = builder.neuron("lif", neuron).unwrap();
        let mut pass = Pass::new(backend);
        let current = synapse.forward(&mut pass, &backend.spikes(x));
        let pooled = backend.max_pool_real(&current, Window::HALVE3);
        backend.read(lif.forward(&mut pass, &pooled).input())
    }
    let mut state = 1u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    // Half of the inputs of each row spike, others at each; all weights are nearly the same.
    let mut x = ArrayD::from_elem(IxDyn(&[1, 1, SIDE, SIDE, INPUTS]), false);
    for mut row in x.rows_mut() {
        let mut order: Vec<usize> = (0..INPUTS).collect();
        (0..INPUTS).for_each(|i| order.swap(i, draw(INPUTS)));
        order[..INPUTS / 2].iter().for_each(|&k| row[k] = true);
    }
    let weight = ArrayD::from_shape_fn(IxDyn(&[OUTPUTS, INPUTS]), |_| {
        (0.1 + 1e-9 * draw(500) as f64) as f32
    });
    let bias = ArrayD::from_shape_fn(IxDyn(&[OUTPUTS]), |n| {
        let center = [2 * (n[0] % 4), 2 * (n[0] / 4 % 4)];
        let seen = x.slice(ndarray::s![0, 0, .., .., ..]);
        let sums = seen.rows().into_iter().enumerate().filter_map(|(at, row)| {
            let near = center[0].abs_diff(at / SIDE) <= 1 && center[1].abs_diff(at % SIDE) <= 1;
            let spikes = row.iter().enumerate().filter(|(_, spike)| **spike);
            near.then(|| spikes.map(|(k, _)| f64::from(weight[[n[0], k]])).sum::<f64>())
        });
        (1.0 - sums.fold(f64::NEG_INFINITY, f64::max)) as f32
    });
    let mut weights = Weights::default();
    weights.insert("fc.weight", Tensor::F32(weight));
    weights.insert("fc.bias", Tensor::F32(bias));
    let expected = fired(&Oracle::new(), &weights, &x);
    assert!(expected.iter().any(|&v| v == 0.0) && expected.iter().any(|&v| v == 1.0));
    for isa in Isa::all() {
        let found = fired(&Packed::with_isa(Precision::Exact, isa), &weights, &x);
        assert_eq!(found, expected, "{}", isa.name());
    }
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let layer = Layer {
        map: Map::conv2d(16, 40, Window::SAME3),
        shape: vec![4, 3, 9, 9, 16],
        neuron: Neuron::lif(2.0),
        percent: 20,
        seed: 5,
    };
    for precision in Precision::ALL {
        let on = |threads: usize| {
            // A thread that is part of its pool, as programs have it.
            let run = || {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let _pool = pool.use_current_thread().build().unwrap();
                fired(&Packed::new(precision), &layer)
            };
            std::thread::scope(|scope| scope.spawn(run).join().unwrap())
        };
        assert_eq!(on(1), on(3), "{}", precision.name());
    }
}

#[test]
fn faster_precisions_flip_few_spikes() {
    let layer = Layer {
        map: Map::Linear { inputs: 384, outputs: 256 },
        shape: vec![4, 2, 8, 8, 384],
        neuron: Neuron::lif(2.0),
        percent: 15,
        seed: 3,
    };
    let exact = fired(&Oracle::new(), &layer);
    let flips = |precision| {
        let found = fired(&Packed::new(precision), &layer);
        let flipped = found.iter().zip(&exact).filter(|(a, b)| a != b).count();
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
    let layer = Layer {
        map: Map::Linear { inputs: 10, outputs: 12 },
        shape: vec![6, 2, 10],
        neuron: Neuron::lif(2.0),
        percent: 40,
        seed: 9,
    };
    let (x, (synapse, lif)) = (layer.spikes(), layer.build(&packed));
    let whole = {
        let mut pass = Pass::new(&packed);
        let current = synapse.forward(&mut pass, &packed.spikes(&x));
        packed.read(lif.forward(&mut pass, &current).input())
    };
    let mut state = snn_core::State::default();
    for t in 0..6 {
        let step = x.slice_axis(Axis(0), Slice::from(t..t + 1)).to_owned();
        let mut pass = Pass::new(&packed).with_state(state);
        let current = synapse.forward(&mut pass, &packed.spikes(&step));
        let spikes = packed.read(lif.forward(&mut pass, &current).input());
        assert_eq!(spikes.index_axis(Axis(0), 0), whole.index_axis(Axis(0), t));
        state = pass.into_state();
    }
}
