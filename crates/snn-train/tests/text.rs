//! Runs on text: a pattern is learned, a run goes on bit for bit, and mistakes are told.

use std::path::Path;

use snn_data::text::{Examples, Goal, TextFiles, TextSet, Unit};
use snn_train::run::{
    Metrics, Progress, RunError, RunFolder, Watch,
    text::{Config, Trainer, preset, preset_names},
};

struct Silent;

impl Watch for Silent {
    fn step(&mut self, _: &Progress) {}
    fn epoch(&mut self, _: &Metrics) {}
}

fn config(changes: &[&str]) -> Config {
    let small = [
        "length=11",
        "epochs=2",
        "batch=8",
        "model.dim=16",
        "model.depth=1",
        "model.heads=2",
        "model.context=12",
        "model.vocabulary=4",
        "schedule.lr=0.01",
    ];
    let changes: Vec<String> = small.iter().chain(changes).map(|&c| c.into()).collect();
    preset("tiny-shakespeare", &changes).unwrap().unwrap()
}

/// `abcdabcd...`: a causal network can know every next letter from the one before.
fn letters(dir: &Path, goal: Goal) -> TextSet {
    let text: String = "abcd".chars().cycle().take(1500).collect();
    std::fs::write(dir.join("input.txt"), text).unwrap();
    let files = TextFiles::default();
    TextSet::open("tiny-shakespeare", Some(dir), &files, goal, (Unit::Characters, 0), None).unwrap()
}

fn run(config: &Config, data: &TextSet, folder: &RunFolder) -> Vec<Metrics> {
    let mut trainer = Trainer::resume(config.clone(), data.clone(), folder).unwrap();
    trainer.run(folder, &mut Silent).unwrap();
    trainer.metrics().to_vec()
}

#[test]
fn both_attentions_learn_a_pattern() {
    let dir = tempfile::tempdir().unwrap();
    let data = letters(dir.path(), Goal::Causal(11));
    for attention in ["model.attention=winner-take-all", "model.attention=softmax"] {
        let config = config(&[attention, "epochs=4"]);
        let folder = RunFolder::create_numbered(dir.path(), "run", &config, "test").unwrap();
        let metrics = run(&config, &data, &folder);
        let last = metrics.last().unwrap();
        assert!(last.test_accuracy > 0.95, "{attention}: {metrics:?}");
        assert!(last.firing_rate > 0.0);
    }
}

#[test]
fn hidden_letters_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let data = letters(dir.path(), Goal::Masked(11));
    let config = config(&["model.task={kind='masked'}", "model.vocabulary=5", "epochs=12"]);
    let folder = RunFolder::create_numbered(dir.path(), "run", &config, "test").unwrap();
    let metrics = run(&config, &data, &folder);
    let last = metrics.last().unwrap();
    // Guessing is right a quarter of the time.
    assert!(last.test_accuracy > 0.5, "{metrics:?}");
}

/// Texts of two kinds of letters.
fn two_kinds() -> TextSet {
    let texts = |salt: usize| -> Vec<(Vec<u32>, usize)> {
        let text = |i: usize| {
            let class = (i + salt) % 2;
            let length = 3 + (i * 7 + salt) % 9;
            ((0..length).map(|n| ((n * i + salt) % 2 + 2 * class) as u32).collect(), class)
        };
        (0..200).map(text).collect()
    };
    TextSet {
        vocabulary: snn_data::text::Vocabulary::read("abcd", Unit::Characters),
        train: Examples::Classes { texts: texts(0) },
        test: Examples::Classes { texts: texts(1) },
    }
}

#[test]
fn texts_are_told_apart() {
    let data = two_kinds();
    let config = config(&["model.task={kind='classify', classes=2}", "epochs=4"]);
    let dir = tempfile::tempdir().unwrap();
    let folder = RunFolder::create_numbered(dir.path(), "run", &config, "test").unwrap();
    assert!(run(&config, &data, &folder).last().unwrap().test_accuracy > 0.95);
}

