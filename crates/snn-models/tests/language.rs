//! Winner-take-all language models: every backend, every way to run them.

use std::sync::Arc;

use ndarray::{Array2, ArrayD, Axis, s};
use proptest::{collection::vec, prelude::*};
use snn_attn::{Attend, WinnerTakeAll, Winners};
use snn_core::{
    Backend, Input, Outline, Packed, Pass, Reference, Signal, Tensor, Unfolded, Weights,
    analog::Noise,
    packed::{Isa, Precision},
    probe::{Code, CodingMeter, EnergyMeter, Rates},
    quant::{Base, LogCode},
};
use snn_models::{
    matterhorn::{self, AnalogDevices, Coding, Imperfections},
    wta_spikingformer::{Attention, Config, Task, TokenError, Tokens, presets},
};

const REFERENCE: Reference<f64> = Reference::new();

fn small(task: Task) -> Config {
    Config {
        task,
        vocabulary: 11,
        context: 9,
        dim: 12,
        depth: 2,
        heads: 3,
        mlp_ratio: 2,
        levels: 3,
        attention: Attention::WinnerTakeAll,
        wta: WinnerTakeAll::default(),
        coding: None,
    }
}

/// Drawn weights whose neurons fire.
fn weights(config: &Config, seed: u64) -> Weights {
    let (_, mut weights) = config.draw(&REFERENCE, seed).unwrap();
    let greatest = config.coding.as_ref().map_or(0, |coding| (1 << coding.bits) - 1);
    for (name, tensor) in &mut weights.tensors {
        if name.ends_with("_norm.weight") {
            *tensor = Arc::new(Tensor::F32(tensor.to_f32() * 5.0));
        }
        // Codes as if they were calibrated, each to something else.
        if name.ends_with(".mask_level") || name.ends_with(".zero_level") {
            let level = (seed.rotate_left(name.len() as u32) % (greatest + 1)) as i64;
            *tensor = Arc::new(Tensor::I64(ndarray::arr0(level).into_dyn()));
        }
    }
    weights
}

fn logits<B: Attend>(backend: &B, config: &Config, seed: u64, tokens: &Tokens) -> ArrayD<f64> {
    let network = config.load(backend, &weights(config, seed)).unwrap();
    let logits = network.forward(&mut Pass::new(backend), tokens);
    backend.read(Input::Real(&logits))
}

fn configs() -> impl Strategy<Value = Config> {
    let tasks =
        prop_oneof![Just(Task::Causal), Just(Task::Masked), Just(Task::Classify { classes: 3 })];
    let winners = prop_oneof![
        Just(Winners::Count(1)),
        (2usize..4).prop_map(Winners::Count),
        Just(Winners::Share(0.4))
    ];
    let attention = prop_oneof![3 => Just(Attention::WinnerTakeAll), 1 => Just(Attention::Softmax)];
    let coding = prop::option::of(codings());
    (tasks, winners, attention, any::<bool>(), 1u32..5, coding).prop_map(
        |(task, winners, attention, silent_rule, levels, coding)| Config {
            attention,
            levels,
            wta: WinnerTakeAll { winners, silent_rule, tau: 1.0 },
            // Matterhorn is an encoder.
            coding: coding.filter(|_| task != Task::Causal),
            ..small(task)
        },
    )
}

fn codings() -> impl Strategy<Value = Coding> {
    let base = prop_oneof![Just(Base::Two), Just(Base::RootTwo)];
    let weights = prop::option::of(base.prop_map(|base| LogCode::new(4, base).unwrap()));
    (1u32..6, 0u32..4, weights, prop::option::of(4u32..9)).prop_map(
        |(bits, dead_zone, weights, table_bits)| Coding {
            bits,
            dead_zone,
            weights,
            table_bits,
            ..Coding::published()
        },
    )
}

/// Two texts of one length, one of them padded.
fn texts() -> impl Strategy<Value = (Array2<u32>, Array2<bool>)> {
    (1usize..=9).prop_flat_map(|n| {
        (vec(0u32..11, 2 * n), 1..=n).prop_map(move |(ids, length)| {
            let ids = Array2::from_shape_vec((2, n), ids).unwrap();
            (ids, Array2::from_shape_fn((2, n), |(b, i)| b == 0 || i < length))
        })
    })
}

