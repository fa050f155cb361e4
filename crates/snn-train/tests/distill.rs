//! Learning from a network that was trained before.

use std::{fs, path::Path};

use snn_data::{Dataset, Sources};
use snn_train::run::{Config, Metrics, Progress, RunError, RunFolder, Trainer, Watch, preset};

struct Silent;

impl Watch for Silent {
    fn step(&mut self, _: &Progress) {}
    fn epoch(&mut self, _: &Metrics) {}
}

fn data() -> Dataset {
    let mut digits = Dataset::open("digits", None).unwrap();
    let some: Vec<usize> = (0..400).map(|i| i * 3).collect();
    digits.train = digits.train.select(&some).into();
    digits.test = digits.test.select(&some[..100]).into();
    digits
}

fn config(name: &str, changes: &[&str]) -> Config {
    preset(name, &changes.iter().map(|&c| c.to_owned()).collect::<Vec<_>>()).unwrap()
}

/// A small Spikformer on images of 8x8.
const SMALL: [&str; 6] = [
    "batch=20",
    "model.image=[8, 8]",
    "model.dim=32",
    "model.heads=2",
    "epochs=8",
    "schedule.warmup=1",
];

fn small(changes: &[&str]) -> Config {
    config("digits", &[&SMALL, changes].concat())
}

/// The digits for a network of this configuration.
fn sources(config: &Config) -> Sources {
    let input = config.model.input();
    let data = data().resized([input.height, input.width]).unwrap();
    Sources::of(&data, &config.augment).unwrap()
}

/// Trains in `path`, and gives the last test accuracy.
fn train(path: &Path, config: Config) -> f64 {
    let folder = RunFolder::create(path, &config, "snn train").unwrap();
    let data = sources(&config);
    let mut trainer = Trainer::new(config, &data).unwrap();
    trainer.run(&folder, &mut Silent).unwrap();
    trainer.metrics().last().unwrap().test_accuracy
}

fn teaching(teacher: &Path, more: &str) -> String {
    format!("distill={{ teacher = '{}', {more} }}", teacher.display())
}

/// Nothing of the labels: all that the pupil knows is what the teacher answers.
#[test]
fn a_teacher_alone_is_enough() {
    let parent = tempfile::tempdir().unwrap();
    let teacher = parent.path().join("teacher");
    let taught = train(&teacher, small(&[]));
    assert!(taught > 0.7, "the teacher knows {taught}");
    for more in ["share = 1.0", "share = 1.0, tau = 2.0"] {
        let pupil = small(&["seed=2", &teaching(&teacher, more)]);
        let path = parent.path().join(more);
        let learned = train(&path, pupil.clone());
        assert!(learned > 0.5, "{more}: {learned}");
        // The teacher is part of the run.
        let (folder, written) = RunFolder::open(&path).unwrap();
        assert_eq!(written, pupil);
        Trainer::resume(written.clone(), &sources(&written), &folder).unwrap();
    }
}

/// Fine-grained distillation from full precision to 4 bits: tokens become alike.
#[test]
fn tokens_of_four_bits_follow_those_of_full_precision() {
    let parent = tempfile::tempdir().unwrap();
    let teacher = parent.path().join("teacher");
    let sizes = [
        "batch=20",
        "epochs=6",
        "schedule.warmup=0.5",
        "model.embed_dims=[8, 16, 16, 16]",
        "model.heads=2",
        "model.mlp_ratio=1",
    ];
    train(&teacher, config("digits-e-spikeformer", &sizes));
    let teaching = teaching(&teacher, "share = 0.5, tau = 1.0, tokens = 0.5");
    let pupil = config("digits-qsd-transformer", &[&sizes[..], &[&teaching]].concat());
    let accuracy = train(&parent.path().join("pupil"), pupil);
    assert!(accuracy > 0.2, "{accuracy}");
}

#[test]
fn teachers_that_do_not_fit_are_named() {
    let parent = tempfile::tempdir().unwrap();
    let teacher = parent.path().join("teacher");
    let refused = |changes: &[&str]| {
        let config = small(changes);
        let data = sources(&config);
        Trainer::new(config, &data).err().unwrap()
    };
    let plain = teaching(&teacher, "share = 0.5");
    assert!(matches!(refused(&[&plain]), RunError::NoRun { path } if path == teacher));
    fs::create_dir(&teacher).unwrap();
    let write = |config: &Config| {
        fs::write(teacher.join("config.toml"), toml::to_string(config).unwrap()).unwrap();
    };
    write(&small(&["model.image=[16, 16]"]));
    let error = refused(&[&plain]).to_string();
    assert!(error.contains("has input of 1 x 16 x 16 x 1, expected 1 x 8 x 8 x 1"), "{error}");
    write(&small(&["model.depth=2"]));
    let tokens = teaching(&teacher, "tokens = 1.0");
    let error = refused(&[&tokens]).to_string();
    assert!(error.contains("has tokens in its attentions: [4, 4], expected [4]"), "{error}");
    write(&small(&[]));
    assert!(matches!(refused(&[&plain]), RunError::Checkpoint { .. }));
    for (more, key) in [("share = 2.0", "distill.share"), ("tau = 0.0", "distill.tau")] {
        let text = teaching(&teacher, more);
        let error = preset("digits", &[text]).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}
