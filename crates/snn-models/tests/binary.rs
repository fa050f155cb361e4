//! Networks whose queries, keys and values are spikes: Spikformer, Spike-driven
//! Transformer, STAtten, QKFormer.

#[path = "common/binary.rs"]
mod binary;
#[path = "common/lively.rs"]
mod lively;
#[path = "common/sent.rs"]
mod sent;

use std::collections::BTreeMap;

use binary::{any_binary, efficient, lsformer, qkformer, spike_driven, statten, teformer};
use lively::{images, lively};
use ndarray::{ArrayD, Axis, concatenate};
use proptest::prelude::*;
use sent::Sent;
use snn_attn::{Attend, Similarity};
use snn_core::{Packed, Pass, Reference, State, Weights, packed::Precision};
use snn_models::{
    Config, Frames, mean_logits, qkformer as qk, spike_driven_transformer as sdt, spikformer,
    statten as st,
};

type F64 = Reference<f64>;

/// What every neuron sent, and the logits as `logits`.
fn run_on<B: Attend + 'static>(
    backend: &B,
    config: &Config,
    weights: &Weights,
    images: &ArrayD<f32>,
) -> Sent {
    let (mut sent, logits) = sent::run(backend, config, weights, images);
    sent.0.insert("logits".into(), logits);
    sent
}

fn run(config: &Config, weights: &Weights, images: &ArrayD<f32>) -> Sent {
    run_on(&F64::new(), config, weights, images)
}

/// Sample `i` of images `[T, B, H, W, C]`.
fn sample(images: &ArrayD<f32>, i: usize) -> ArrayD<f32> {
    images.index_axis(Axis(1), i).to_owned().insert_axis(Axis(1))
}

fn with_steps(config: &Config, steps: usize) -> Config {
    let mut config = config.clone();
    match &mut config {
        Config::Spikformer(config) => config.time_steps = steps,
        Config::SpikeDrivenTransformer(config) => config.time_steps = steps,
        Config::Statten(config) => config.time_steps = steps,
        Config::Qkformer(config) => config.time_steps = steps,
        Config::Lsformer(config) => config.time_steps = steps,
        _ => unreachable!("no other system is drawn"),
    }
    config
}

