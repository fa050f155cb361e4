//! The report of a run: its best network, evaluated and looked into.

use anyhow::{Context, Result};
use ndarray::{ArrayD, Axis};
use snn_attn::Attend;
use snn_core::{
    Pass,
    probe::{Costs, EnergyMeter, Rates},
};
use snn_data::{Sources, manifest::Normalisation};
use snn_train::run::{Config, Metrics, RunFolder};

use crate::{
    backend::{Choice, Job},
    commands::output,
    measure::{self, AttentionMaps, Evaluation, Raster},
    report::{
        AttentionSample, Confusion, Energy, Epoch, FiringRates, Image, LayerEnergy, LayerRates,
        Report, Run, Sample, SpikeRaster, Version, render,
    },
    run_folder::Trained,
};

/// What a run came to.
pub(super) struct Outcome {
    /// Share of test images that the best network classifies right.
    pub accuracy: f64,
    /// The epoch that it is of.
    pub epoch: usize,
    /// The same share after the last epoch.
    pub last: f64,
}

/// Images that attention maps are shown for, of a class each.
const SHOWN: usize = 8;

/// Evaluates the best network of a run and writes `report.html`.
pub(super) fn write(
    folder: &RunFolder,
    config: &Config,
    data: &Sources,
    metrics: &[Metrics],
) -> Result<Outcome> {
    let trained = Trained::open(folder.path())?;
    let looked = Choice::Torch.run(Look { trained: &trained, data, batch: config.batch })?;
    let best = Metrics::best(metrics).context("a run without epochs")?;
    let outcome = Outcome {
        accuracy: looked.evaluation.accuracy(),
        epoch: best.epoch,
        last: metrics.last().map_or(f64::NAN, |last| last.test_accuracy),
    };
    let samples = looked.evaluation.samples() as usize;
    let report = Report {
        run: conditions(folder, config, data, &trained)?,
        epochs: metrics.iter().map(epoch).collect(),
        confusion: Some(Confusion {
            classes: data.classes.clone(),
            counts: looked.evaluation.confusion.clone(),
        }),
        firing_rates: Some(firing_rates(&looked.evaluation.rates, samples)),
        raster: looked.raster,
        attention: looked.attention,
        energy: Some(energy(&looked.evaluation.energy, samples)),
    };
    folder.write("report.html", render(&report).as_bytes())?;
    Ok(outcome)
}

/// What is to be found out about a network.
struct Look<'a> {
    trained: &'a Trained,
    data: &'a Sources,
    batch: usize,
}

struct Looked {
    evaluation: Evaluation,
    raster: Option<SpikeRaster>,
    attention: Vec<AttentionSample>,
}

impl Job for Look<'_> {
    type Output = Looked;

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<Looked> {
        let network = self.trained.network(backend)?;
        let bar = output::bar(self.data.test.len(), "evaluating");
        let step = |images: usize| bar.inc(images as u64);
        let evaluation = measure::evaluate(backend, &*network, &self.data.test, self.batch, step)?;
        bar.finish_and_clear();
        let (mut raster, mut attention) = (None, Vec::new());
        for i in first_of_classes(self.data) {
            let input = measure::sample(&*self.data.test, i)?;
            let (mut spikes, mut maps) = (Raster::default(), AttentionMaps::default());
            let mut probe = (&mut spikes, &mut maps);
            let pass = Pass::new(backend).with_probe(&mut probe);
            let logits = measure::logits(&*network, pass, &input);
            let sample = sample(self.data, i, &input, measure::ranking(logits)[0].0);
            raster.get_or_insert(SpikeRaster { sample: sample.clone(), layers: spikes.layers });
            attention.push(AttentionSample { sample, maps: maps.maps });
        }
        attention.retain(|sample| !sample.maps.is_empty());
        Ok(Looked { evaluation, raster, attention })
    }
}

/// The first test sample of each of the first classes.
fn first_of_classes(data: &Sources) -> Vec<usize> {
    let first = |class| (0..data.test.len()).find(|&i| data.test.label(i) == class);
    (0..data.test.classes()).filter_map(first).take(SHOWN).collect()
}

