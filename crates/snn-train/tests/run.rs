//! Runs: presets, folders, and going on where one stopped.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use snn_data::{Dataset, Manifest, Sources, manifest::Task};
use snn_train::run::{
    Config, Metrics, PrecisionConfig, Progress, RunError, RunFolder, Trainer, Watch, preset,
    preset_names,
};

fn changed(changes: &[&str]) -> Result<Config, RunError> {
    preset("digits", &changes.iter().map(|&c| c.to_owned()).collect::<Vec<_>>())
}

/// A network so small that an epoch takes no time, on 200 digits.
fn small(changes: &[&str]) -> (Config, Sources) {
    let mut all =
        vec!["epochs=3", "batch=50", "model.image=[8, 8]", "model.dim=8", "model.heads=2"];
    all.extend(["model.depth=1", "model.mlp_ratio=1", "model.time_steps=2"]);
    all.extend(changes);
    let mut digits = Dataset::open("digits", None).unwrap();
    let first: Vec<usize> = (0..200).map(|i| i * 7).collect();
    digits.train = digits.train.select(&first).into();
    digits.test = digits.test.select(&first[..40].iter().map(|i| i / 7).collect::<Vec<_>>()).into();
    let config = changed(&all).unwrap();
    let data = Sources::of(&digits, &config.augment).unwrap();
    (config, data)
}

/// The configuration in the folder.
fn folder_config(folder: &RunFolder) -> Config {
    Config::load(&folder.file("config.toml"), &[]).unwrap()
}

/// Keeps what it is told.
#[derive(Default)]
struct Diary {
    steps: Vec<Progress>,
    epochs: Vec<Metrics>,
}

impl Watch for Diary {
    fn step(&mut self, progress: &Progress) {
        self.steps.push(*progress);
    }
    fn epoch(&mut self, metrics: &Metrics) {
        self.epochs.push(metrics.clone());
    }
}

fn train(folder: &RunFolder, config: &Config, data: &Sources) -> Diary {
    let mut diary = Diary::default();
    let mut trainer = Trainer::resume(config.clone(), data, folder).unwrap();
    trainer.run(folder, &mut diary).unwrap();
    assert!(trainer.metrics().ends_with(&diary.epochs));
    diary
}

/// Every file but the lock, and metrics without their times.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let files = files.map(|path| (name(&path), fs::read(path).unwrap()));
    let mut files: BTreeMap<_, _> = files.filter(|(name, _)| name != "lock").collect();
    if let Some(metrics) = files.get_mut("metrics.jsonl") {
        let text = String::from_utf8(metrics.clone()).unwrap();
        let line = |line| {
            let mut metrics: Metrics = serde_json::from_str(line).unwrap();
            (metrics.images_per_s, metrics.seconds) = (0.0, 0.0);
            serde_json::to_string(&metrics).unwrap()
        };
        *metrics = text.lines().map(line).collect::<Vec<_>>().join("\n").into_bytes();
    }
    files
}