fn near(a: &ArrayD<f64>, b: &ArrayD<f64>, tolerance: f64) -> bool {
    a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_backend_gives_the_same(config in configs(), (ids, there) in texts(), seed: u64) {
        let tokens = Tokens::new(&config, &ids, Some(there)).unwrap();
        let expected = logits(&REFERENCE, &config, seed, &tokens);
        for isa in Isa::all() {
            let packed = Packed::with_isa(Precision::Exact, isa);
            prop_assert!(near(&logits(&packed, &config, seed, &tokens), &expected, 1e-9));
        }
        let unfolded = logits(&Unfolded::new(REFERENCE), &config, seed, &tokens);
        prop_assert!(near(&unfolded, &expected, 1e-9), "unfolded");
    }

    #[test]
    fn a_cache_gives_what_the_whole_text_gives(
        config in configs(), ids in vec(0u32..11, 1..=9), seed: u64,
    ) {
        let (task, attention) = (Task::Causal, Attention::WinnerTakeAll);
        step_by_step(&Config { task, attention, coding: None, ..config }, &ids, seed);
    }

    #[test]
    fn later_tokens_change_nothing(
        config in configs(), ids in vec(0u32..11, 9), other in 0u32..11, at in 1usize..9, seed: u64,
    ) {
        let config = Config { task: Task::Causal, coding: None, ..config };
        let row = Array2::from_shape_vec((1, 9), ids).unwrap();
        let mut changed = row.clone();
        changed.slice_mut(s![.., at..]).fill(other);
        let [a, b] = [&row, &changed].map(|ids| {
            logits(&REFERENCE, &config, seed, &Tokens::new(&config, ids, None).unwrap())
        });
        prop_assert_eq!(a.slice(s![0, ..at, ..]), b.slice(s![0, ..at, ..]));
    }

    #[test]
    fn padding_changes_nothing(config in configs(), (ids, there) in texts(), other in 0u32..11, seed: u64) {
        let padded = Array2::from_shape_fn(ids.dim(), |place| {
            if there[place] { ids[place] } else { other }
        });
        let [a, b] = [&ids, &padded].map(|ids| {
            let tokens = Tokens::new(&config, ids, Some(there.clone())).unwrap();
            logits(&REFERENCE, &config, seed, &tokens)
        });
        if let Task::Classify { .. } = config.task {
            prop_assert!(near(&a, &b, 1e-9));
        } else {
            let length = there.row(1).iter().filter(|&&there| there).count();
            prop_assert_eq!(a.slice(s![1, ..length, ..]), b.slice(s![1, ..length, ..]));
        }
    }
}

/// Token by token, with a cache, against all at once.
fn step_by_step(config: &Config, ids: &[u32], seed: u64) {
    let row = Array2::from_shape_vec((1, ids.len()), ids.to_vec()).unwrap();
    let tokens = Tokens::new(config, &row, None).unwrap();
    let whole = logits(&REFERENCE, config, seed, &tokens);
    let network = config.load(&REFERENCE, &weights(config, seed)).unwrap();
    let mut state = network.start();
    for (n, &id) in ids.iter().enumerate() {
        let (next, found) = network.step(&mut Pass::new(&REFERENCE), state, id).unwrap();
        let expected = whole.slice(s![0, n, ..]).to_owned().into_dyn();
        assert!(near(&found, &expected, 1e-6), "token {n}");
        state = next;
    }
    assert_eq!(state.len(), ids.len());
}

/// Means of levels lie half way between two levels now and then, where rounding decides: not for
/// these seeds.
#[test]
fn a_cache_serves_the_twin_too() {
    let config = Config { attention: Attention::Softmax, ..small(Task::Causal) };
    for seed in 0..8 {
        step_by_step(&config, &[5, 3, 2, 4, 9, 1, 1, 0, 10], seed);
    }
}

#[test]
fn the_small_networks_are_alive() {
    let config = small(Task::Causal);
    let tokens = Tokens::new(
        &config,
        &Array2::from_shape_fn((2, 9), |(b, n)| (b * 5 + n) as u32 % 11),
        None,
    );
    let network = config.load(&REFERENCE, &weights(&config, 1)).unwrap();
    let (mut rates, mut energy) = (Rates::new(), EnergyMeter::new());
    let mut probe = (&mut rates, &mut energy);
    network.forward(&mut Pass::new(&REFERENCE).with_probe(&mut probe), &tokens.unwrap());
    for layer in rates.layers() {
        assert!(layer.rates[0] > 0.02, "{} fires at {:?}", layer.name, layer.rates);
    }
    let total = energy.total();
    assert_eq!(total.mac, 0.0, "a decoder only adds");
    assert!(total.ac > 0.0);
}

#[test]
fn a_text_of_padding_alone_has_defined_logits() {
    for task in [Task::Masked, Task::Classify { classes: 3 }] {
        let config = small(task);
        let mut there = Array2::from_elem((2, 4), true);
        there.row_mut(1).fill(false);
        let tokens = Tokens::new(&config, &Array2::zeros((2, 4)), Some(there)).unwrap();
        let found = logits(&REFERENCE, &config, 3, &tokens);
        assert!(found.iter().all(|x| x.is_finite()));
        if let Task::Classify { .. } = task {
            // The bias alone, which starts at zero.
            assert!(found.index_axis(Axis(0), 1).iter().all(|&x| x == 0.0));
        }
    }
}

