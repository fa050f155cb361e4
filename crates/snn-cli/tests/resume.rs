//! A run that was killed goes on as if nothing had happened.
#![cfg(feature = "torch")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use common::{fails, names, says, snn, succeeds};

fn train(out: &Path) -> Command {
    let mut command = snn(["train", "digits", "--seed", "7", "--out"]);
    command.arg(out);
    for setting in ["epochs=4", "batch=16", "model.dim=16", "model.heads=2", "model.mlp_ratio=1"] {
        command.args(["--set", setting]);
    }
    command
}

/// `metrics.jsonl` without what depends on the clock.
fn metrics(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut metrics: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["images_per_s", "seconds"] {
            assert!(metrics.as_object_mut().unwrap().remove(key).is_some());
        }
        metrics
    };
    text.lines().map(line).collect()
}

#[test]
fn a_killed_run_ends_with_the_same_bits() {
    let parent = tempfile::tempdir().unwrap();
    let (whole, killed) = (parent.path().join("whole"), parent.path().join("killed"));
    succeeds(&mut train(&whole));

    let mut child = train(&killed).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The folder, the division of the data, then the first epoch.
    for start in ["run folder ", "split ", "epoch 1/4 "] {
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with(start), "{line}");
    }
    // While it trains, nobody else may.
    let mut resume = snn(["train", "--resume"]);
    resume.arg(&killed);
    says(&fails(&mut resume), &["in use"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.join("report.html").exists());

    succeeds(&mut resume);
    assert_eq!(names(&killed), names(&whole));
    for name in ["model.safetensors", "last.safetensors"] {
        let [a, b] = [&whole, &killed].map(|run| fs::read(run.join(name)).unwrap());
        assert!(a == b, "{name} differs");
    }
    assert_eq!(metrics(&killed), metrics(&whole));
    assert_eq!(metrics(&killed).len(), 4);
}