/// Test sample `i`, which the network took for `prediction`.
fn sample(data: &Sources, i: usize, input: &ArrayD<f32>, prediction: usize) -> Sample {
    let name = |class: usize| data.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    Sample {
        image: picture(input, data.manifest.normalisation.as_ref()),
        label: name(data.test.label(i)),
        prediction: name(prediction),
    }
}

/// What a network sees, `[T, 1, H, W, C]`, as a picture: an image as it was before it was
/// normalised; frames added up, from the least value to the greatest.
fn picture(input: &ArrayD<f32>, normalisation: Option<&Normalisation>) -> Image {
    let seen = input.sum_axis(Axis(0));
    let (height, width, channels) = (seen.shape()[1], seen.shape()[2], seen.shape()[3]);
    let fold = |f: fn(f32, f32) -> f32, start| seen.iter().copied().fold(start, f);
    let (least, most) = (fold(f32::min, f32::INFINITY), fold(f32::max, f32::NEG_INFINITY));
    let share = |(i, &value): (usize, &f32)| match normalisation {
        Some(Normalisation { mean, std }) => value * std[i % channels] + mean[i % channels],
        None if most > least => (value - least) / (most - least),
        None => 0.0,
    };
    let pixels = seen.iter().enumerate().map(share).map(|share| (255.0 * share).round() as u8);
    Image { height, width, channels, pixels: pixels.collect() }
}

fn conditions(
    folder: &RunFolder,
    config: &Config,
    data: &Sources,
    trained: &Trained,
) -> Result<Run> {
    Ok(Run {
        system: config.model.system().into(),
        dataset: data.manifest.title.clone(),
        split: data.split.clone(),
        train_samples: data.train.len(),
        test_samples: data.test.len(),
        time_steps: config.model.input().time_steps,
        parameters: trained.parameters() as u64,
        seed: config.seed,
        device: config.device.clone(),
        ..here(folder)?
    })
}

/// What is the same for every run: its folder, command, threads and versions.
pub(super) fn here(folder: &RunFolder) -> Result<Run> {
    let name = folder.path().file_name().unwrap_or_default();
    let version =
        |name: &str, version: &str| Version { name: name.into(), version: version.into() };
    Ok(Run {
        preset: name.to_string_lossy().into_owned(),
        precision: "f32".into(),
        threads: usize::try_from(tch::get_num_threads()).unwrap_or(0),
        command: folder.command()?,
        // libtorch's is the only one that torch-sys builds with.
        versions: vec![version("snn", env!("CARGO_PKG_VERSION")), version("libtorch", "2.11.0")],
        ..Run::default()
    })
}

pub(super) fn epoch(metrics: &Metrics) -> Epoch {
    let &Metrics {
        epoch,
        train_loss,
        train_accuracy,
        test_loss,
        test_accuracy,
        firing_rate,
        images_per_s,
        seconds,
    } = metrics;
    Epoch {
        epoch,
        train_loss,
        train_accuracy,
        test_loss,
        test_accuracy,
        firing_rate,
        images_per_s,
        seconds,
    }
}

pub(super) fn firing_rates(rates: &Rates, samples: usize) -> FiringRates {
    let layers = rates.layers().into_iter();
    FiringRates {
        samples,
        layers: layers.map(|l| LayerRates { name: l.name, rates: l.rates }).collect(),
    }
}

pub(super) fn energy(meter: &EnergyMeter, samples: usize) -> Energy {
    let layers = meter.layers().into_iter().map(|layer| LayerEnergy {
        name: layer.name,
        kind: layer.kind.to_string(),
        input_density: layer.input_density,
        dense: layer.operations.dense,
        ac: layer.operations.ac,
        mac: layer.operations.mac,
    });
    Energy {
        costs: Costs::F32_45NM,
        source: "32-bit floats in 45 nm CMOS, Horowitz, ISSCC 2014".into(),
        samples,
        layers: layers.collect(),
        excluded: Costs::EXCLUDED.map(str::to_owned).to_vec(),
    }
}
