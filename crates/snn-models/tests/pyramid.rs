//! Networks of four stages: Meta-SpikeFormer and its descendants.

mod common;
#[path = "common/lively.rs"]
mod lively;
#[path = "common/pyramids.rs"]
mod pyramids;
#[path = "common/sent.rs"]
mod sent;

use lively::{images, lively};
use ndarray::{ArrayD, Axis};
use proptest::prelude::*;
use pyramids::{any, integer, meta};
use sent::Sent;
use snn_attn::{Attend, Similarity};
use snn_core::{
    Backend, Builder, Event, LoadError, Outline, Pass, Probe, Reference, Signal, Tensor, Unfolded,
    outline,
};
use snn_models::{Config, Frames, Network, golden::Golden, meta_spikeformer, qsd_transformer};

type F64 = Reference<f64>;

/// The shapes of all that a pass reports, in order.
#[derive(Default, PartialEq, Debug)]
struct Shapes(Vec<(String, Vec<usize>)>);

impl<B: Backend> Probe<B> for Shapes {
    fn observe(&mut self, _: &B, event: Event<'_, B>) {
        let (name, shape) = match event {
            Event::Synapse { name, input, .. } => (name, input.shape()),
            Event::Product { name, left, .. } => (name, left.shape()),
            Event::Neuron { name, output, .. } => (name, output.shape()),
            Event::Attention { name, q, .. } => (name, q.shape()),
            Event::Coded { name, levels, .. } => (name, levels.shape()),
            Event::Hash { name, signs: [y, _], .. } => (name, y.shape()),
            Event::Output { name, x } => (name, x.shape()),
        };
        self.0.push((name.to_owned(), shape));
    }
}

