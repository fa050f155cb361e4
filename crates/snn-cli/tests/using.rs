//! What works without libtorch: evaluating, classifying, listing, checking.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{fails, says, snn, succeeds, text};
use serde_json::Value;
use snn_core::{Reference, Tensor, Weights};
use snn_models::Config;

const CONFIG: &str = r#"
dataset = "digits"
epochs = 3

[model]
system = "spikformer"
variant = "cifar"
image = [8, 8]
in_channels = 1
classes = 10
dim = 8
depth = 1
heads = 2
mlp_ratio = 1
time_steps = 2
"#;

/// The network, with weights that make it fire.
fn network() -> (Config, Weights) {
    let table: toml::Table = CONFIG.parse().unwrap();
    let model: Config = table["model"].clone().try_into().unwrap();
    let (_, mut weights) = model.draw(&Reference::<f32>::new(), 5).unwrap();
    for (name, tensor) in &mut weights.tensors {
        if name.contains("_bn") && name.ends_with(".weight") {
            *tensor = Tensor::F32(tensor.to_f32() * 8.0).into();
        }
    }
    (model, weights)
}

/// A run folder with that network.
fn run(parent: &Path) -> PathBuf {
    let (_, weights) = network();
    let run = parent.join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("config.toml"), CONFIG).unwrap();
    weights.save(&run.join("model.safetensors")).unwrap();
    run
}

fn json(output: &str) -> Value {
    serde_json::from_str(output).unwrap()
}

#[test]
fn eval_compares_precisions() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path());
    let eval = |flags: &[&str]| succeeds(snn(["eval", "--precisions"]).arg(&run).args(flags));
    let found = json(&eval(&["--json", "--batch", "90"]));
    let names: Vec<&Value> =
        found.as_array().unwrap().iter().map(|row| &row["precision"]).collect();
    assert_eq!(names, ["reference-f64", "exact", "f32", "i16", "i8"]);
    let [reference, exact, .., i8] = &found.as_array().unwrap()[..] else { unreachable!() };
    assert_eq!(reference["answers"], 360);
    assert!(exact["spikes"]["compared"].as_u64() > Some(10_000), "{exact}");
    assert_eq!(exact["spikes"]["compared"], reference["spikes"]["compared"]);
    assert_eq!(exact["spikes"]["flipped"], 0);
    assert_eq!(exact["other_answers"], 0);
    assert_eq!(exact["accuracy"], reference["accuracy"]);
    assert!(i8["logit_error"].as_f64() > Some(0.0), "{i8}");
    assert!(i8["spikes"]["flipped"].as_u64() > Some(0), "{i8}");
    let table = eval(&[]);
    assert!(table.contains("spikes flipped") && table.contains(" none "), "{table}");
}

#[test]
fn eval_measures() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path());
    let eval = |flags: &[&str]| succeeds(snn(["eval"]).arg(&run).args(flags));
    let found = json(&eval(&["--json", "--batch", "60"]));
    let keys = [
        "accuracy",
        "images_per_s",
        "ms_per_image",
        "firing_rate",
        "ac",
        "mac",
        "energy_pj",
        "peak_rss_mb",
        "backend",
        "split",
    ];
    let object = found.as_object().unwrap();
    assert!(object.len() == keys.len() && keys.iter().all(|key| object.contains_key(*key)));
    let number = |key: &str| found[key].as_f64().unwrap();
    assert!((0.0..1.0).contains(&number("accuracy")) && number("firing_rate") > 0.0);
    assert!((number("images_per_s") * number("ms_per_image") - 1000.0).abs() < 1e-6);
    // Two layers take real numbers. The image is convolved once for both time steps: 3x3, 1
    // channel, 8x8; the head reads the mean over time: 8 channels, 10 classes.
    assert_eq!(number("mac"), (3 * 3 * 8 * 8 + 8 * 10) as f64);
    assert!(number("ac") > 0.0);
    assert!((number("ac") * 0.9 + number("mac") * 4.6 - number("energy_pj")).abs() < 1e-3);
    assert_eq!(found["backend"], "packed");
    // What does not depend on the clock depends on nothing else: not on the batch either.
    let again = json(&eval(&["--json", "--batch", "7"]));
    assert_eq!(again["accuracy"], found["accuracy"]);
    assert!((again["ac"].as_f64().unwrap() / number("ac") - 1.0).abs() < 1e-9);
    says(&eval(&[]), &["accuracy", "images/s", "uJ an image", "memory traffic", "packed"]);
}

