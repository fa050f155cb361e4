//! Training on every kind of data, from folders as they are published.

use std::{fs, path::Path};

use proptest::prelude::*;
use snn_data::{FrameSize, Sources, events::frames::resize};
use snn_train::run::{Config, Metrics, Progress, RunFolder, Trainer, Watch, preset};
use tch::{Kind, Tensor};

struct Silent;

impl Watch for Silent {
    fn step(&mut self, _: &Progress) {}
    fn epoch(&mut self, _: &Metrics) {}
}

/// A preset made so small that an epoch takes no time.
fn small(name: &str, changes: &[&str]) -> Config {
    let mut all = vec!["epochs=8", "batch=5", "device=cpu", "threads=1", "schedule.warmup=0"];
    all.extend(["model.heads=2", "model.mlp_ratio=1"]);
    all.extend(changes);
    preset(name, &all.iter().map(|&c| c.to_owned()).collect::<Vec<_>>()).unwrap()
}

/// Trains on the files in `dir`, goes on for another epoch, and gives the metrics.
fn train(mut config: Config, dir: &Path) -> Vec<Metrics> {
    let input = config.model.input();
    let size = FrameSize { steps: input.frames(), height: input.height, width: input.width };
    let data = Sources::open(&config.dataset, Some(dir), &config.settings(), size).unwrap();
    let folder = RunFolder::create(&dir.join("run"), &config, "snn train").unwrap();
    Trainer::new(config.clone(), &data).unwrap().run(&folder, &mut Silent).unwrap();
    config.epochs += 1;
    let mut trainer = Trainer::resume(config, &data, &folder).unwrap();
    trainer.run(&folder, &mut Silent).unwrap();
    trainer.metrics().to_vec()
}

/// Whether every epoch came to its end, and the last one better than the first.
fn learned(metrics: &[Metrics]) -> bool {
    metrics.len() == 9 && metrics[8].train_loss < metrics[0].train_loss - 0.01
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// N-MNIST as published: folders of the digits, five bytes an event.
#[test]
fn a_network_is_trained_on_events() {
    let dir = tempfile::tempdir().unwrap();
    let event = |digit: u32, i: u32, n: u32| {
        let (x, y, t) = (digit * 3 + n % 4, (n * 7 + i) % 34, 40 * n);
        let sign = (n % 2) << 7;
        [x as u8, y as u8, (sign | t >> 16) as u8, (t >> 8) as u8, t as u8]
    };
    for (part, count) in [("Train", 3), ("Test", 1)] {
        for (digit, i) in (0..10).flat_map(|digit| (0..count).map(move |i| (digit, i))) {
            let bytes: Vec<u8> = (0..200).flat_map(|n| event(digit, i, n)).collect();
            put(&dir.path().join(format!("{part}/{digit}/{i:05}.bin")), &bytes);
        }
    }
    let size = ["model.dim=16", "model.depth=1"];
    let steps = ["model.time_steps=2", "events.slicing.number.frames=2", "events.cache=false"];
    let augment = ["events.augment={flip=0.5, policy='nda'}", "schedule.lr=0.01"];
    let metrics = train(small("nmnist", &[&size[..], &steps, &augment].concat()), dir.path());
    assert!(learned(&metrics), "{metrics:?}");
}

/// Spoken digits as published: one folder, a wave file each.
#[test]
fn a_network_is_trained_on_sounds() {
    let dir = tempfile::tempdir().unwrap();
    for (digit, i) in (0..10u16).flat_map(|digit| (3..7).map(move |i| (digit, i))) {
        let sample = |n: u16| {
            let turn = f64::from(n) * f64::from(200 + 300 * digit + i) / 8000.0;
            (12_000.0 * (turn * std::f64::consts::TAU).sin()) as i16
        };
        let data: Vec<u8> = (0..2000).flat_map(|n| sample(n).to_le_bytes()).collect();
        // RIFF header: PCM, one channel, 8000 samples a second, two bytes each.
        let mut wave = b"RIFF".to_vec();
        wave.extend((36 + data.len() as u32).to_le_bytes());
        wave.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
        wave.extend((data.len() as u32).to_le_bytes());
        wave.extend(data);
        put(&dir.path().join(format!("recordings/{digit}_ada_{i}.wav")), &wave);
    }
    let metrics = train(small("fsdd", &["model.embed_dims=[8, 8, 8, 8]"]), dir.path());
    assert!(learned(&metrics), "{metrics:?}");
}

proptest! {
    /// torchvision's `Resize` of a tensor is this operation of libtorch, which errs for images one
    /// pixel wide.
    #[test]
    fn frames_are_resized_as_by_torchvision(
        (from, to) in ([2usize..20, 2usize..20], [2usize..24, 2usize..24]),
        seed in any::<u32>(),
    ) {
        let count = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 27) as f32;
        let frame: Vec<f32> = (0..from[0] * from[1]).map(count).collect();
        let x = Tensor::from_slice(&frame).view([1, 1, from[0] as i64, from[1] as i64]);
        let y = x.internal_upsample_bilinear2d_aa(to.map(|n| n as i64), false, None, None).view(-1);
        let found = Tensor::from_slice(&resize(&frame, from, to));
        let far = (found - y).abs().max().to_kind(Kind::Double).double_value(&[]);
        prop_assert!(far < 1e-4, "{far}");
    }
}
