//! From a file to a network: what is recognised, what is left out, and what is refused.

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use snn_core::{Reference, Tensor, Weights};
use snn_import::{Import, Origin, Request, import};
use snn_models::{Config, Preset, spike_driven_transformer, spikformer, teformer};
use tempfile::TempDir;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The network of the files of `data`.
fn tiny() -> spikformer::Config {
    spikformer::Config {
        image: [8, 8],
        in_channels: 1,
        mlp_ratio: 1,
        time_steps: 2,
        ..spikformer::Config::cifar(1, 8, 2)
    }
}

fn weights() -> Weights {
    Weights::load(&data("spikformer.safetensors")).unwrap()
}

fn set(changes: &[&str]) -> Request {
    Request { set: changes.iter().map(|&c| c.to_owned()).collect(), ..Request::default() }
}

/// What the tensors of `tiny` do not tell.
fn untold() -> Request {
    set(&["heads=2", "image=[8, 8]", "time_steps=2"])
}

fn saved(weights: &Weights) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    weights.save(&path).unwrap();
    (folder, path)
}

fn of(weights: &Weights, request: &Request) -> Import {
    let (_folder, path) = saved(weights);
    import(&path, request).unwrap()
}

/// The whole message of an import that fails, and that it says all of it.
#[track_caller]
fn fails(path: &Path, request: &Request, parts: &[&str]) {
    let error = import(path, request).unwrap_err();
    let mut told = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        told += &format!(": {cause}");
        source = cause.source();
    }
    for part in [&path.display().to_string() as &str].iter().chain(parts) {
        assert!(told.contains(part), "no `{part}` in: {told}");
    }
}

#[test]
fn what_pytorch_saved_is_what_was_there() {
    for release in ["torch1", "torch2"] {
        let nested = data(&format!("{release}-spikformer.pth.tar"));
        let found = import(&nested, &Request::default()).unwrap();
        assert_eq!(found.config, Config::Spikformer(tiny()));
        assert_eq!(found.weights.tensors, weights().tensors, "{release}");
        assert_eq!((&*found.report.part, &*found.report.prefix), ("state_dict", "module."));
        let flat = data(&format!("{release}-spikformer-flat.bin"));
        let found = import(&flat, &untold()).unwrap();
        assert_eq!(found.config, Config::Spikformer(tiny()));
        assert_eq!(found.weights.tensors, weights().tensors, "{release}");
        assert_eq!((&*found.report.part, &*found.report.prefix), ("model", ""));
    }
}

#[test]
fn the_files_own_arguments_tell_what_tensors_do_not() {
    let nested = data("torch1-spikformer.pth.tar");
    let found = import(&nested, &Request::default()).unwrap();
    let origin =
        |name: &str| found.report.fields.iter().find(|field| field.name == name).unwrap().origin;
    for name in ["heads", "image", "time_steps"] {
        assert_eq!(origin(name), Origin::File, "{name}");
    }
    for name in ["dim", "depth", "classes", "in_channels", "mlp_ratio", "variant"] {
        assert_eq!(origin(name), Origin::Tensors, "{name}");
    }
    let ignored: Vec<_> =
        found.report.ignored.iter().map(|i| format!("{}: {}", i.name, i.reason)).collect();
    assert_eq!(
        ignored,
        [
            "epoch: 3, no part of the network",
            "arch: `spikformer`, no part of the network",
            "args: an object of argparse.Namespace, no part of the network",
        ]
    );
    // A person knows better.
    let found = import(&nested, &set(&["time_steps=5"])).unwrap();
    assert_eq!(found.config.input().time_steps, 5);
}

#[test]
fn what_nothing_tells_is_asked_for() {
    fails(
        &data("torch2-spikformer-flat.bin"),
        &Request::default(),
        &[
            "no published network of spikformer (cifar) has these shapes",
            "do not tell heads",
            "--set heads=VALUE",
        ],
    );
    let flat = data("torch2-spikformer-flat.bin");
    fails(&flat, &set(&["heads=3"]), &["`heads` is 3, expected a divisor of 8", "--set"]);
    fails(&flat, &set(&["heads=2", "time_steps=0"]), &["`time_steps` is 0", "at least 1"]);
    fails(&flat, &set(&["heads=2", "image=[2, 2]"]), &["`image` is 2", "multiple of 4"]);
    fails(&flat, &set(&["heads=2", "dim=16"]), &["--set dim=16", "the tensors tell 8"]);
    fails(&flat, &set(&["heads=2", "hats=16"]), &["unknown field `hats`"]);
    fails(&flat, &set(&["heads"]), &["--set heads", "expected KEY=VALUE"]);
}

