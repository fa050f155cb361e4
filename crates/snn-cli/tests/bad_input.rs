//! Files and flags that are wrong: one clear line each, exit code 1, nothing half-written.
#![cfg(feature = "torch")]

mod common;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use common::{copy, fails, names, says, snn, succeeds};
use tempfile::TempDir;

/// The smallest Spikformer, one epoch.
const SMALL: [&str; 16] = [
    "--set",
    "epochs=1",
    "--set",
    "model.image=[8, 8]",
    "--set",
    "model.dim=8",
    "--set",
    "model.heads=2",
    "--set",
    "model.depth=1",
    "--set",
    "model.mlp_ratio=1",
    "--set",
    "model.time_steps=1",
    "--set",
    "schedule.warmup=0",
];

/// `snn train PRESET` of the smallest network, into `out`.
fn train(preset: &str, out: &Path) -> Command {
    let mut command = snn(["train", preset, "--out"]);
    command.arg(out).args(SMALL);
    command
}

/// A run that has ended well. Tests work on copies.
static RUN: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    succeeds(&mut train("digits", &run));
    (parent, run)
});

/// A folder with a copy of the run in it.
fn run() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let run = copy(&RUN.1, &parent.path().join("run"));
    (parent, run)
}

/// Cuts the end of a file off.
fn cut(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() - 100]).unwrap();
}

fn eval(run: &Path) -> Command {
    let mut command = snn(["eval"]);
    command.arg(run);
    command
}

fn resume(run: &Path) -> Command {
    let mut command = snn(["train", "--resume"]);
    command.arg(run);
    command
}

#[test]
fn a_truncated_checkpoint() {
    let (_parent, run) = run();
    for (file, command) in [("model", eval as fn(&Path) -> Command), ("last", resume)] {
        let file = run.join(file).with_extension("safetensors");
        cut(&file);
        let message = fails(&mut command(&run));
        says(&message, &[&file.display().to_string(), "truncated", "copy or export it again"]);
    }
}

#[test]
fn a_foreign_checkpoint() {
    let (_parent, run) = run();
    let other = run.with_file_name("other");
    succeeds(train("digits", &other).args(["--set", "model.dim=16"]));
    for name in ["model.safetensors", "last.safetensors"] {
        fs::copy(other.join(name), run.join(name)).unwrap();
    }
    // Whichever tensor is looked at first: its name, and both shapes.
    for message in [fails(&mut eval(&run)), fails(&mut resume(&run))] {
        says(&message, &["tensor `", "has shape [", "expected ["]);
    }
    // Weights that are no training state at all.
    fs::copy(run.join("model.safetensors"), run.join("last.safetensors")).unwrap();
    says(&fails(&mut resume(&run)), &["last.safetensors", "epoch is missing", "start a new run"]);
    fs::write(run.join("model.safetensors"), "PK\u{3}\u{4} a zip file").unwrap();
    says(&fails(&mut eval(&run)), &["model.safetensors", "of another format"]);
}

#[test]
fn a_folder_that_is_no_run() {
    let parent = tempfile::tempdir().unwrap();
    says(&fails(&mut eval(parent.path())), &["no run folder", "config.toml"]);
    says(&fails(&mut resume(parent.path())), &["no run folder", "config.toml"]);
    let (_parent, run) = run();
    fs::remove_file(run.join("model.safetensors")).unwrap();
    says(&fails(&mut eval(&run)), &["no epoch is finished", "--resume"]);
    fs::write(run.join("config.toml"), "dataset = 3").unwrap();
    says(&fails(&mut eval(&run)), &["config.toml", "expected a string"]);
}

