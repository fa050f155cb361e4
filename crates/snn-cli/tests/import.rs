//! `snn import`: from a file of PyTorch to a run folder that the other commands use.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{fails, names, says, snn, succeeds};
use serde_json::Value;
use snn_core::{Reference, Weights};
use snn_models::{Config, Preset};

/// A small network in a file of PyTorch, with the arguments of its training.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../snn-import/tests/data").join(name)
}

#[test]
fn what_is_imported_can_be_measured() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("some/where");
    let mut command = snn(["import"]);
    command.arg(file("torch1-spikformer.pth.tar")).args(["--dataset", "digits", "--out"]).arg(&out);
    let told = succeeds(&mut command);
    says(
        &told,
        &[
            "PyTorch stream",
            "network: a spikformer that is no published network, 1659 parameters",
            "heads        2                 from the training arguments in the file",
            "dim          8                 told by the tensors",
            "used: 78 tensors, from `state_dict`, without `module.` in front",
            "`args`: an object of argparse.Namespace, no part of the network",
            "missing: none",
            &format!("run folder {}", out.display()),
        ],
    );
    assert_eq!(names(&out), ["config.toml", "model.safetensors"]);
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    says(
        &config,
        &["# Imported from \"torch1-spikformer.pth.tar\", SHA-256 ", "dataset = \"digits\""],
    );
    let written = Weights::load(&out.join("model.safetensors")).unwrap();
    assert_eq!(written.tensors, Weights::load(&file("spikformer.safetensors")).unwrap().tensors);
    assert_eq!(written.metadata["sha256"].len(), 64);
    let found = succeeds(snn(["eval", "--json", "--backend", "reference"]).arg(&out));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert!((0.0..1.0).contains(&found["accuracy"].as_f64().unwrap()));
    // Not twice.
    says(&fails(&mut command), &[&out.display().to_string(), "exists already", "--out"]);
    assert_eq!(names(&parent.path().join("some")), ["where"]);
}

#[test]
fn a_published_network_knows_its_dataset() {
    let parent = tempfile::tempdir().unwrap();
    let preset = Preset::named("spikformer-2-256-gesture").unwrap();
    let (_, weights) = preset.config.draw(&Reference::<f32>::new(), 1).unwrap();
    weights.save(&parent.path().join("weights.safetensors")).unwrap();
    let import = || {
        let mut command = snn(["import", "weights.safetensors", "--json"]);
        let found = succeeds(command.current_dir(parent.path()));
        serde_json::from_str::<Value>(&found).unwrap()
    };
    let found = import();
    assert_eq!(found["preset"], preset.name);
    assert_eq!(found["system"], "spikformer");
    assert_eq!(found["parameters"], preset.parameters);
    assert_eq!(found["format"], "safetensors");
    assert_eq!(found["missing"], serde_json::json!([]));
    assert_eq!(found["used"].as_array().unwrap().len(), weights.tensors.len());
    assert_eq!(found["run"], "runs/spikformer-2-256-gesture-1");
    assert_eq!(import()["run"], "runs/spikformer-2-256-gesture-2");
    let config = parent.path().join("runs/spikformer-2-256-gesture-1/config.toml");
    let table: toml::Table = fs::read_to_string(config).unwrap().parse().unwrap();
    assert_eq!(table["dataset"].as_str(), Some("dvs128-gesture"));
    assert_eq!(table["model"].clone().try_into::<Config>().unwrap(), preset.config);
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_left() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    let import = |name: &str, flags: &[&str]| {
        let mut command = snn(["import"]);
        command.arg(file(name)).args(flags).arg("--out").arg(&out);
        fails(&mut command)
    };
    let nested = "torch2-spikformer.pth.tar";
    says(&import("none.pth", &[]), &["none.pth", "cannot be opened", "No such file"]);
    says(&import("torch2-script.pt", &[]), &["torch2-script.pt", "TorchScript", "state_dict()"]);
    says(&import(nested, &["--system", "spike"]), &["no system `spike`", "spikformer"]);
    says(
        &import(nested, &["--system", "qkformer"]),
        &["those of spikformer", "--system spikformer"],
    );
    says(&import(nested, &["--set", "heads=3"]), &["`heads` is 3", "divisor of 8"]);
    says(&import(nested, &["--set", "time_steps=0"]), &["`time_steps` is 0", "at least 1"]);
    says(&import(nested, &["--preset", "spikformer-8-512"]), &["missing", "of another shape"]);
    says(&import(nested, &["--dataset", "digit"]), &["digit"]);
    says(&import(nested, &[]), &["the dataset", "--dataset NAME", "digits", "mnist"]);
    says(&import("torch2-spikformer-flat.bin", &[]), &["do not tell heads", "--set heads=VALUE"]);
    says(&import(nested, &["--data", "/no/such", "--dataset", "digits"]), &["/no/such"]);
    assert!(names(parent.path()).is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    let mut command = std::process::Command::new("sh");
    // Files cannot grow beyond 4 kB, as on a full disk; with the signal ignored, writing fails.
    command.args(["-c", "trap '' XFSZ; ulimit -f 8 && exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_snn")).arg("import").arg(file("torch2-spikformer.pth.tar"));
    let told = fails(command.args(["--dataset", "digits", "--out"]).arg(&out));
    says(&told, &["cannot make the run folder", "out"]);
    assert!(names(parent.path()).is_empty());
}