#[test]
fn tokens_that_do_not_fit_are_errors() {
    let config = small(Task::Causal);
    let ids = |n: usize, id: u32| Array2::from_elem((1, n), id);
    let error = |ids: Array2<u32>| Tokens::new(&config, &ids, None).unwrap_err();
    assert_eq!(error(ids(2, 11)), TokenError::Unknown { found: 11, vocabulary: 11 });
    assert_eq!(error(ids(0, 0)), TokenError::Length { found: 0, context: 9 });
    assert_eq!(error(ids(10, 0)), TokenError::Length { found: 10, context: 9 });
    let there = Some(Array2::from_elem((1, 3), true));
    let error = Tokens::new(&config, &ids(2, 0), there).unwrap_err();
    assert!(error.to_string().contains("[1, 3], expected [1, 2]"), "{error}");

    let network = config.load(&REFERENCE, &weights(&config, 1)).unwrap();
    let mut state = network.start();
    for _ in 0..9 {
        state = network.step(&mut Pass::new(&REFERENCE), state, 3).unwrap().0;
    }
    let full = network.step(&mut Pass::new(&REFERENCE), state, 3).map(|_| ()).unwrap_err();
    assert_eq!(full, TokenError::Length { found: 10, context: 9 });
}

#[test]
fn configurations_that_contradict_themselves_are_errors() {
    let good = small(Task::Causal);
    let no_winner = WinnerTakeAll { winners: Winners::Count(0), ..good.wta };
    for (field, config) in [
        ("heads", Config { heads: 5, ..good.clone() }),
        ("winners", Config { wta: no_winner, ..good.clone() }),
        ("levels", Config { levels: 0, ..good.clone() }),
        ("vocabulary", Config { vocabulary: 1, ..good.clone() }),
        ("context", Config { context: 0, ..good.clone() }),
        ("task.classes", Config { task: Task::Classify { classes: 1 }, ..good.clone() }),
        ("task", Config { coding: Some(Coding::published()), ..good.clone() }),
        ("coding.bits", coded(Coding { bits: 9, ..Coding::published() })),
        ("coding.refresh_every", coded(Coding { refresh_every: 0, ..Coding::published() })),
        ("coding.table_bits", coded(Coding { table_bits: Some(1), ..Coding::published() })),
    ] {
        let error = config.outline().map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("configuration field `{field}` is ")), "{error}");
    }
}

#[test]
fn presets_have_the_published_sizes() {
    for preset in presets().into_iter().chain(matterhorn::presets()) {
        let (network, weights) = preset.config.outline().unwrap();
        assert_eq!(weights.parameters(), preset.parameters, "{}", preset.name);
        let tokens = Tokens::new(&preset.config, &Array2::zeros((1, 4)), None).unwrap();
        let logits = network.forward(&mut Pass::new(&Outline), &tokens);
        let expected: &[usize] = match preset.config.task {
            Task::Classify { classes } => &[1, classes],
            _ => &[1, 4, preset.config.vocabulary],
        };
        assert_eq!(Signal::<Outline>::shape(&logits), expected);
        // "about 0.1 B" and "0.4 B"
        let published = if preset.config.task == Task::Causal { 0.4e9 } else { 0.1e9 };
        assert!((preset.parameters as f64 / published - 1.0).abs() < 0.16, "{}", preset.name);
    }
}

/// A small Matterhorn.
fn coded(coding: Coding) -> Config {
    Config { coding: Some(coding), ..small(Task::Classify { classes: 3 }) }
}

fn two_texts(config: &Config) -> Tokens {
    let ids = Array2::from_shape_fn((2, 9), |(b, n)| (b * 5 + n * n) as u32 % 11);
    Tokens::new(config, &ids, None).unwrap()
}

/// What the codes of a network cost.
fn metered(config: &Config, weights: &Weights) -> (CodingMeter, EnergyMeter) {
    let network = config.load(&REFERENCE, weights).unwrap();
    let (mut coding, mut energy) = (CodingMeter::new(), EnergyMeter::new());
    let mut probe = (&mut coding, &mut energy);
    network.forward(&mut Pass::new(&REFERENCE).with_probe(&mut probe), &two_texts(config));
    (coding, energy)
}

