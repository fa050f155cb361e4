//! Using a trained language model: what works without libtorch.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{fails, says, snn, succeeds};
use serde_json::Value;
use snn_core::{Reference, Tensor};
use snn_models::wta_spikingformer::Config;

/// A run folder of a drawn network that fires, on the letters a to f.
fn run(parent: &Path, task: &str, vocabulary: usize) -> PathBuf {
    run_with(parent, task, vocabulary, "")
}

/// As [`run`], with more keys of the model.
fn run_with(parent: &Path, task: &str, vocabulary: usize, more: &str) -> PathBuf {
    let text: String = (0..600usize).map(|i| char::from(b'a' + (i * i % 11 % 6) as u8)).collect();
    fs::write(parent.join("input.txt"), text).unwrap();
    let config = format!(
        "dataset = 'tiny-shakespeare'\ndata = '{}'\nunit = 'characters'\nlength = 8\n\n\
         [model]\ntask = {{ kind = '{task}' }}\nvocabulary = {vocabulary}\ncontext = 8\ndim = 8\n\
         depth = 1\nheads = 2\nmlp_ratio = 2\nlevels = 2\n{more}",
        parent.display()
    );
    let table: toml::Table = config.parse().unwrap();
    let model: Config = table["model"].clone().try_into().unwrap();
    let (_, mut weights) = model.draw(&Reference::<f32>::new(), 5).unwrap();
    for (name, tensor) in &mut weights.tensors {
        if name.ends_with("_norm.weight") {
            *tensor = Tensor::F32(tensor.to_f32() * 5.0).into();
        }
    }
    let run = parent.join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("config.toml"), config).unwrap();
    fs::write(run.join("vocabulary.txt"), "abcdef").unwrap();
    weights.save(&run.join("model.safetensors")).unwrap();
    run
}

fn eval(run: &Path, arguments: &[&str]) -> Value {
    let mut command = snn(["eval", "--json"]);
    serde_json::from_str(&succeeds(command.arg(run).args(arguments))).unwrap()
}

#[test]
fn eval_measures_tokens() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path(), "causal", 6);
    let expected = eval(&run, &["--backend", "reference-f64"]);
    for arguments in [&["--backend", "packed"][..], &["--backend", "reference-f64", "--unfolded"]] {
        let found = eval(&run, arguments);
        for key in ["accuracy", "firing_rate", "ac"] {
            assert_eq!(found[key], expected[key], "{key} with {arguments:?}");
        }
    }
    let number = |key: &str| expected[key].as_f64().unwrap();
    assert!((number("loss").exp() - number("perplexity")).abs() < 1e-9);
    assert!(number("perplexity") > 1.0 && number("ac") > 0.0 && number("firing_rate") > 0.0);
    assert_eq!(number("mac"), 0.0, "a decoder only adds");
    let precisions = eval(&run, &["--precisions"]);
    assert_eq!(precisions[1]["precision"], "exact");
    assert_eq!(precisions[1]["spikes"]["flipped"], 0);
    assert_eq!(precisions[1]["accuracy"], expected["accuracy"]);
    let text = succeeds(snn(["eval"]).arg(&run));
    says(&text, &["perplexity", "tokens/s", "firing rate", "M AC"]);
}

#[test]
fn generate_goes_on_past_the_context() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path(), "causal", 6);
    let generate = |arguments: &[&str]| {
        succeeds(
            snn(["generate"])
                .arg(&run)
                .args(["--prompt", "abca", "--tokens", "30"])
                .args(arguments),
        )
    };
    let text = generate(&[]);
    assert!(text.starts_with("abca") && text.ends_with('\n'), "{text}");
    assert_eq!(text.trim_end().len(), 34);
    assert_eq!(text, generate(&[]), "the same seed, the same text");
    assert_ne!(text, generate(&["--seed", "2", "--temperature", "3"]));
    let likeliest = generate(&["--temperature", "0"]);
    assert_eq!(
        likeliest,
        generate(&["--temperature", "0", "--seed", "9", "--backend", "reference-f64"])
    );
}

#[test]
fn what_cannot_be_gone_on_with_is_told() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path(), "causal", 6);
    let told = |prompt: &str| fails(snn(["generate", "--prompt", prompt]).arg(&run));
    says(&told(""), &["--prompt is empty"]);
    says(&told("abcz"), &["`z` is not in the vocabulary of 6"]);
    says(&told("abcabcabc"), &["a text of 9 tokens, expected 1 to 8"]);
    let cold = ["generate", "--prompt", "a", "--temperature=-1"];
    says(&fails(snn(cold).arg(&run)), &["--temperature is -1"]);
    let missing = parent.path().join("nothing");
    says(
        &fails(snn(["generate", "--prompt", "a"]).arg(missing)),
        &["no run folder of a language model"],
    );
    says(&fails(snn(["run"]).arg(&run).arg("x.png")), &["holds a language model", "snn generate"]);
    fs::remove_file(run.join("vocabulary.txt")).unwrap();
    says(&told("a"), &["vocabulary.txt"]);

    let other = tempfile::tempdir().unwrap();
    let encoder = self::run(other.path(), "masked", 7);
    says(&fails(snn(["generate", "--prompt", "a"]).arg(&encoder)), &["holds an encoder"]);
    assert!(eval(&encoder, &[])["perplexity"].as_f64().unwrap() > 1.0);
}

#[test]
fn analog_studies_devices_and_accounts_for_codes() {
    let parent = tempfile::tempdir().unwrap();
    let coding = "[model.coding]\nbits = 3\ndead_zone = 1\n\
                  weights = { bits = 4, base = 'root-two' }\ntable_bits = 8\n";
    let run = run_with(parent.path(), "masked", 7, coding);
    let analog =
        |arguments: &[&str]| succeeds(snn(["analog", "--seeds", "2"]).arg(&run).args(arguments));
    let told = analog(&[]);
    says(&told, &["k = 0", "k = 3", "TTFS", "rate", "pJ a spike", "Programming noise", "4 bits"]);
    let report = fs::read_to_string(run.join("analog.html")).unwrap();
    says(&report, &["<svg", "Matterhorn", "7 slots", "Converters", "pJ a spike"]);
    let again = parent.path().join("again.html");
    assert_eq!(analog(&["--out", again.to_str().unwrap()]).lines().next(), told.lines().next(),);
    assert_eq!(fs::read_to_string(&again).unwrap(), report, "the same seeds, the same report");

    let expected = eval(&run, &["--backend", "reference-f64"]);
    assert_eq!(eval(&run, &[])["accuracy"], expected["accuracy"]);
    assert!((0.0..1.0).contains(&expected["silent"].as_f64().unwrap()));

    let other = tempfile::tempdir().unwrap();
    let plain = self::run(other.path(), "masked", 7);
    assert!(eval(&plain, &[])["silent"].is_null());
    says(&fails(snn(["analog"]).arg(&plain)), &["has no codes in time", "sst2-matterhorn"]);
    let broken = run.join("config.toml");
    let config = fs::read_to_string(&broken).unwrap();
    fs::write(&broken, config.replace("bits = 3", "bits = 9")).unwrap();
    says(&fails(snn(["analog"]).arg(&run)), &["`coding.bits` is 9, expected 1 to 8"]);
}