#[test]
fn run_classifies() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path());
    let file = parent.path().join("a digit.png");
    image::GrayImage::from_fn(8, 8, |x, _| image::Luma([32 * x as u8])).save(&file).unwrap();
    let line = succeeds(snn(["run"]).arg(&run).arg(&file).args(["--top", "10"]));
    let (name, classes) = line.trim_end().split_once(": ").unwrap();
    assert_eq!(name, file.display().to_string());
    let classes: Vec<(&str, f64)> = classes
        .split(", ")
        .map(|class| class.split_once(" (").unwrap())
        .map(|(class, share)| (class, share.trim_end_matches(" %)").parse().unwrap()))
        .collect();
    assert!(classes.is_sorted_by(|a, b| a.1 >= b.1), "{line}");
    assert!((classes.iter().map(|class| class.1).sum::<f64>() - 100.0).abs() < 1.0);
    let mut labels: Vec<&str> = classes.iter().map(|class| class.0).collect();
    labels.sort_unstable();
    assert_eq!(labels.concat(), "0123456789");
}

#[test]
fn models_lists_what_the_zoo_has() {
    let presets = snn_models::Preset::all();
    let listed = json(&succeeds(&mut snn(["models", "--json"])));
    for (preset, listed) in presets.iter().zip(listed.as_array().unwrap()) {
        assert_eq!(listed["name"], preset.name);
        assert_eq!(listed["parameters"], preset.parameters);
        assert_eq!(listed["system"], listed["config"]["system"]);
    }
    let table = succeeds(&mut snn(["models"]));
    let mut text = snn_models::wta_spikingformer::presets();
    text.extend(snn_models::matterhorn::presets());
    assert_eq!(table.lines().count(), presets.len() + text.len() + 1);
    for preset in text {
        let name = format!("{} ", preset.name);
        let line = table.lines().find(|line| line.starts_with(&name)).unwrap();
        says(line, &["our reading", &preset.parameters.to_string()]);
    }
}

/// A golden file of the network of [`CONFIG`], with its own outputs; `wrong` is added to a logit.
fn golden(path: &Path, wrong: f32) {
    use ndarray::{ArrayD, IxDyn};
    use snn_core::{Backend, Input, Pass, Signal};
    let (model, mut weights) = network();
    let backend = Reference::<f64>::new();
    let network = model.load(&backend, &weights).unwrap();
    let image = ArrayD::from_shape_fn(IxDyn(&[2, 1, 8, 8]), |i| (i[0] + i[2] * i[3]) as f32 / 20.0);
    let input = snn_models::Frames::from_torch_layout(&backend, &image);
    let mut rates = snn_core::probe::Rates::new();
    let pass = &mut Pass::new(&backend).with_probe(&mut rates);
    let logits = network.forward(pass, &input);
    assert_eq!(Signal::<Reference<f64>>::shape(&logits), [2, 10]);
    let mut logits = backend.read(Input::Real(&logits)).mapv(|x| x as f32);
    logits[[1, 3]] += wrong;
    weights.insert("input", Tensor::F32(image));
    weights.insert("logits", Tensor::F32(logits));
    for layer in rates.layers() {
        let mean = layer.rates.iter().sum::<f64>() / layer.rates.len() as f64;
        let rate = ArrayD::from_elem(IxDyn(&[1]), mean as f32);
        weights.insert(format!("rate.{}", layer.name), Tensor::F32(rate));
    }
    let config = r#"{"image": [8, 8], "in_channels": 1, "classes": 10, "heads": 2,
        "mlp_ratio": 1, "time_steps": 2, "batch": 2, "dim": 8, "depth": 1}"#;
    for (key, value) in [("system", "spikformer"), ("variant", "cifar"), ("config", config)] {
        weights.metadata.insert(key.into(), value.into());
    }
    weights.save(path).unwrap();
}

