//! Studies of the attention on codes.
#![cfg(feature = "torch")]

mod common;

use std::{fs, process::Command};

use common::{fails, names, says, snn, succeeds};

/// Networks so small that an epoch takes no time.
fn ablate(out: &std::path::Path) -> Command {
    let mut command = snn(["ablate", "--quick", "--seeds", "1", "--out"]);
    command.arg(out);
    for setting in ["epochs=1", "batch=256", "model.host.image=[8, 8]", "model.host.dim=8"] {
        command.args(["--set", setting]);
    }
    command.args(["--set", "model.host.heads=2", "--set", "model.host.mlp_ratio=1"]);
    command.args(["--set", "model.attention.points=5"]);
    command
}

#[test]
fn every_study_is_reported_and_goes_on_where_it_stopped() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("studies");
    let told = succeeds(&mut ablate(&out));
    let titles = [
        "Bits of a code",
        "Coding",
        "One scale or several, at equal bits",
        "Weight of the fusion loss",
        "Hash functions before training",
        "Alignment in time",
        "Penalty of long delays",
        "Keys that count",
        "Against other attentions",
    ];
    says(&told, &titles);
    says(&told, &["32 bits", "hybrid", "fitted", "delays by distance", "softmax", "report.html"]);
    let report = fs::read_to_string(out.join("report.html")).unwrap();
    says(&report, &titles);
    says(&report, &["<svg", "handwritten", "one run of each variant"]);
    // One run alone has no spread.
    assert!(!told.contains("NaN") && !report.contains("NaN") && !told.contains('±'), "{told}");
    assert_eq!(names(&out), ["report.html", "runs"]);

    // What is there is not trained again, and one study more is.
    let run = out.join("runs").join("coding-latency-seed-1");
    let model = fs::read(run.join("model.safetensors")).unwrap();
    fs::remove_dir_all(&run).unwrap();
    let again = succeeds(&mut ablate(&out));
    assert_eq!(fs::read(run.join("model.safetensors")).unwrap(), model);
    let studies = |text: &str| text[text.find("Bits of a code").unwrap()..].to_owned();
    assert_eq!(studies(&again), studies(&told));
    let other = fails(ablate(&out).args(["--set", "model.attention.points=3"]));
    says(&other, &["another configuration", "--out"]);

    // Some of the studies.
    let some = succeeds(ablate(&out).args(["--study", "FUSION", "--study", "coding"]));
    says(&some, &["Coding", "Weight of the fusion loss"]);
    assert!(!some.contains("Bits of a code"), "{some}");
    let none = fails(ablate(&out).args(["--study", "colour"]));
    says(&none, &["no study is about `colour`", "Bits of a code; Coding"]);
}