#[test]
fn names_that_are_wrong() {
    let file = data("spikformer.safetensors");
    let system = |name: &str| Request { system: Some(name.into()), ..untold() };
    fails(&file, &system("spikeformer"), &["no system `spikeformer`", "spikformer, statten"]);
    fails(&file, &system("qkformer"), &["those of spikformer, not of qkformer", "--system"]);
    let preset = |name: &str| Request { preset: Some(name.into()), ..Request::default() };
    fails(&file, &preset("spikformer"), &["no preset `spikformer`", "snn models"]);
    fails(
        &file,
        &preset("spikformer-4-256"),
        &[
            "not those of spikformer-4-256",
            "missing (first `block.1.attn.k_bn.bias` of shape [256])",
            "of another shape (first `block.0.attn.k_bn.bias`: [8], expected [256])",
        ],
    );
    let both = Request { system: Some("qkformer".into()), ..preset("spikformer-4-256") };
    fails(&file, &both, &["not of qkformer"]);
    let part = Request { part: Some("model_ema".into()), ..untold() };
    let nested = data("torch2-spikformer-flat.bin");
    fails(&nested, &part, &["no part `model_ema`", "networks are in `model`"]);
}

#[test]
fn files_of_something_else() {
    fails(
        &data("torch2-beside.pth.tar"),
        &Request::default(),
        &["none of its tensors (5, the first `complex`) is called as in a network"],
    );
    let mut foreign = Weights::default();
    foreign.insert("features.0.weight", Tensor::F32(ArrayD::zeros(IxDyn(&[2]))));
    let (_folder, path) = saved(&foreign);
    fails(&path, &Request::default(), &["(1, the first `features.0.weight`)"]);
    let (_folder, path) = saved(&Weights::default());
    fails(&path, &Request::default(), &["holds no tensors under names"]);
}

#[test]
fn a_tensor_that_is_missing_or_one_too_many() {
    let mut less = weights();
    less.tensors.remove("block.0.attn.proj_linear.bias");
    let (_folder, path) = saved(&less);
    fails(
        &path,
        &untold(),
        &[
            "closest to spikformer (cifar)",
            "1 tensor is missing (first `block.0.attn.proj_linear.bias` of shape [8])",
            "--ignore",
        ],
    );
    let mut more = weights();
    let gate = "block.0.attn.gate.weight";
    more.insert(gate, Tensor::F32(ArrayD::zeros(IxDyn(&[8, 8]))));
    let (_folder, path) = saved(&more);
    fails(&path, &untold(), &["1 tensor is unexpected (first `block.0.attn.gate.weight`"]);
    let ignoring = Request { ignore: vec!["block.*.gate.*".into()], ..untold() };
    let found = of(&more, &ignoring);
    assert_eq!(found.weights.tensors, weights().tensors);
    assert_eq!(found.report.ignored[0].name, gate);
    assert_eq!(found.report.ignored[0].reason, "as asked by --ignore");
}

#[test]
fn counters_of_profilers_and_of_old_releases() {
    let mut counted = weights();
    let zero = Tensor::I64(ArrayD::zeros(IxDyn(&[1])));
    counted.insert("block.0.total_ops", zero.clone());
    counted.insert("total_params", zero);
    let found = of(&counted, &untold());
    assert_eq!(found.weights.tensors, weights().tensors);
    assert_eq!(found.report.ignored.len(), 2);
    let mut old = weights();
    old.tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    let found = of(&old, &untold());
    assert_eq!(found.weights.tensors, weights().tensors);
    assert_eq!(found.report.uncounted.len(), 11);
}