#[test]
fn a_wider_dead_zone_is_more_silent() {
    let silent = |dead_zone: u32| {
        let config = coded(Coding { dead_zone, ..Coding::published() });
        let mut weights = weights(&config, 4);
        for (name, tensor) in &mut weights.tensors {
            if name.ends_with(".zero_level") || name.ends_with(".mask_level") {
                *tensor = Arc::new(Tensor::I64(ndarray::arr0(7).into_dyn()));
            }
            if name.ends_with(".step") {
                *tensor = Arc::new(Tensor::F32(ndarray::arr0(2.0).into_dyn()));
            }
        }
        let (meter, energy) = metered(&config, &weights);
        let [rate, first, masked] = Code::ALL.map(|code| meter.total(code));
        assert!(rate.spikes >= first.spikes && first.spikes > 0.0);
        assert!(masked.accumulates <= energy.total().ac, "attention adds to the codes");
        assert_eq!(meter.layers().len(), 12);
        meter.silent(Code::MaskedFirstSpike)
    };
    let shares = [0, 1, 3].map(silent);
    assert!(shares.windows(2).all(|pair| pair[0] < pair[1]), "{shares:?}");
}

#[test]
fn the_dead_zone_widens_with_training() {
    let coding = Coding { dead_zone: 3, widen_every: 10, ..Coding::published() };
    let zoned = |dead_zone, passes: i64, widen_every| {
        let config = coded(Coding { dead_zone, widen_every, ..coding.clone() });
        let mut weights = weights(&config, 4);
        for (name, tensor) in &mut weights.tensors {
            if name.ends_with("neurons.num_batches_tracked") {
                *tensor = Arc::new(Tensor::I64(ndarray::arr0(passes).into_dyn()));
            }
        }
        metered(&config, &weights).0.silent(Code::MaskedFirstSpike)
    };
    for (passes, dead_zone) in [(0, 0), (9, 0), (10, 1), (29, 2), (30, 3), (1000, 3)] {
        assert_eq!(zoned(3, passes, 10), zoned(dead_zone, 0, 0), "after {passes} passes");
    }
}

#[test]
fn codes_of_a_checkpoint_that_cannot_be_are_errors() {
    let config = coded(Coding::published());
    let good = weights(&config, 1);
    for (part, value) in [("mask_level", 16), ("mask_level", -1), ("zero_level", i64::MAX)] {
        let mut weights = good.clone();
        let name = format!("blocks.0.attention.neurons.{part}");
        weights.insert(name, Tensor::I64(ndarray::arr0(value).into_dyn()));
        let error = config.load(&REFERENCE, &weights).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("code `blocks.0.attention.neurons`: "), "{error}");
    }
}

fn on_devices(config: &Config, weights: &Weights, what: Imperfections, seed: u64) -> ArrayD<f64> {
    let (config, weights) = matterhorn::program(config, weights, &what.noise, seed).unwrap();
    let mut devices = AnalogDevices::new(&config, &weights, what, seed).unwrap();
    let network = config.load(&REFERENCE, &weights).unwrap();
    let mut pass = Pass::new(&REFERENCE).with_devices(&mut devices);
    let logits = network.forward(&mut pass, &two_texts(&config));
    REFERENCE.read(Input::Real(&logits))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn perfect_devices_change_nothing_and_noisy_ones_repeat(coding in codings(), seed: u64) {
        let config = coded(coding);
        let weights = weights(&config, seed);
        let exact = logits(&REFERENCE, &config, seed, &two_texts(&config));
        let perfect = on_devices(&config, &weights, Imperfections::default(), seed);
        prop_assert!(near(&exact, &perfect, 1e-9));
        let noise = Noise { programming: 0.3, read: 0.3, threshold: 0.1 };
        let bad = Imperfections { noise, saturation: Some(0.5), converter_bits: Some(4) };
        let once = on_devices(&config, &weights, bad, seed);
        prop_assert_eq!(&once, &on_devices(&config, &weights, bad, seed));
        prop_assert!(once.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn each_imperfection_shows() {
    let config = coded(Coding::published());
    let weights = weights(&config, 2);
    let exact = on_devices(&config, &weights, Imperfections::default(), 1);
    let noise = |noise| Imperfections { noise, ..Imperfections::default() };
    let none = Noise::default();
    for what in [
        noise(Noise { programming: 0.3, ..none }),
        noise(Noise { read: 0.5, ..none }),
        noise(Noise { threshold: 0.3, ..none }),
        Imperfections { saturation: Some(0.1), ..Imperfections::default() },
    ] {
        assert_ne!(on_devices(&config, &weights, what, 1), exact, "{what:?}");
    }
    let impossible = Imperfections { saturation: Some(-1.0), ..Imperfections::default() };
    let error = AnalogDevices::new(&config, &weights, impossible, 1).unwrap_err().to_string();
    assert!(error.starts_with("configuration field `limit` is -"), "{error}");
}