/// Everything sent, and the logits.
fn run<B: Attend + 'static>(backend: &B, config: &Config, seed: u64) -> (Sent, ArrayD<f64>) {
    sent::run(backend, config, &lively(config, seed), &images(config, seed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Spike firing approximation: a network of integer neurons, and the same
    /// network on spikes over virtual steps.
    #[test]
    fn levels_and_their_spikes_compute_the_same(config in integer(), seed: u64) {
        let (levels, logits) = run(&F64::new(), &config, seed);
        let (spikes, other) = run(&Unfolded::new(F64::new()), &config, seed);
        let fired = levels.0.values().filter(|x| x.iter().any(|&n| n > 0.0)).count();
        // A network that hardly fires shows nothing.
        prop_assume!(2 * fired > levels.0.len());
        prop_assert_eq!(levels.0, spikes.0);
        prop_assert!(logits.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn an_outline_has_the_shapes_of_the_network(config in any(), seed: u64) {
        let backend = F64::new();
        let network = config.load(&backend, &lively(&config, seed)).unwrap();
        let (outlined, _) = config.outline().unwrap();
        let images = images(&config, seed);
        let (mut real, mut bare) = (Shapes::default(), Shapes::default());
        let input = Frames::new(&backend, &images);
        let a = network.forward(&mut Pass::new(&backend).with_probe(&mut real), &input);
        let input = Frames::new(&Outline, &images);
        let b = outlined.forward(&mut Pass::new(&Outline).with_probe(&mut bare), &input);
        prop_assert_eq!(real, bare);
        prop_assert_eq!(outline::Real::new(a.shape()), b);
    }

    #[test]
    fn features_halve_and_halve(config in meta(), seed: u64) {
        let weights = lively(&Config::MetaSpikeformer(config.clone()), seed);
        let backend = Reference::<f32>::new();
        let network = config.build(&Builder::load(&backend, &weights)).unwrap();
        let images = images(&Config::MetaSpikeformer(config.clone()), seed);
        let input = Frames::new(&backend, &images);
        let features = network.features(&mut Pass::new(&backend), &input);
        let meta_spikeformer::Config { image: [h, w], embed_dims: [c1, c2, _, c4], .. } = config;
        for (x, (stride, channels)) in
            features.iter().zip([(2, c1 / 2), (4, c1), (8, c2), (16, c4)])
        {
            let expected = [config.time_steps, 2, h.div_ceil(stride), w.div_ceil(stride), channels];
            prop_assert_eq!(x.shape(), expected);
        }
    }

    #[test]
    fn two_classifiers_answer_with_their_mean(config in meta(), seed: u64) {
        let config = meta_spikeformer::Config { distill_head: true, ..config };
        let weights = lively(&Config::MetaSpikeformer(config.clone()), seed);
        let backend = F64::new();
        let network = config.build(&Builder::load(&backend, &weights)).unwrap();
        let images = images(&Config::MetaSpikeformer(config), seed);
        let input = Frames::new(&backend, &images);
        let (class, distilled) = network.heads(&mut Pass::new(&backend), &input);
        let mean = (&class + &distilled.unwrap()) / 2.0;
        let logits = network.forward(&mut Pass::new(&backend), &input);
        prop_assert!(logits.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-12));
        let (class, _) = network.heads(&mut Pass::train(&backend), &input);
        prop_assert_eq!(network.forward(&mut Pass::train(&backend), &input), class);
    }

    /// A plain network knows nothing of the second classifier.
    #[test]
    fn a_second_classifier_does_not_disturb_the_first(config in meta(), seed: u64) {
        let plain = meta_spikeformer::Config { distill_head: false, ..config.clone() };
        let both = meta_spikeformer::Config { distill_head: true, ..config };
        let weights = lively(&Config::MetaSpikeformer(both.clone()), seed);
        let backend = F64::new();
        let images = images(&Config::MetaSpikeformer(both.clone()), seed);
        let input = Frames::new(&backend, &images);
        let network = both.build(&Builder::load(&backend, &weights)).unwrap();
        let (class, _) = network.heads(&mut Pass::new(&backend), &input);
        let network = plain.build(&Builder::load(&backend, &weights)).unwrap();
        let (alone, none) = network.heads(&mut Pass::new(&backend), &input);
        prop_assert_eq!(alone, class);
        prop_assert!(none.is_none());
    }

    #[test]
    fn common_silence_of_no_weight_changes_nothing(config in meta(), seed: u64) {
        let with = |similarity| {
            Config::MetaSpikeformer(meta_spikeformer::Config { similarity, ..config.clone() })
        };
        let (dot, logits) = run(&F64::new(), &with(Similarity::Dot), seed);
        let (xnor, other) = run(&F64::new(), &with(Similarity::Xnor { a: 0.0 }), seed);
        prop_assert_eq!(dot.0, xnor.0);
        prop_assert_eq!(logits, other);
    }

    /// Memoryless neurons: every time step gives the same.
    #[test]
    fn time_adds_nothing_to_integer_neurons(config in integer(), seed: u64) {
        let mut once = config.clone();
        match &mut once {
            Config::QsdTransformer(config) => config.time_steps = 1,
            Config::ESpikeformer(snn_models::e_spikeformer::Config::Large(config)) => {
                config.time_steps = 1;
            }
            _ => {}
        }
        let ((steps, logits), (step, other)) =
            (run(&F64::new(), &config, seed), run(&F64::new(), &once, seed));
        for (name, levels) in steps.0 {
            let one = &step.0[&name].index_axis(Axis(0), 0);
            prop_assert!(levels.axis_iter(Axis(0)).all(|levels| levels == *one), "{}", name);
        }
        prop_assert!(logits.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

/// The authors' own levels and logits, from spikes.
#[test]
fn golden_files_of_integer_networks_hold_on_spikes() {
    let Some(folder) = common::golden_folder() else { return };
    for name in ["e-spikeformer-a", "e-spikeformer-large-a", "qsd-transformer-a"] {
        let golden = Golden::load(&folder.join(name).with_extension("safetensors")).unwrap();
        let comparison = golden.compare(&Unfolded::new(F64::new())).unwrap();
        let failures: Vec<_> = comparison.failures().collect();
        assert!(failures.is_empty(), "{name}: {failures:?}");
    }
}

fn qsd() -> Config {
    Config::QsdTransformer(qsd_transformer::Config {
        image: [16, 16],
        classes: 3,
        heads: 2,
        ..qsd_transformer::Config::imagenet([4, 4, 4, 6], 4)
    })
}

fn logits(config: &Config, weights: &snn_core::Weights) -> Result<ArrayD<f64>, LoadError> {
    let backend = F64::new();
    let network = config.load(&backend, weights)?;
    let input = Frames::new(&backend, &images(config, 1));
    Ok(network.forward(&mut Pass::new(&backend), &input))
}

#[test]
fn dead_tensors_of_qsd_may_hold_anything() {
    let mut weights = lively(&qsd(), 1);
    let expected = logits(&qsd(), &weights).unwrap();
    for (name, tensor) in &mut weights.tensors {
        if name.contains(".act.") {
            *tensor = Tensor::F32(ArrayD::from_elem(tensor.shape(), f32::NAN)).into();
        }
    }
    assert_eq!(logits(&qsd(), &weights).unwrap(), expected);
}

#[test]
fn steps_of_qsd_that_nothing_has_set_are_those_of_the_weights() {
    let mut fresh = lively(&qsd(), 1);
    let mut set = fresh.clone();
    for (name, tensor) in &mut fresh.tensors {
        let (layer, part) = name.rsplit_once('.').unwrap();
        let fill = |value| Tensor::F32(ArrayD::from_elem(tensor.shape(), value)).into();
        if part == "init_state" {
            *tensor = fill(0.0);
        } else if part == "alpha" && !layer.ends_with(".act") {
            let weight = set.get(&format!("{layer}.weight")).unwrap().to_f32();
            let mean = weight.iter().map(|w| f64::from(w.abs())).sum::<f64>() / weight.len() as f64;
            set.insert(
                name.as_str(),
                Tensor::F32(ArrayD::from_elem(tensor.shape(), (2.0 * mean / 7f64.sqrt()) as f32)),
            );
            *tensor = fill(f32::NAN); // memory that nothing has written
        }
    }
    assert_eq!(logits(&qsd(), &fresh).unwrap(), logits(&qsd(), &set).unwrap());
    let backend = F64::new();
    let builder = Builder::load(&backend, &fresh);
    qsd().build(&builder).map(drop).unwrap();
    let used = builder.finish().unwrap();
    let name = "block3.0.attn.q_conv.0.body.2.1";
    assert_eq!(used.get(&format!("{name}.init_state")).unwrap().to_f32()[[0]], 1.0);
    let alpha = format!("{name}.alpha");
    assert_eq!(used.get(&alpha), set.get(&alpha), "what is saved is what was used");
}

#[test]
fn shapes_that_contradict_themselves_say_so() {
    let good = meta_spikeformer::Config::imagenet([64, 128, 256, 360]);
    let message = |config: meta_spikeformer::Config| {
        Config::MetaSpikeformer(config).outline().map(drop).unwrap_err().to_string()
    };
    for (config, expected) in [
        (
            meta_spikeformer::Config { heads: 7, ..good.clone() },
            "configuration field `heads` is 7, expected a divisor of 256",
        ),
        (
            meta_spikeformer::Config { time_steps: 0, ..good.clone() },
            "configuration field `time_steps` is 0, expected at least 1",
        ),
        (
            meta_spikeformer::Config { image: [32, 15], ..good.clone() },
            "configuration field `image` is 15, expected at least 16",
        ),
        (
            meta_spikeformer::Config { embed_dims: [63, 128, 256, 360], ..good.clone() },
            "configuration field `embed_dims` is 63, expected a positive multiple of 2",
        ),
        (
            meta_spikeformer::Config { depths: [0, 0], ..good },
            "configuration field `depths` is 0, expected at least 1",
        ),
    ] {
        assert_eq!(message(config), expected);
    }
    let qsd = qsd_transformer::Config::imagenet([8; 4], 4);
    let config = Config::QsdTransformer(qsd_transformer::Config { weight_bits: 1, ..qsd });
    assert_eq!(
        config.outline().map(drop).unwrap_err().to_string(),
        "configuration field `weight_bits` is 1, expected 2 to 8"
    );
}
