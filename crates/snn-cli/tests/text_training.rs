//! A run on text, from files to its report.
#![cfg(feature = "torch")]

mod common;

use std::fs;

use common::{says, snn, succeeds};

#[test]
fn a_run_on_text_leaves_a_report() {
    let parent = tempfile::tempdir().unwrap();
    let [train, test] = ["train", "test"].map(|name| parent.path().join(name));
    fs::write(&train, "to be or not to be, that is the question. ".repeat(30)).unwrap();
    fs::write(&test, "whether it is nobler to be or not to be. ".repeat(6)).unwrap();
    let out = parent.path().join("run");
    let mut command = snn(["train", "tiny-shakespeare", "--out"]);
    command.arg(&out);
    let files = format!("files={{ train = '{}', test = '{}' }}", train.display(), test.display());
    let small = ["model.dim=16", "model.heads=2", "model.depth=1", "epochs=2", "length=16"];
    for setting in [&*files].into_iter().chain(small) {
        command.args(["--set", setting]);
    }
    let said = succeeds(&mut command);
    says(&said, &["test accuracy", "perplexity", "report.html"]);
    let report = fs::read_to_string(out.join("report.html")).unwrap();
    says(&report, &["WD-Spikingformer", "Accuracy, %", "Firing rate", "Energy", "snn train"]);
    assert!(!report.contains("NaN"));
}