/// Files of MNIST with the right names; `images` are those of the training set.
fn mnist(folder: &Path, images: &[u8]) {
    fs::create_dir(folder).unwrap();
    let labels = [&[0, 0, 8, 1, 0, 0, 0, 2][..], &[3, 9]].concat();
    let sound = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28][..], &[0; 2 * 784]].concat();
    for (name, bytes) in [
        ("train-images-idx3-ubyte", images),
        ("train-labels-idx1-ubyte", &labels),
        ("t10k-images-idx3-ubyte", &sound),
        ("t10k-labels-idx1-ubyte", &labels),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn a_corrupt_idx_file() {
    let parent = tempfile::tempdir().unwrap();
    let head = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    let short = [&head[..], &[0; 784]].concat();
    let cases: [(&str, &[u8], &[&str]); 4] = [
        ("foreign", b"\x89PNG, not idx", &["train-images", "idx magic number"]),
        ("short", &short, &["train-images", "784", "1568"]),
        ("gzip", b"\x1f\x8b\x08\x00 broken", &["train-images"]),
        ("empty", b"", &["train-images", "0 bytes"]),
    ];
    for (name, images, told) in cases {
        let (data, out) = (parent.path().join(name), parent.path().join("out"));
        mnist(&data, images);
        says(&fails(train("mnist", &out).arg("--data").arg(&data)), told);
        assert!(!out.exists(), "{name} left a folder");
    }
    // Sound files of something else.
    let data = parent.path().join("few");
    mnist(&data, &[&head[..], &[0; 2 * 784]].concat());
    let message = fails(train("mnist", &parent.path().join("out")).arg("--data").arg(data));
    says(&message, &["2 + 2", "60000 + 10000"]);
}

#[test]
fn a_corrupt_cifar_file() {
    let parent = tempfile::tempdir().unwrap();
    let (data, out) = (parent.path().join("data"), parent.path().join("out"));
    fs::create_dir(&data).unwrap();
    let names = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];
    for name in names.iter().chain(&["test_batch"]) {
        let file = File::create(data.join(name).with_extension("bin")).unwrap();
        file.set_len(30_730_000).unwrap();
    }
    let mut command = train("cifar10", &out);
    command.arg("--data").arg(&data);
    File::options().write(true).open(data.join("data_batch_4.bin")).unwrap().set_len(5).unwrap();
    says(&fails(&mut command), &["data_batch_4.bin", "5 bytes", "30730000", "get it again"]);
    let mut broken = vec![0; 30_730_000];
    broken[2 * 3073] = 10;
    fs::write(data.join("data_batch_4.bin"), broken).unwrap();
    says(&fails(&mut command), &["data_batch_4.bin", "record 2", "label 10"]);
    assert!(!out.exists());
}

#[test]
fn a_dataset_that_is_not_there() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    for name in ["mnist", "nmnist", "fsdd"] {
        let mut command = snn(["train", name, "--out"]);
        command.arg(&out).env("SNN_DATA_DIR", parent.path());
        says(&fails(&mut command), &[name, "snn data get", "--data DIR"]);
    }
    // A dataset that was fetched needs no folder to be named.
    fs::create_dir(parent.path().join("fsdd")).unwrap();
    let mut command = snn(["train", "fsdd", "--out"]);
    command.arg(&out).env("SNN_DATA_DIR", parent.path());
    says(&fails(&mut command), &["has no recordings"]);
    let mut command = train("mnist", &out);
    says(&fails(command.arg("--data").arg(parent.path())), &["train-images-idx3-ubyte.gz"]);
    says(&fails(train("mnist", &out).args(["--data", "/no/such"])), &["/no/such"]);
    assert!(!out.exists());
}

#[test]
fn an_image_of_the_wrong_size_or_none() {
    let (parent, run) = run();
    let save = |name: &str, width, height| {
        let path = parent.path().join(name);
        image::GrayImage::from_fn(width, height, |x, y| image::Luma([(x * y) as u8]))
            .save(&path)
            .unwrap();
        path
    };
    let (good, wide) = (save("good.png", 8, 8), save("wide.png", 20, 10));
    let text = parent.path().join("text.png");
    fs::write(&text, "no image").unwrap();
    let classify = |files: &[&Path], flags: &[&str]| {
        let mut command = snn(["run"]);
        command.arg(&run).args(files).args(flags);
        command
    };
    let message = fails(&mut classify(&[&good, &wide], &[]));
    says(&message, &["wide.png", "10 x 20", "8 x 8", "--resize"]);
    says(&fails(&mut classify(&[&text], &[])), &["text.png", "not a PNG"]);
    says(&fails(&mut classify(&[Path::new("/no/such.png")], &[])), &["/no/such.png"]);
    let found = succeeds(&mut classify(&[&good, &wide], &["--resize", "--top", "2"]));
    assert_eq!(found.lines().count(), 2);
    assert!(found.lines().all(|line| line.matches(" %)").count() == 2), "{found}");
}

