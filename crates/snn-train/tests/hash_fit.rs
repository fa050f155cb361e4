//! Hash functions that are fitted before training.

use std::{collections::BTreeMap, path::Path};

use snn_core::{Event, Pass, Probe, Tensor, Weights};
use snn_data::{Dataset, Sources};
use snn_models::Frames;
use snn_train::{
    Precision, Torch,
    run::{Config, Metrics, Progress, RunError, RunFolder, Trainer, Watch, preset},
};
use tch::Device;

/// A network so small that an epoch takes no time, on 60 digits.
fn small(changes: &[&str]) -> (Config, Sources) {
    let mut all = vec!["epochs=1", "batch=20", "model.host.image=[8, 8]", "model.host.dim=8"];
    all.extend(["model.host.heads=2", "model.host.depth=2", "model.host.mlp_ratio=1"]);
    all.extend(["model.attention.points=5", "model.attention.bits=[6, 4]"]);
    all.extend(changes);
    let all: Vec<String> = all.iter().map(|&change| change.to_owned()).collect();
    let config = preset("digits-efficient", &all).unwrap();
    let mut digits = Dataset::open("digits", None).unwrap();
    digits.train = digits.train.select(&(0..60).map(|i| i * 7).collect::<Vec<_>>()).into();
    digits.test = digits.test.select(&[0, 1, 2]).into();
    let data = Sources::of(&digits, &config.augment).unwrap();
    (config, data)
}

struct Until(usize);

impl Watch for Until {
    fn step(&mut self, progress: &Progress) {
        if progress.epoch > self.0 {
            std::panic::resume_unwind(Box::new("stopped"));
        }
    }
    fn epoch(&mut self, _: &Metrics) {}
}

/// Trains in `path`, or goes on there, until so many epochs are done.
fn train(path: &Path, (config, data): &(Config, Sources), epochs: usize) -> Weights {
    let folder = match path.is_dir() {
        true => RunFolder::open(path).unwrap().0,
        false => RunFolder::create(path, config, "").unwrap(),
    };
    let mut trainer = Trainer::resume(config.clone(), data, &folder).unwrap();
    let run = std::panic::AssertUnwindSafe(|| trainer.run(&folder, &mut Until(epochs)).unwrap());
    assert_eq!(std::panic::catch_unwind(run).is_ok(), epochs == config.epochs);
    Weights::load(&folder.file("last.safetensors")).unwrap()
}

/// The weights of a network that does not move.
fn drawn(changes: &[&str]) -> ((Config, Sources), BTreeMap<String, Vec<f32>>) {
    let run = small(&[&["schedule={lr=0.0}"], changes].concat());
    let parent = tempfile::tempdir().unwrap();
    let weights = train(&parent.path().join("run"), &run, 1);
    let of_model = |(name, tensor): (&String, &std::sync::Arc<Tensor>)| {
        let name = name.strip_prefix("model.")?;
        Some((name.to_owned(), tensor.to_f32().into_iter().collect()))
    };
    (run, weights.tensors.iter().filter_map(of_model).collect())
}

#[test]
fn every_attention_is_fitted_and_nothing_else_moves() {
    let (_, plain) = drawn(&[]);
    let (_, fitted) = drawn(&["hash_fit={}"]);
    assert_eq!(fitted, drawn(&["hash_fit={}"]).1);
    let moved: Vec<&String> = plain.keys().filter(|&name| plain[name] != fitted[name]).collect();
    for block in ["block.0", "block.1"] {
        let parts = ["support", "0.centre", "1.centre", "0.projection", "1.projection"];
        for part in parts {
            let name = format!("{block}.attn.hash.{part}");
            assert!(moved.contains(&&name), "{name} in {moved:?}");
        }
    }
    // Passes that look at tokens move the means of BatchNorms, as every pass that trains.
    let other = |name: &&&String| !name.contains(".hash.") && !name.contains("running_");
    let other: Vec<_> = moved.iter().filter(other).collect();
    assert!(other.iter().all(|name| name.ends_with("num_batches_tracked")), "{other:?}");
    // Support points are tokens of length one.
    for point in fitted["block.1.attn.hash.support"].chunks(4) {
        let length: f32 = point.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "{point:?}");
    }
}

/// Of the first attention: how many of the bits of a token and the one most like it agree, less
/// those of the one least like it.
#[derive(Default)]
struct Contrast(Option<f64>);

