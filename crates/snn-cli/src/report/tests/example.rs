//! A run that never was, with numbers as a real one has them.

use snn_core::probe::Costs;

use crate::report::{
    AttentionMap, AttentionSample, Confusion, Energy, Epoch, FiringRates, Image, LayerEnergy,
    LayerRates, LayerSpikes, Report, Run, Sample, SpikeRaster, Version,
};

/// How much of everything the example has.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub epochs: usize,
    pub classes: usize,
    pub blocks: usize,
    pub steps: usize,
    pub pixels: usize,
    pub samples: usize,
}

impl Size {
    pub const DIGITS: Size =
        Size { epochs: 30, classes: 10, blocks: 2, steps: 4, pixels: 8, samples: 4 };
    pub const SMALL: Size =
        Size { epochs: 1, classes: 2, blocks: 1, steps: 1, pixels: 8, samples: 1 };
    pub const LARGE: Size =
        Size { epochs: 400, classes: 100, blocks: 12, steps: 16, pixels: 64, samples: 3 };
}

/// Numbers between 0 and 1 that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1 << 24) as f64
    }
}

pub fn example(size: Size) -> Report {
    let mut noise = Noise(7);
    Report {
        run: run(size),
        epochs: (1..=size.epochs).map(|e| epoch(e, size.epochs, &mut noise)).collect(),
        confusion: Some(confusion(size.classes, &mut noise)),
        firing_rates: Some(FiringRates {
            samples: 360,
            layers: layers(size).iter().map(|name| rates(name, size.steps, &mut noise)).collect(),
        }),
        raster: Some(SpikeRaster {
            sample: sample(size, 0, &mut noise),
            layers: layers(size).iter().map(|name| spikes(name, size.steps, &mut noise)).collect(),
        }),
        attention: (0..size.samples).map(|i| attention(size, i, &mut noise)).collect(),
        energy: Some(energy(size, &mut noise)),
    }
}

fn run(size: Size) -> Run {
    let version =
        |name: &str, version: &str| Version { name: name.into(), version: version.into() };
    Run {
        system: "Spikformer".into(),
        preset: format!("{}-384", size.blocks),
        dataset: "UCI digits".into(),
        split: "fixed by seed 0: 1,437 training, 360 test; SHA-256 of the list 3f1c…9a".into(),
        train_samples: 1437,
        test_samples: 360,
        time_steps: size.steps,
        parameters: 1_239_306,
        seed: 0,
        precision: "f32".into(),
        device: "CPU".into(),
        threads: 2,
        command: "cargo xtask train digits --out runs/digits --seed 0 --set optimizer.lr=0.001"
            .into(),
        versions: vec![
            version("snn-cli", "0.1.0"),
            version("rustc", "1.95.0"),
            version("libtorch", "2.11.0"),
        ],
        date: Some("2026-03-14".into()),
    }
}

fn epoch(epoch: usize, of: usize, noise: &mut Noise) -> Epoch {
    let t = 8.0 * epoch as f64 / of as f64;
    let miss = 0.85 * (-t).exp();
    let mut jitter = |scale: f64| scale * (noise.next() - 0.5);
    Epoch {
        epoch,
        train_loss: 0.09 + 2.2 * (-0.9 * t).exp() + jitter(0.04),
        train_accuracy: (0.962 - miss + jitter(0.012)).clamp(0.0, 1.0),
        test_loss: 0.11 + 2.1 * (-0.95 * t).exp() + jitter(0.05),
        test_accuracy: (0.981 - 0.95 * miss + jitter(0.014)).clamp(0.0, 1.0),
        firing_rate: 0.142 + 0.05 * (-t / 2.0).exp() + jitter(0.004),
        images_per_s: 312.0 + jitter(20.0),
        seconds: 4.9 + jitter(0.4),
    }
}

fn confusion(classes: usize, noise: &mut Noise) -> Confusion {
    let mut row = |truth: usize| -> Vec<u64> {
        let mistake = |noise: &mut Noise, guess: usize| {
            let near = truth.abs_diff(guess) == 1 || truth.abs_diff(guess) == classes / 2;
            (noise.next() * if near { 4.0 } else { 1.1 }) as u64
        };
        let count = |guess| if guess == truth { 35 } else { mistake(noise, guess) };
        (0..classes).map(count).collect()
    };
    let counts = (0..classes).map(&mut row).collect();
    let classes = if classes == 10 {
        (0..10).map(|k| format!("digit {k}")).collect()
    } else {
        (0..classes).map(|k| format!("class number {k}")).collect()
    };
    Confusion { classes, counts }
}

/// Names of the spiking layers.
fn layers(size: Size) -> Vec<String> {
    let stages = (0..2).map(|i| format!("patch_embed.proj_lif{i}"));
    let parts =
        ["attn.q_lif", "attn.k_lif", "attn.v_lif", "attn.attn_lif", "mlp.fc1_lif", "mlp.fc2_lif"];
    let blocks = (0..size.blocks).flat_map(|b| parts.map(|part| format!("block.{b}.{part}")));
    stages.chain(blocks).collect()
}