#[test]
fn a_run_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let data = letters(dir.path(), Goal::Causal(11));
    let weights = |folder: &RunFolder| std::fs::read(folder.file("last.safetensors")).unwrap();
    let whole = config(&["epochs=3"]);
    let at_once = RunFolder::create_numbered(dir.path(), "run", &whole, "test").unwrap();
    run(&whole, &data, &at_once);
    // The same schedule, interrupted after an epoch.
    struct Interrupt;
    impl Watch for Interrupt {
        fn step(&mut self, _: &Progress) {}
        fn epoch(&mut self, _: &Metrics) {
            panic!("interrupted");
        }
    }
    let in_two = RunFolder::create_numbered(dir.path(), "run", &whole, "test").unwrap();
    let mut trainer = Trainer::new(whole.clone(), data.clone()).unwrap();
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        trainer.run(&in_two, &mut Interrupt)
    }));
    assert!(stopped.is_err());
    assert_eq!(run(&whole, &data, &in_two).len(), 3);
    assert_eq!(weights(&at_once), weights(&in_two));
}

/// A Matterhorn learns on devices that are off, each step on others, and goes on as if nothing had
/// been in between.
#[test]
fn noise_of_devices_is_learned_to_be_stood() {
    let classify = "model.task={kind='classify', classes=2}";
    let coding = "model.coding={bits=4, weights={bits=4, base='two'}}";
    let noise = "noise={programming=0.1, read=0.05, threshold=0.05}";
    let (data, dir) = (two_kinds(), tempfile::tempdir().unwrap());
    let trained = |changes: &[&str], name: &str| {
        let config = config(&[&[classify, coding, "epochs=4"], changes].concat());
        let folder = RunFolder::create_numbered(dir.path(), name, &config, "test").unwrap();
        let metrics = run(&config, &data, &folder);
        (metrics.last().unwrap().clone(), std::fs::read(folder.file("last.safetensors")).unwrap())
    };
    let (quiet, weights) = trained(&[], "quiet");
    assert!(trained(&["noise={}"], "quiet").1 == weights, "noise of strength 0");
    let (noisy, disturbed) = trained(&[noise], "noisy");
    assert!(noisy.test_accuracy > 0.9 && quiet.test_accuracy > 0.9, "{noisy:?} {quiet:?}");
    assert!(disturbed != weights);
    assert!(trained(&[noise], "noisy").1 == disturbed, "the same seed");
    assert!(trained(&[noise, "seed=2"], "noisy").1 != disturbed);

    let told = |changes: &[&str]| {
        let changes: Vec<String> = changes.iter().map(|&change| change.into()).collect();
        preset("sst2-matterhorn", &changes).unwrap().unwrap_err().to_string()
    };
    assert!(told(&["noise.read=-1.0"]).contains("`noise.read` is -1"));
    let without = told(&["noise.read=0.1", "model.coding={bits=4}"]);
    assert!(without.contains("`noise` is given, expected none"), "{without}");
}

#[test]
fn presets_are_whole_and_mistakes_are_told() {
    for name in preset_names() {
        let config = preset(name, &[]).unwrap().unwrap();
        config.model.validate().unwrap();
        assert!(TextSet::NAMES.contains(&config.dataset.as_str()), "{name}");
        let text = toml::to_string(&config).unwrap();
        assert!(Config::is_text(&text));
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
    }
    assert!(preset("digits", &[]).is_none());
    let error = |change: &str| preset("sst2", &[change.into()]).unwrap().unwrap_err().to_string();
    assert!(error("length=65").contains("`length` is 65, expected at least 1, at most"));
    assert!(
        error("model.attention=max").contains("model.attention"),
        "{}",
        error("model.attention=max")
    );
    assert!(error("epochs=0").contains("`epochs` is 0"));

    let dir = tempfile::tempdir().unwrap();
    let data = letters(dir.path(), Goal::Causal(11));
    let new =
        |changes: &[&str]| Trainer::new(config(changes), data.clone()).map(|_| ()).unwrap_err();
    assert!(matches!(new(&["batch=5000"]), RunError::Batch { batch: 5000, .. }));
    assert!(new(&["model.wta.winners=0"]).to_string().contains("`winners` is 0"));
    assert!(new(&["model.heads=3"]).to_string().contains("`heads` is 3, expected a divisor of 16"));
}