#[test]
fn every_preset_is_of_its_dataset_and_builds() {
    assert_eq!(preset_names()[0], "digits");
    for name in preset_names() {
        let config = preset(name, &[]).unwrap();
        // `digits-statten` is STAtten on `digits`.
        let system = name.strip_prefix(&config.dataset);
        assert!(system.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')), "{name}");
        config.model.outline().unwrap();
        let written = toml::to_string(&config).unwrap();
        assert_eq!(Config::parse("written", &written, &[]).unwrap(), config);
    }
}

/// What a dataset holds is what the network of each of its presets takes.
#[test]
fn every_preset_takes_what_its_dataset_has() {
    for name in preset_names() {
        let config = preset(name, &[]).unwrap();
        let manifest = Manifest::named(&config.dataset).unwrap();
        let input = config.model.input();
        assert_eq!(manifest.class_count(), config.model.classes(), "{name}");
        let frame = manifest.shape.map(|shape| shape.dims());
        let rows = input.frames() * input.height;
        match (config.events, config.sound) {
            (None, None) => assert_eq!(input.frames(), 1, "{name}"),
            (Some(events), _) => {
                let one_row = frame.is_some_and(|[height, ..]| height == 1);
                let frames = if one_row { rows } else { input.frames() };
                assert_eq!(events.slicing.fixed(), Some(frames), "{name}");
            }
            (_, Some(sound)) => {
                let spectrogram = sound.mel.prepare().unwrap();
                let found = [spectrogram.frames(sound.samples), sound.mel.bands, 1];
                assert_eq!(found, [rows, input.width, input.channels], "{name}");
            }
        }
        assert!(frame.is_none_or(|[.., channels]| channels == input.channels), "{name}");
    }
}

/// Every dataset to classify by images, events or sound that can be fetched.
#[test]
fn every_dataset_has_a_preset() {
    let presets: Vec<String> =
        preset_names().into_iter().map(|name| preset(name, &[]).unwrap().dataset).collect();
    for name in Manifest::names() {
        let manifest = Manifest::named(name).unwrap();
        let kinds =
            [Task::ImageClassification, Task::EventClassification, Task::AudioClassification];
        // Other packings and versions are `--set dataset=NAME` on the preset of the first.
        let another = ["cifar10-dvs-aedat4", "dvs128-gesture-npy", "speech-commands-v1"];
        if kinds.contains(&manifest.task) && !another.contains(&name) {
            assert!(presets.iter().any(|dataset| dataset == name), "{name}");
        }
    }
}

#[test]
fn wrong_settings_name_their_key_and_the_known_ones() {
    let told = |changes: &[&str]| changed(changes).unwrap_err().to_string();
    let unknown = told(&["epoch=3"]);
    assert!(unknown.contains("`epoch`") && unknown.contains("`epochs`"), "{unknown}");
    let nested = told(&["model.depht=3"]);
    assert!(nested.contains("`depht`") && nested.contains("`depth`"), "{nested}");
    assert!(nested.contains("in `model`"), "{nested}");
    let kind = told(&["optimizer.kind=adam"]);
    assert!(kind.contains("`adam`") && kind.contains("`adamw`"), "{kind}");
    assert!(told(&["epochs=many"]).contains("in `epochs`"));
    assert!(told(&["batch=0"]).starts_with("`batch` is 0, expected at least 1"));
    assert!(told(&["schedule.lr=nan"]).starts_with("`schedule.lr` is NaN"));
    assert!(told(&["augment.flip=2"]).contains("augment.flip"));
    assert!(preset("digit", &[]).unwrap_err().to_string().contains("digits, digits-spike"));
    for error in [unknown, nested, kind] {
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn whole_tables_can_be_replaced() {
    let config = changed(&["optimizer={kind='sgd', nesterov=true}", "augment.mix.mixup=0.5"]);
    let text = toml::to_string(&config.unwrap()).unwrap();
    assert!(text.contains("nesterov = true") && text.contains("mixup = 0.5"), "{text}");
}

#[test]
fn a_run_tells_and_keeps_everything() {
    let (config, data) = small(&[]);
    let parent = tempfile::tempdir().unwrap();
    let folder =
        RunFolder::create_numbered(parent.path(), "digits", &config, "snn train digits").unwrap();
    assert_eq!(folder.path(), parent.path().join("digits-1"));
    assert_eq!(folder.command().unwrap(), "snn train digits");
    let diary = train(&folder, &config, &data);
    let steps: Vec<_> = diary.steps.iter().map(|p| (p.epoch, p.step)).collect();
    let expected = (1..=3).flat_map(|epoch| (1..=4).map(move |step| (epoch, step)));
    assert_eq!(steps, expected.collect::<Vec<_>>());
    assert!(diary.steps.iter().all(|p| p.firing_rate > 0.0 && p.firing_rate < 1.0));
    assert_eq!(diary.epochs.iter().map(|m| m.epoch).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(diary.epochs.iter().all(|m| m.images_per_s > 0.0 && m.seconds > 0.0));
    assert!(diary.epochs[2].train_loss < diary.epochs[0].train_loss, "{:?}", diary.epochs);
    let files: Vec<String> = contents(folder.path()).into_keys().collect();
    assert_eq!(files, ["config.toml", "last.safetensors", "metrics.jsonl", "model.safetensors"]);
    let path = folder.path().to_owned();
    drop(folder);
    let (again, read) = RunFolder::open(&path).unwrap();
    assert_eq!(read, config);
    // Nothing is left to do, so nothing is done.
    let before = contents(&path);
    assert!(train(&again, &read, &data).steps.is_empty());
    assert_eq!(contents(&path), before);
}

#[test]
fn a_run_goes_on_bit_for_bit_from_whatever_a_killed_one_left() {
    for optimizer in ["optimizer={kind='adamw'}", "optimizer={kind='sgd', momentum=0.9}"] {
        let (config, data) = small(&[optimizer, "clip=1.0", "augment.mix.mixup=0.2"]);
        let parent = tempfile::tempdir().unwrap();
        let whole = RunFolder::create(&parent.path().join("whole"), &config, "").unwrap();
        train(&whole, &config, &data);
        let whole = contents(whole.path());

        // After one epoch, and after two.
        let stopped = |epochs: usize| {
            let path = parent.path().join(format!("stopped-{epochs}"));
            let folder = RunFolder::create(&path, &config, "").unwrap();
            // The schedule follows `epochs`, so a shorter run would not be a part of this one.
            let mut trainer = Trainer::new(config.clone(), &data).unwrap();
            let stop =
                std::panic::AssertUnwindSafe(|| trainer.run(&folder, &mut Stop { after: epochs }));
            assert!(std::panic::catch_unwind(stop).is_err());
            contents(&path)
        };
        let (one, two) = (stopped(1), stopped(2));

        // A process dies between any two files of the second epoch, or within one.
        let order = ["model.safetensors", "metrics.jsonl", "last.safetensors"];
        for written in 0..=order.len() {
            let path = parent.path().join(format!("killed-{written}"));
            drop(RunFolder::create(&path, &config, "").unwrap());
            for (name, bytes) in &one {
                let newer = order[..written].contains(&name.as_str());
                let file = if newer { &two[name] } else { bytes };
                fs::write(path.join(name), file).unwrap();
            }
            fs::write(path.join("last.safetensors.tmp"), b"half").unwrap();
            let (folder, config) = RunFolder::open(&path).unwrap();
            train(&folder, &config, &data);
            assert!(contents(&path) == whole, "after {written} files, {optimizer}");
            fs::remove_dir_all(&path).unwrap();
        }
        fs::remove_dir_all(parent.path().join("stopped-1")).unwrap();
    }
}

/// Ends a run in the middle of an epoch.
struct Stop {
    after: usize,
}

impl Watch for Stop {
    fn step(&mut self, progress: &Progress) {
        if progress.epoch > self.after && progress.step == 2 {
            std::panic::resume_unwind(Box::new("stopped"));
        }
    }
    fn epoch(&mut self, _: &Metrics) {}
}

#[test]
fn mixed_precision_changes_nothing_on_a_cpu() {
    let weights = |precision| {
        let (mut config, data) = small(&["epochs=1"]);
        config.precision = precision;
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(&parent.path().join("run"), &config, "").unwrap();
        train(&folder, &config, &data);
        contents(folder.path())["model.safetensors"].clone()
    };
    assert!(weights(PrecisionConfig::Single) == weights(PrecisionConfig::Mixed));
}

#[test]
fn a_folder_serves_one_run_at_a_time() {
    let (config, _) = small(&[]);
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let held = RunFolder::create(&path, &config, "").unwrap();
    assert!(matches!(RunFolder::open(&path), Err(RunError::InUse { .. })));
    assert!(matches!(RunFolder::create(&path, &config, ""), Err(RunError::InUse { .. })));
    drop(held);
    assert!(matches!(RunFolder::create(&path, &config, ""), Err(RunError::Occupied { .. })));
    RunFolder::open(&path).unwrap();
    assert!(matches!(RunFolder::open(parent.path()), Err(RunError::NoRun { .. })));
}

#[test]
fn a_dataset_of_another_shape_is_told_before_anything_is_made() {
    let (config, data) = small(&[]);
    let told = |change: &str| {
        let (config, _) = small(&[change]);
        Trainer::new(config, &data).map(|_| ()).unwrap_err().to_string()
    };
    let size = told("model.image=[16, 16]");
    assert!(size.contains("8 x 8 x 1") && size.contains("16 x 16 x 1"), "{size}");
    assert!(told("model.classes=9").contains("classes: 10, and the model takes 9"));
    assert!(told("batch=300").contains("`batch` is 300"));
    assert!(told("model.heads=3").contains("`heads` is 3"));
    assert!(told("device=tpu").contains("`tpu`"));
    Trainer::new(config, &data).unwrap();
}

#[test]
fn a_loss_over_time_steps_needs_them() {
    let (config, data) = small(&["loss={kind='tet', lambda=0.05}"]);
    let parent = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&parent.path().join("run"), &config, "").unwrap();
    let mut trainer = Trainer::new(config, &data).unwrap();
    let error = trainer.run(&folder, &mut Diary::default()).unwrap_err();
    assert!(matches!(error, RunError::Steps), "{error}");
}

#[test]
fn steps_that_look_as_they_should_not_cost() {
    let loss = |changes: &[&str]| {
        let (config, data) = small(&[&["epochs=1"], changes].concat());
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(&parent.path().join("run"), &config, "").unwrap();
        train(&folder, &config, &data).epochs[0].train_loss
    };
    let plain = loss(&[]);
    assert_eq!(loss(&["alignment={weight=0.0}"]), plain);
    assert!(loss(&["alignment={weight=5.0}"]) > plain);
    for (wrong, told) in [
        ("alignment={weight=-1.0}", "`alignment.weight` is -1"),
        ("alignment={distance=0}", "`alignment.distance` is 0"),
        ("alignment={margin=2.0}", "`alignment.margin` is 2"),
    ] {
        let error = changed(&[wrong]).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let (config, data) = small(&["schedule={lr=1e30, min_lr=1e30}", "optimizer={kind='sgd'}"]);
    let parent = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&parent.path().join("run"), &config, "").unwrap();
    let mut trainer = Trainer::new(config, &data).unwrap();
    let error = trainer.run(&folder, &mut Diary::default()).unwrap_err();
    let RunError::Diverged { loss, epoch, step, lr: 1e30 } = error else { panic!("{error}") };
    assert!(!loss.is_finite() && (epoch, step) > (1, 1));
    // What was finished before is there, and whole.
    assert_eq!(trainer.metrics().len(), epoch - 1);
    let again = Trainer::resume(folder_config(&folder), &data, &folder).unwrap();
    assert_eq!(again.metrics(), trainer.metrics());
}