fn rates(name: &str, steps: usize, noise: &mut Noise) -> LayerRates {
    let base = 0.03 + 0.3 * noise.next().powi(2);
    let rate = |t: usize| base * (1.0 - 0.6 * (-(t as f64)).exp()) + 0.01 * noise.next();
    LayerRates { name: name.into(), rates: (0..steps).map(rate).collect() }
}

fn spikes(name: &str, steps: usize, noise: &mut Noise) -> LayerSpikes {
    let rate = 0.04 + 0.3 * noise.next();
    let neuron = |_| {
        let own = 2.0 * rate * noise.next();
        (0..steps).map(|_| u8::from(noise.next() < own)).collect()
    };
    LayerSpikes { name: name.into(), neurons: 24_576, spikes: (0..128).map(neuron).collect() }
}

fn sample(size: Size, i: usize, noise: &mut Noise) -> Sample {
    let side = size.pixels;
    let channels = if side > 32 { 3 } else { 1 };
    let ring = |y: usize, x: usize| {
        let (y, x) = (y as f64 + 0.5 - side as f64 / 2.0, x as f64 + 0.5 - side as f64 / 2.0);
        let r = (y * y * 0.7 + x * x * (1.2 + i as f64 * 0.4)).sqrt() / side as f64;
        (1.0 - (r - 0.3).abs() * 6.0).clamp(0.0, 1.0)
    };
    let mut pixels = Vec::new();
    for y in 0..side {
        for x in 0..side {
            for c in 0..channels {
                let ground = 30.0 * noise.next() + 60.0 * c as f64 * y as f64 / side as f64;
                pixels.push((ground + 160.0 * ring(y, x)).min(255.0) as u8);
            }
        }
    }
    Sample {
        image: Image { height: side, width: side, channels, pixels },
        label: format!("digit {i}"),
        prediction: format!("digit {}", if i == 2 { 7 } else { i }),
    }
}

fn attention(size: Size, i: usize, noise: &mut Noise) -> AttentionSample {
    let tokens = if size.pixels == 8 { 4 } else { 14 };
    let mut map = |block: usize| {
        let centre = (noise.next() * tokens as f64, noise.next() * tokens as f64);
        let mut at = |y: usize, x: usize| {
            let (dy, dx) = (y as f64 - centre.0, x as f64 - centre.1);
            0.4 * (-(dy * dy + dx * dx) / (0.3 * (tokens * tokens) as f64)).exp()
                + 0.05 * noise.next()
        };
        let received = (0..tokens).map(|y| (0..tokens).map(|x| at(y, x)).collect()).collect();
        AttentionMap { block: format!("block.{block}"), received }
    };
    let maps = (0..size.blocks).map(&mut map).collect();
    AttentionSample { sample: sample(size, i, noise), maps }
}

fn energy(size: Size, noise: &mut Noise) -> Energy {
    let steps = size.steps as f64;
    let first = LayerEnergy {
        name: "patch_embed.proj_conv".into(),
        kind: "conv 3×3".into(),
        input_density: 0.97,
        dense: 0.44e6,
        ac: 0.0,
        mac: 0.44e6,
    };
    let mut layer = |name: String, kind: &str, dense: f64| {
        let density = 0.03 + 0.25 * noise.next();
        LayerEnergy {
            name,
            kind: kind.into(),
            input_density: density,
            dense,
            ac: density * dense * steps,
            mac: 0.0,
        }
    };
    let mut layers = vec![first, layer("patch_embed.proj_conv1".into(), "conv 3×3", 9.4e6)];
    for b in 0..size.blocks {
        for (part, kind, dense) in [
            ("attn.q_linear", "linear", 2.4e6),
            ("attn.k_linear", "linear", 2.4e6),
            ("attn.v_linear", "linear", 2.4e6),
            ("attn.qkv", "attention", 0.2e6),
            ("mlp.fc1_linear", "linear", 9.4e6),
            ("mlp.fc2_linear", "linear", 9.4e6),
        ] {
            layers.push(layer(format!("block.{b}.{part}"), kind, dense));
        }
    }
    layers.push(LayerEnergy {
        name: "head".into(),
        kind: "linear".into(),
        input_density: 1.0,
        dense: 3840.0,
        ac: 0.0,
        mac: 3840.0 * steps,
    });
    Energy {
        costs: Costs::F32_45NM,
        source: "45 nm CMOS, 32-bit float: Horowitz, ISSCC 2014".into(),
        samples: 360,
        layers,
        excluded: vec![
            "memory traffic".into(),
            "neuron updates".into(),
            "residual additions".into(),
            "control of spikes".into(),
        ],
    }
}