impl Probe<Torch> for Contrast {
    fn observe(&mut self, _: &Torch, event: Event<'_, Torch>) {
        let Event::Hash { tokens, signs, heads, .. } = event else { return };
        if self.0.is_some() {
            return;
        }
        let by_head = |x: &snn_train::torch::Real| {
            let size = x.tensor().size();
            let (heads, channels) = (heads as i64, size[size.len() - 1]);
            x.tensor().view([size[0] * size[1], -1, heads, channels / heads]).transpose(1, 2)
        };
        let [q, k] = tokens.map(by_head);
        let both = tch::Tensor::cat(&[&q, &k], 2);
        let units = &both / both.square().sum_dim_intlist(-1, true, None).sqrt();
        let [q, k] = signs.map(by_head);
        let codes = tch::Tensor::cat(&[&q, &k], 2).sign();
        let [alike, agree] = [units, codes].map(|x| x.matmul(&x.transpose(-1, -2)));
        let of = |choice: tch::Tensor| agree.gather(-1, &choice, false).mean(None);
        // A token is most like itself.
        let eye = tch::Tensor::eye(alike.size()[3], (alike.kind(), Device::Cpu)) * 9.0;
        let most = (&alike - &eye).argmax(-1, true);
        let least = (&alike + &eye).argmin(-1, true);
        self.0 = Some((of(most) - of(least)).double_value(&[]));
    }
}

#[test]
fn fitted_codes_tell_tokens_apart_that_drawn_ones_do_not() {
    let contrast = |changes: &[&str]| {
        let ((config, data), weights) = drawn(changes);
        let mut loaded = Weights::default();
        let (_, outline) = config.model.outline().unwrap();
        for (name, tensor) in outline.tensors {
            let mut values = weights[&name].iter().copied();
            let shape = tensor.to_f32().raw_dim();
            let values = ndarray::ArrayD::from_shape_simple_fn(shape, || values.next().unwrap());
            loaded.insert(
                name.as_str(),
                match tensor.as_ref() {
                    Tensor::F32(_) => Tensor::F32(values),
                    Tensor::I64(_) => Tensor::I64(values.mapv(|x| x as i64)),
                },
            );
        }
        let backend = Torch::new(Device::Cpu, Precision::Single).unwrap();
        let network = config.model.load(&backend, &loaded).unwrap();
        let loader = snn_data::LoaderConfig { batch: 60, ..Default::default() };
        let loader = snn_data::Loader::new(data.train.clone(), loader).unwrap();
        let batch = loader.epoch(0).next().unwrap().unwrap();
        let mut found = Contrast::default();
        tch::no_grad(|| {
            let input = Frames::new(&backend, &batch.inputs);
            network.forward(&mut Pass::train(&backend).with_probe(&mut found), &input);
        });
        found.0.unwrap()
    };
    let fit = "hash_fit={images=60, neighbours=2, rate=0.05}";
    let (plain, fitted) = (contrast(&[]), contrast(&[fit]));
    assert!(fitted > plain, "{fitted} against {plain}");
}

#[test]
fn a_run_that_goes_on_is_not_fitted_again() {
    let run = small(&["hash_fit={}", "epochs=2"]);
    let parent = tempfile::tempdir().unwrap();
    let [whole, parted] = ["whole", "parted"].map(|name| parent.path().join(name));
    let expected = train(&whole, &run, 2);
    train(&parted, &run, 1);
    let found = train(&parted, &run, 2);
    for (name, tensor) in &expected.tensors {
        assert_eq!(found.tensors[name].to_f32(), tensor.to_f32(), "{name}");
    }
}

#[test]
fn what_cannot_be_fitted_is_told() {
    let told = |changes: &[&str]| {
        let (config, data) = small(changes);
        let error = Trainer::new(config, &data).map(|_| ()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let few = told(&["hash_fit={}", "model.attention.points=9"]);
    assert!(few.contains("block.0.attn") && few.contains("9 support points from 8"), "{few}");
    let none = told(&["hash_fit={}", "model.attention={kind='softmax'}"]);
    assert!(none.contains("`hash_fit` is given, expected none"), "{none}");
    for (wrong, told) in [
        ("hash_fit={images=0}", "`hash_fit.images` is 0"),
        ("hash_fit={neighbours=0}", "`hash_fit.neighbours` is 0"),
        ("hash_fit={rate=-1.0}", "`hash_fit.rate` is -1"),
        ("hash_fit={momentum=1.0}", "`hash_fit.momentum` is 1"),
    ] {
        let error = preset("digits-efficient", &[wrong.into()]).unwrap_err();
        assert!(matches!(error, RunError::Value { .. }) && error.to_string().contains(told));
    }
}