#[test]
fn constants_of_neurons_are_left_out() {
    let config = Config::Teformer(teformer::Config {
        image: [8, 8],
        dim: 16,
        heads: 2,
        ..teformer::Config::cifar(3)
    });
    let (_, weights) = config.draw(&Reference::<f32>::new(), 1).unwrap();
    let mut saved = weights.clone();
    let constants = [
        "patch_embed1.proj_lif.threshold",
        "stage1.0.tssa.q_lif.act_fun.alpha",
        "stage2.0.mlp.gate_lif.threshold",
        "stage3.1.mlp.fc_lif2.threshold",
    ];
    for name in constants {
        saved.insert(name, Tensor::F32(ndarray::arr0(0.5).into_dyn()));
    }
    let found = of(&saved, &set(&["heads=2", "image=[8, 8]"]));
    assert_eq!(found.config, config);
    assert_eq!(found.weights.tensors, weights.tensors);
    let left: Vec<_> = found.report.ignored.iter().map(|left| left.name.as_str()).collect();
    assert_eq!(left, constants);
}

#[test]
fn numbers_that_are_none() {
    let mut weights = weights();
    let mut broken = weights.get("head.weight").unwrap().to_f32();
    broken[[3, 1]] = f32::NAN;
    weights.insert("head.weight", Tensor::F32(broken));
    let (_folder, path) = saved(&weights);
    fails(&path, &untold(), &["`head.weight` holds NaN at element 25"]);
}

#[test]
fn the_wrapper_with_most_names_is_taken() {
    let mut wrapped = Weights::default();
    for (name, tensor) in weights().tensors {
        wrapped.tensors.insert(format!("_orig_mod.module.{name}"), tensor);
    }
    wrapped.insert("criterion.head.weight", Tensor::F32(ArrayD::zeros(IxDyn(&[2]))));
    let found = of(&wrapped, &untold());
    assert_eq!(found.weights.tensors, weights().tensors);
    assert_eq!(found.report.prefix, "_orig_mod.module.");
    assert_eq!(found.report.ignored[0].name, "criterion.head.weight");
}

#[test]
fn the_network_goes_before_its_average_unless_that_is_asked_for() {
    let mut both = Weights::default();
    for (name, tensor) in weights().tensors {
        let average = Tensor::F32(tensor.to_f32() + 1.0);
        both.insert(format!("ema.{name}"), average);
        both.tensors.insert(format!("online.{name}"), tensor);
    }
    let found = of(&both, &untold());
    assert_eq!(found.weights.tensors, weights().tensors);
    let other = &found.report.ignored[0];
    assert_eq!((&*other.name, &*other.reason), ("ema", "another network; --part ema takes it"));
    let found = of(&both, &Request { part: Some("ema".into()), ..untold() });
    assert_eq!(found.report.prefix, "ema.");
}

#[test]
fn systems_whose_tensors_are_alike_are_told_apart_by_a_person() {
    let config = spike_driven_transformer::Config::cifar(1, 16);
    let config = Config::SpikeDrivenTransformer(config);
    let (_, weights) = config.draw(&Reference::<f32>::new(), 3).unwrap();
    let (_folder, path) = saved(&weights);
    let request = |system: Option<&str>| Request {
        system: system.map(str::to_owned),
        ..set(&[
            "pooling=0011",
            "image=[32, 32]",
            "time_steps=4",
            "tet=false",
            "dvs_mode=false",
            "events=false",
        ])
    };
    fails(&path, &request(None), &["spike-driven-transformer and statten", "--system NAME"]);
    let found = import(&path, &request(Some("spike-driven-transformer"))).unwrap();
    assert_eq!(found.config, config);
    let statten = Request { system: Some("statten".into()), ..request(None) };
    let statten = Request { set: [statten.set, vec!["chunk=2".into()]].concat(), ..statten };
    assert_eq!(import(&path, &statten).unwrap().config.system(), "statten");
}

#[test]
fn published_networks_that_differ_in_what_tensors_do_not_tell() {
    let preset = Preset::named("spikformer-2-256-gesture").unwrap();
    let (_, weights) = preset.config.draw(&Reference::<f32>::new(), 3).unwrap();
    let found = of(&weights, &Request::default());
    assert_eq!((found.report.preset, &found.report.others[..]), (Some(preset.name), &[][..]));
    // Trained further on other classes: the rest is that of the published network.
    let other = spikformer::Config::dvs(5);
    let (_, weights) = Config::Spikformer(other.clone()).draw(&Reference::<f32>::new(), 3).unwrap();
    let found = of(&weights, &Request::default());
    assert_eq!(found.config, Config::Spikformer(other.clone()));
    assert_eq!(found.report.preset, None);
    let request = Request { preset: Some(preset.name.into()), ..set(&["classes=5"]) };
    assert_eq!(of(&weights, &request).config, Config::Spikformer(other));
}