#[test]
fn a_loss_that_is_no_number() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    let wild = ["--set", "schedule={lr=1e30, min_lr=1e30}", "--set", "optimizer={kind='sgd'}"];
    let message = fails(train("digits", &out).args(wild));
    says(&message, &["epoch 1", "step", "1.0e30", "diverged", "`schedule.lr`", "clip"]);
    assert_eq!(names(&out), ["config.toml", "lock"]);
}

#[test]
fn a_run_folder_in_use() {
    let (parent, run) = run();
    let lock = File::create(run.join("lock")).unwrap();
    lock.try_lock().unwrap();
    let before = names(&run);
    let path = run.display().to_string();
    says(&fails(&mut resume(&run)), &[&path, "in use"]);
    says(&fails(&mut train("digits", &run)), &[&path, "in use"]);
    drop(lock);
    says(&fails(&mut train("digits", &run)), &[&path, "holds a run already", "--resume"]);
    assert_eq!(names(&run), before);
    assert_eq!(names(parent.path()), ["run"]);
}

/// As on a full disk, files cannot grow beyond so many blocks of 512 bytes.
#[cfg(target_os = "linux")]
fn on_a_disk_of(blocks: usize, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    // With the signal ignored, writing fails as it does on a full disk.
    limited.args(["-c", "trap '' XFSZ; ulimit -f \"$0\" && exec \"$@\""]);
    limited.arg(blocks.to_string()).arg(command.get_program()).args(command.get_args());
    limited
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() {
    let parent = tempfile::tempdir().unwrap();
    let (fresh, out) = (parent.path().join("fresh"), parent.path().join("out"));
    // No room for anything: no folder is left.
    let message = fails(&mut on_a_disk_of(0, &train("digits", &fresh)));
    says(&message, &["cannot write", "config.toml"]);
    assert!(!fresh.exists());
    // Room for the configuration and not for the network.
    let message = fails(&mut on_a_disk_of(8, &train("digits", &out)));
    says(&message, &["cannot write", "safetensors", "MB", "make room", "--resume"]);
    assert_eq!(names(&out), ["config.toml", "lock"]);
    // Room again.
    succeeds(&mut resume(&out));
    let finished = names(&out);
    assert!(finished.contains(&"report.html".to_owned()), "{finished:?}");
    // An old checkpoint stays whole when a newer one cannot be written.
    let before = fs::read(out.join("last.safetensors")).unwrap();
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    fs::write(out.join("config.toml"), config.replace("epochs = 1", "epochs = 2")).unwrap();
    says(&fails(&mut on_a_disk_of(8, &resume(&out))), &["cannot write"]);
    assert_eq!(fs::read(out.join("last.safetensors")).unwrap(), before);
    assert_eq!(names(&out), finished);
    succeeds(&mut eval(&out));
}

#[test]
fn wrong_settings() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    let told = |flags: &[&str]| fails(train("digits", &out).args(flags));
    says(&told(&["--set", "epoch=3"]), &["preset `digits`", "`epoch`", "`epochs`"]);
    says(&told(&["--set", "model.widht=3"]), &["`widht`", "`dim`", "in `model`"]);
    says(&told(&["--set", "model.heads=3"]), &["`heads` is 3", "divisor of 8"]);
    says(&told(&["--device", "gpu"]), &["`gpu`", "cuda:N"]);
    says(&fails(&mut train("cifar", &out)), &["unknown preset `cifar`", "cifar10"]);
    let file = parent.path().join("mine.toml");
    fs::write(&file, "epochs = 1\nbatch =\n").unwrap();
    let message = fails(snn(["train", "--config"]).arg(&file));
    says(&message, &["mine.toml", "line 2"]);
    says(&fails(&mut snn(["train", "--config", "/no/such"])), &["cannot read /no/such"]);
    assert!(!out.exists());
}