/// The fewest steps that can be computed without later ones.
fn fewest_steps(config: &Config) -> usize {
    match config {
        Config::Statten(config) if config.attention == st::Mode::Statten => config.chunk,
        _ => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Membranes handed over from pass to pass: a stream is the same as its
    /// parts.
    #[test]
    fn time_goes_on_where_it_stopped(
        config in prop_oneof![4 => any_binary(), 1 => lsformer()], seed: u64,
    ) {
        let (backend, weights) = (F64::new(), lively(&config, seed));
        let images = images(&config, seed);
        let whole = run(&config, &weights, &images);
        let steps = fewest_steps(&config);
        let network = with_steps(&config, steps).load(&backend, &weights).unwrap();
        let mut parts: BTreeMap<String, Vec<ArrayD<f64>>> = BTreeMap::new();
        let mut state = State::default();
        for _ in 0..config.input().time_steps / steps {
            let mut sent = Sent::default();
            let mut pass = Pass::new(&backend).with_state(state).with_probe(&mut sent);
            network.forward(&mut pass, &Frames::new(&backend, &images));
            state = pass.into_state();
            for (name, spikes) in sent.0 {
                parts.entry(name).or_default().push(spikes);
            }
        }
        for (name, parts) in parts {
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            let streamed = concatenate(Axis(0), &views).unwrap();
            prop_assert_eq!(&streamed, &whole.0[&name], "{}", name);
        }
    }

    #[test]
    fn silence_of_no_weight_is_the_dot_product(config in any_binary(), seed: u64) {
        let with = |similarity| {
            let mut config = config.clone();
            match &mut config {
                Config::Spikformer(config) => config.similarity = similarity,
                Config::SpikeDrivenTransformer(config) => config.similarity = similarity,
                Config::Statten(config) => config.similarity = similarity,
                Config::Qkformer(config) => config.similarity = similarity,
                _ => unreachable!("no other system is drawn"),
            }
            let config = config;
            let dot = lively(&config, seed);
            (config, dot)
        };
        let images = images(&config, seed);
        let (dot, weights) = with(Similarity::Dot);
        let (xnor, _) = with(Similarity::Xnor { a: 0.0 });
        let (dot, xnor) = (run(&dot, &weights, &images), run(&xnor, &weights, &images));
        // STAtten scales the dot product before the second product: other rounding.
        for (name, x) in &dot.0 {
            let far = x.iter().zip(&xnor.0[name]).any(|(a, b)| (a - b).abs() > 1e-9);
            prop_assert!(!far, "{}", name);
        }
    }

    #[test]
    fn packed_spikes_are_those_of_the_reference(
        config in prop_oneof![
            4 => any_binary(), 1 => efficient(), 1 => lsformer(), 1 => teformer(),
        ],
        seed: u64,
    ) {
        let (weights, images) = (lively(&config, seed), images(&config, seed));
        let mut reference = run(&config, &weights, &images);
        let mut packed = run_on(&Packed::new(Precision::Exact), &config, &weights, &images);
        let logits = [&mut reference, &mut packed].map(|sent| sent.0.remove("logits").unwrap());
        prop_assert_eq!(reference, packed);
        let [reference, packed] = logits;
        prop_assert!(reference.iter().zip(&packed).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn samples_of_a_corrected_qkformer_are_independent(mut config in qkformer(), seed: u64) {
        config.batch_coupled = false;
        let config = Config::Qkformer(config);
        let (weights, images) = (lively(&config, seed), images(&config, seed));
        let both = run(&config, &weights, &images);
        for i in 0..2 {
            let alone = run(&config, &weights, &sample(&images, i));
            let both = both.0["logits"].index_axis(Axis(0), i).to_owned();
            prop_assert_eq!(&alone.0["logits"].index_axis(Axis(0), 0), &both);
        }
    }

    #[test]
    fn a_sample_alone_knows_no_coupling(mut config in qkformer(), seed: u64) {
        config.batch_coupled = true;
        let coupled = Config::Qkformer(config.clone());
        config.batch_coupled = false;
        let corrected = Config::Qkformer(config);
        let (weights, images) = (lively(&coupled, seed), images(&coupled, seed));
        let image = sample(&images, 0);
        prop_assert_eq!(run(&coupled, &weights, &image), run(&corrected, &weights, &image));
    }

    #[test]
    fn heads_only_matter_to_pooled_masks(mut config in spike_driven(), seed: u64) {
        (config.dvs_mode, config.similarity) = (false, Similarity::Dot);
        let single = sdt::Config { heads: 1, ..config.clone() };
        let weights = lively(&Config::SpikeDrivenTransformer(config.clone()), seed);
        let mut of_single = weights.clone();
        let other = lively(&Config::SpikeDrivenTransformer(single.clone()), seed);
        for (name, tensor) in other.tensors {
            if name.ends_with("talking_heads.weight") {
                of_single.tensors.insert(name, tensor);
            }
        }
        let config = Config::SpikeDrivenTransformer(config);
        let images = images(&config, seed);
        let single = run(&Config::SpikeDrivenTransformer(single), &of_single, &images);
        prop_assert_eq!(run(&config, &weights, &images), single);
    }

    #[test]
    fn statten_holds_the_attention_of_its_host(mut config in statten(), seed: u64) {
        (config.attention, config.dvs_mode) = (st::Mode::Sdt, false);
        config.spike_mode = sdt::SpikeMode::Lif;
        let json = serde_json::to_value(&config).unwrap();
        let mut host = json.as_object().unwrap().clone();
        host.remove("chunk");
        host.remove("attention");
        let host: sdt::Config = serde_json::from_value(host.into()).unwrap();
        let (config, host) = (Config::Statten(config), Config::SpikeDrivenTransformer(host));
        let (weights, images) = (lively(&config, seed), images(&config, seed));
        prop_assert_eq!(run(&config, &weights, &images), run(&host, &weights, &images));
    }

    #[test]
    fn logits_of_every_step_have_the_same_mean(mut config in spike_driven(), seed: u64) {
        let logits = |config: &sdt::Config| {
            let config = Config::SpikeDrivenTransformer(config.clone());
            let network = config.load(&F64::new(), &lively(&config, seed)).unwrap();
            let input = Frames::new(&F64::new(), &images(&config, seed));
            network.forward(&mut Pass::new(&F64::new()), &input)
        };
        config.tet = true;
        let every = logits(&config);
        prop_assert_eq!(every.shape(), [config.time_steps, 2, 3]);
        config.tet = false;
        prop_assert_eq!(mean_logits(&F64::new(), &every), logits(&config));
    }
}

/// What the other tests compare is not silence.
#[test]
fn networks_are_busy() {
    let sdt = sdt::Config { dvs_mode: true, ..sdt::Config::cifar(1, 32) };
    let configs = [
        Config::Spikformer(spikformer::Config::cifar(1, 32, 4)),
        Config::Statten(st::Config::on(&sdt, 2)),
        Config::SpikeDrivenTransformer(sdt),
        Config::Qkformer(qk::Config { dim: 32, ..qk::Config::cifar() }),
    ];
    for config in configs {
        let sent = run(&config, &lively(&config, 1), &images(&config, 1));
        let busy = sent.0.values().filter(|x| x.iter().any(|&n| n != 0.0)).count();
        assert!(10 * busy > 9 * sent.0.len(), "{busy} of {} fired", sent.0.len());
    }
}

#[test]
fn a_coupled_sample_feels_its_neighbour() {
    let config = Config::Qkformer(qk::Config {
        image: [8, 8],
        dim: 16,
        heads: 2,
        depths: vec![1, 1, 2],
        ..qk::Config::cifar()
    });
    let (weights, images) = (lively(&config, 3), images(&config, 3));
    let (both, alone) =
        (run(&config, &weights, &images), run(&config, &weights, &sample(&images, 1)));
    assert_ne!(both.0["logits"].index_axis(Axis(0), 1), alone.0["logits"].index_axis(Axis(0), 0));
}

#[test]
fn pooling_is_written_as_published() {
    let json = |pooling: &str| format!(r#""{pooling}""#);
    let read = |text: &str| serde_json::from_str::<sdt::Pooling>(&json(text));
    for pools in ["0011", "0111", "1111", "0000", "1010"] {
        assert_eq!(serde_json::to_string(&read(pools).unwrap()).unwrap(), json(pools));
    }
    assert_eq!(read("0111").unwrap().stride(), 8);
    for wrong in ["", "001", "00111", "0021"] {
        let message = format!(
            "configuration field `pooling` is `{wrong}`, expected four characters 0 or 1, one a \
             stage, such as `0011`"
        );
        assert!(read(wrong).unwrap_err().to_string().starts_with(&message), "{message}");
    }
}

#[test]
fn configurations_that_contradict_themselves_say_so() {
    let sdt = |edit: fn(&mut sdt::Config)| {
        let mut config = sdt::Config::cifar(1, 32);
        edit(&mut config);
        Config::SpikeDrivenTransformer(config)
    };
    let statten = |edit: fn(&mut st::Config)| {
        let mut config = st::Config::cifar(1, 32);
        edit(&mut config);
        Config::Statten(config)
    };
    let qkformer = |edit: fn(&mut qk::Config)| {
        let mut config = qk::Config::cifar();
        edit(&mut config);
        Config::Qkformer(config)
    };
    let spikformer = spikformer::Config {
        similarity: Similarity::Xnor { a: 2.0 },
        ..spikformer::Config::cifar(1, 32, 4)
    };
    let cases = [
        (sdt(|c| c.time_steps = 0), "`time_steps` is 0, expected at least 1"),
        (sdt(|c| c.image = [32, 30]), "`image` is 30, expected a positive multiple of 4"),
        (sdt(|c| c.heads = 5), "`heads` is 5, expected a divisor of 32"),
        (sdt(|c| c.dim = 12), "`dim` is 12, expected a positive multiple of 8"),
        (statten(|c| c.chunk = 3), "`chunk` is 3, expected a divisor of 4"),
        (statten(|c| c.chunk = 0), "`chunk` is 0, expected a divisor of 4"),
        (statten(|c| c.depth = 0), "`depth` is 0, expected at least 1"),
        (qkformer(|c| c.depths = vec![4]), "`depths` is [4], expected 3 numbers, one a stage"),
        (qkformer(|c| c.depths[1] = 0), "`depths` is 0, expected at least 1"),
        (qkformer(|c| c.heads = 7), "`heads` is 7, expected a divisor of 96"),
        (qkformer(|c| c.image = [2, 2]), "`image` is 2, expected a positive multiple of 4"),
        (Config::Spikformer(spikformer), "`similarity.a` is 2, expected 0 to 1"),
    ];
    for (config, message) in cases {
        let error = config.draw(&F64::new(), 0).err().unwrap().to_string();
        assert_eq!(error, format!("configuration field {message}"));
    }
}

#[test]
fn weights_of_another_system_are_refused() {
    let sdt = Config::SpikeDrivenTransformer(sdt::Config::cifar(1, 32));
    let qkformer = Config::Qkformer(qk::Config { dim: 32, ..qk::Config::cifar() });
    let weights = lively(&sdt, 0);
    let error = qkformer.load(&F64::new(), &weights).err().unwrap().to_string();
    assert!(error.starts_with("tensor `patch_embed1.proj_res_conv.weight` is missing"), "{error}");
    let narrower = Config::SpikeDrivenTransformer(sdt::Config::cifar(1, 16));
    let error = narrower.load(&F64::new(), &weights).err().unwrap().to_string();
    assert!(error.contains("the configuration does not fit the weights"), "{error}");
}

mod lsformers {
    use snn_models::lsformer::{Attention, Config as Ls, Pool, Shortcut};

    use super::*;

    fn small() -> Ls {
        Ls { image: [16, 16], depths: [0, 1, 0, 1], scale: 4.0, ..Ls::cifar(32, 2) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Windows wider than every grid are no windows.
        #[test]
        fn a_window_over_everything_is_global_attention(config in lsformer(), seed: u64) {
            let Config::Lsformer(mut config) = config else { unreachable!() };
            config.dilations = vec![1];
            config.window = 2 * config.image.into_iter().max().unwrap() + 1;
            let with = |attention| Config::Lsformer(Ls { attention, ..config.clone() });
            let (local, global) = (with(Attention::Window), with(Attention::Global));
            let (weights, images) = (lively(&local, seed), images(&local, seed));
            prop_assert_eq!(run(&local, &weights, &images), run(&global, &weights, &images));
        }

        /// The switches of the comparison change no tensor.
        #[test]
        fn pools_and_attentions_are_compared_at_equal_size(config in lsformer()) {
            let Config::Lsformer(config) = config else { unreachable!() };
            let with = |pool, attention| {
                let config = Ls { pool, attention, learned_thresholds: false, ..config.clone() };
                Config::Lsformer(config).outline().unwrap().1.tensors
            };
            let published = with(Pool::Mean, Attention::Window);
            for pool in [Pool::Sum, Pool::Current, Pool::Max] {
                prop_assert_eq!(&with(pool, Attention::Global), &published);
            }
        }
    }

    #[test]
    fn they_are_busy() {
        for shortcut in [Shortcut::Sew, Shortcut::Membrane] {
            let config = Config::Lsformer(Ls { shortcut, ..small() });
            let sent = run(&config, &lively(&config, 2), &images(&config, 2));
            let silent = |x: &ArrayD<f64>| x.iter().all(|&n| n == 0.0);
            let silent: Vec<_> = sent.0.iter().filter(|(_, x)| silent(x)).map(|(n, _)| n).collect();
            assert!(10 * silent.len() < sent.0.len(), "{shortcut:?}: {silent:?} never fired");
        }
    }

    #[test]
    fn a_learned_threshold_starts_as_the_fixed_one() {
        let config = |learned_thresholds| Config::Lsformer(Ls { learned_thresholds, ..small() });
        let images = images(&config(false), 5);
        let weights = lively(&config(false), 5);
        let (_, mut drawn) = config(true).draw(&F64::new(), 3).unwrap();
        for (name, tensor) in &weights.tensors {
            drawn.tensors.insert(name.clone(), tensor.clone());
        }
        let sent = |learned, weights| sent::run(&F64::new(), &config(learned), weights, &images).0;
        let fixed = sent(false, &weights);
        let pooled = &fixed.0["stages.2.pool.neurons"];
        assert!(pooled.iter().any(|&n| n != 0.0) && pooled.iter().any(|&n| n == 0.0));
        assert_eq!(fixed, sent(true, &drawn));
    }

    #[test]
    fn configurations_that_contradict_themselves_say_so() {
        let with = |edit: fn(&mut Ls)| {
            let mut config = small();
            edit(&mut config);
            Config::Lsformer(config)
        };
        let cases = [
            (with(|c| c.window = 4), "`window` is 4, expected an odd number"),
            (with(|c| c.window = 0), "`window` is 0, expected an odd number"),
            (
                with(|c| c.dilations = vec![]),
                "`dilations` is [], expected one number or more, each at least 1",
            ),
            (
                with(|c| c.dilations = vec![1, 0]),
                "`dilations` is [1, 0], expected one number or more, each at least 1",
            ),
            (with(|c| c.heads = 3), "`heads` is 3, expected a divisor of 8"),
            (with(|c| c.depths[3] = 0), "`depths` is 0, expected at least 1"),
            (with(|c| c.dim = 12), "`dim` is 12, expected a positive multiple of 8"),
            (with(|c| c.scale = 0.0), "`scale` is 0, expected a finite number above 0"),
            (with(|c| c.pool_window = 1), "`pool_window` is 1, expected 2 to 7"),
            (
                with(|c| c.image = [16, 3]),
                "`image` is 3, expected sides that `pooling` can halve by windows of 2",
            ),
            (
                with(|c| (c.pool, c.learned_thresholds) = (Pool::Max, true)),
                "`learned_thresholds` is true, expected false: this `pool` has no neurons of its own",
            ),
        ];
        for (config, message) in cases {
            let error = config.draw(&F64::new(), 0).err().unwrap().to_string();
            assert_eq!(error, format!("configuration field {message}"));
        }
    }
}

mod teformers {
    use snn_models::teformer::{Config as Te, Fusion, Variant};

    use super::*;

    fn small() -> Te {
        Te { image: [8, 8], dim: 32, heads: 2, ..Te::cifar(3) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn samples_are_independent(config in teformer(), seed: u64) {
            let (weights, images) = (lively(&config, seed), images(&config, seed));
            let both = run(&config, &weights, &images);
            for i in 0..2 {
                let alone = run(&config, &weights, &sample(&images, i));
                let both = both.0["logits"].index_axis(Axis(0), i).to_owned();
                let alone = alone.0["logits"].index_axis(Axis(0), 0).to_owned();
                prop_assert!(both.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
    }

    #[test]
    fn they_are_busy() {
        let dvs = Te { dim: 64, heads: 2, image: [32, 32], ..Te::dvs(3) };
        let sequence = Te { variant: Variant::Sequence, image: [1, 16], ..small() };
        // Tokens are compared with themselves alone: narrow heads have little in common.
        let both = Te { fusion: Fusion::Bidirectional, dim: 128, heads: 1, ..small() };
        for config in [small(), dvs, sequence, both] {
            let config = Config::Teformer(config);
            let sent = run(&config, &lively(&config, 2), &images(&config, 2));
            let silent = |x: &ArrayD<f64>| x.iter().all(|&n| n == 0.0);
            let silent: Vec<_> = sent.0.iter().filter(|(_, x)| silent(x)).map(|(n, _)| n).collect();
            assert!(10 * silent.len() <= sent.0.len(), "{config:?}: {silent:?} never fired");
        }
    }

    #[test]
    fn tensors_are_called_as_the_authors_call_them() {
        let (_, weights) = Config::Teformer(Te::cifar(10)).outline().unwrap();
        let shape = |name: &str| weights.get(name).map(|tensor| tensor.shape().to_vec());
        let expected: [(&str, &[usize]); 12] = [
            ("patch_embed1.proj1_conv.weight", &[96, 48, 3, 3]),
            ("patch_embed2.proj_res_conv.weight", &[192, 96, 1, 1]),
            ("patch_embed3.proj4_bn.running_var", &[384]),
            ("stage1.0.tssa.v_conv.weight", &[96, 96, 3]),
            ("stage1.0.tssa.proj_conv.bias", &[96]),
            ("stage2.0.tssa.TIMv2.theta", &[]),
            ("stage2.0.mlp.input_x.weight", &[768, 192, 1]),
            ("stage2.0.mlp.forget_h.bias", &[768]),
            ("stage2.0.mlp.fc_bn2.weight", &[192]),
            ("stage3.1.ssa.q_conv.weight", &[384, 384, 1]),
            ("stage3.1.mlp.fc_conv1.weight", &[1536, 384, 1, 1]),
            ("stage3.1.mlp.fc_bn2.num_batches_tracked", &[]),
        ];
        for (name, expected) in expected {
            assert_eq!(shape(name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn configurations_that_contradict_themselves_say_so() {
        let with = |edit: fn(&mut Te)| {
            let mut config = small();
            edit(&mut config);
            Config::Teformer(config)
        };
        let cases = [
            (with(|c| c.heads = 3), "`heads` is 3, expected a divisor of 8"),
            (with(|c| c.time_steps = 0), "`time_steps` is 0, expected at least 1"),
            (with(|c| c.depths = vec![1]), "`depths` is [1], expected 3 numbers, one a stage"),
            (with(|c| c.image = [8, 6]), "`image` is 6, expected a positive multiple of 4"),
            (with(|c| c.variant = Variant::Sequence), "`image` is 8, expected a divisor of 1"),
        ];
        for (config, message) in cases {
            let error = config.draw(&F64::new(), 0).err().unwrap().to_string();
            assert_eq!(error, format!("configuration field {message}"));
        }
    }
}