#[test]
fn golden_checks_every_backend() {
    let parent = tempfile::tempdir().unwrap();
    let (good, bad) = (parent.path().join("good"), parent.path().join("bad"));
    golden(&good, 0.0);
    golden(&bad, 0.01);
    let rows = json(&succeeds(snn(["golden", "--json"]).arg(&good)));
    let backends = snn_cli::backend::Choice::built_in().into_iter().filter(|b| b.keeps_spikes());
    let backends: Vec<_> = backends.collect();
    assert_eq!(rows.as_array().unwrap().len(), backends.len());
    for (row, backend) in rows.as_array().unwrap().iter().zip(backends) {
        assert_eq!(row["backend"], backend.name());
        assert!(row["passed"].as_bool().unwrap(), "{row}");
        assert!(row["logits"].as_f64().unwrap() < 1e-4 && row["rate"].as_f64().unwrap() < 1e-6);
        assert!(row["act"].is_null());
    }
    let output = snn(["golden", "--backend", "reference"]).args([&good, &bad]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(table.lines().count(), 3);
    assert!(table.lines().nth(2).unwrap().ends_with("NO"), "{table}");
    says(&told, &["1 of 2", "bad on reference", "logits differs by 1.0e-2, allowed 1e-4"]);
}

#[test]
fn golden_refuses_what_it_does_not_know() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("other");
    let mut weights = Weights::default();
    let scalar = ndarray::arr0(0.0).into_dyn();
    weights.insert("input", Tensor::F32(scalar));
    weights.save(&path).unwrap();
    says(&fails(snn(["golden"]).arg(&path)), &["other", "`system` is missing"]);
    weights.metadata.insert("system".into(), "brain".into());
    weights.metadata.insert("config".into(), "{}".into());
    weights.save(&path).unwrap();
    says(&fails(snn(["golden"]).arg(&path)), &["other", "brain"]);
}

#[test]
fn every_help_shows_an_example() {
    for command in ["train", "eval", "ablate", "run", "models", "golden"] {
        let help = succeeds(&mut snn([command, "--help"]));
        says(&help, &["Example", &format!("snn {command}")]);
    }
    says(&succeeds(&mut snn(["--help"])), &["Example: snn train digits"]);
}

#[test]
#[cfg(not(feature = "torch"))]
fn what_needs_libtorch_says_so() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path());
    says(&fails(&mut snn(["train"])), &["without libtorch", "training", "cargo xtask"]);
    let message = fails(snn(["eval", "--backend", "torch"]).arg(run));
    says(&message, &["without libtorch", "`torch`", "--features torch"]);
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    says(&fails(snn(["models"]).stdout(full)), &["No space left"]);
}

/// Levels, and the spikes that they stand for: the same answers.
#[test]
fn integer_neurons_are_evaluated_as_spikes() {
    let config = r#"
dataset = "digits"

[model]
system = "e-spikeformer"
variant = "base"
image = [16, 16]
in_channels = 1
classes = 10
embed_dims = [8, 8, 8, 8]
depths = [1, 1]
heads = 2
mlp_ratio = 1
levels = 4
"#;
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("config.toml"), config).unwrap();
    let table: toml::Table = config.parse().unwrap();
    let model: Config = table["model"].clone().try_into().unwrap();
    let (_, weights) = model.draw(&Reference::<f32>::new(), 5).unwrap();
    weights.save(&run.join("model.safetensors")).unwrap();
    for backend in ["reference-f64", "packed"] {
        let eval = |flags: &[&str]| {
            let flags = [&["--json", "--backend", backend], flags].concat();
            json(&succeeds(snn(["eval"]).arg(&run).args(flags)))
        };
        let (levels, spikes) = (eval(&[]), eval(&["--unfolded"]));
        assert_eq!(levels["accuracy"], spikes["accuracy"]);
        assert!(spikes["firing_rate"].as_f64().unwrap() > 0.0);
        assert_eq!(spikes["backend"], format!("{backend}-unfolded"));
    }
}

#[test]
fn choose_explains_its_pick() {
    let words = ["choose", "--task", "nlp", "--hardware", "cpu", "--priority", "efficiency"];
    let told = succeeds(&mut snn(words));
    says(&told, &["wd-spikingformer-0.4b\n", "published: 238.4 mJ", "our reading: "]);
    let pick = json(&succeeds(snn(words).arg("--json")));
    assert_eq!(pick["evidence"][0]["kind"], "published");
    let words = ["choose", "--task", "vision", "--hardware", "abacus", "--priority", "accuracy"];
    says(&fails(&mut snn(words)), &["hardware is `abacus`, expected one of gpu, cpu, edge"]);
    let words = ["choose", "--task", "multimodal", "--hardware", "cpu", "--priority", "accuracy"];
    says(&fails(&mut snn(words)), &["task is `multimodal`", "several kinds of input at once"]);
}
