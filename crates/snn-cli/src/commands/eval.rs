use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use snn_attn::Attend;
use snn_core::probe::Costs;

use super::{eval_precisions, eval_text, output};
use crate::{
    backend::{Choice, Job},
    measure,
    run_folder::Trained,
    text,
};

/// Arguments of `snn eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: snn eval runs/digits-1 --backend reference --json")]
pub struct Arguments {
    /// Run folder of the network
    run: PathBuf,
    /// Folder of the dataset's files; the one that the network was trained from unless given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What runs the network
    #[arg(long, value_enum, default_value_t = Choice::Packed)]
    backend: Choice,
    /// Run integer neurons as spikes over virtual steps, one accumulate a spike
    #[arg(long)]
    unfolded: bool,
    /// Compare every precision of the packed engine with the reference in 64-bit floats: accuracy,
    /// spikes, answers, logits, speed
    #[arg(long, conflicts_with_all = ["backend", "unfolded"])]
    precisions: bool,
    /// Images at a time
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        if self.precisions {
            return eval_precisions::run(&self.run, self.data, self.batch.into(), self.json);
        }
        if text::is_text(&self.run) {
            let Self { run, data, backend, unfolded, batch, json, .. } = self;
            return eval_text::run(&run, data, backend, unfolded, batch.into(), json);
        }
        let trained = Trained::open(&self.run)?;
        let measure = Measure {
            trained: &trained,
            data: self.data.or_else(|| trained.description.data.clone()),
            batch: self.batch.into(),
            backend: match self.unfolded {
                true => format!("{}-unfolded", self.backend.name()),
                false => self.backend.name(),
            },
        };
        let found = match self.unfolded {
            true => self.backend.run_unfolded(measure)?,
            false => self.backend.run(measure)?,
        };
        if self.json { output::print_json(&found) } else { output::print(&found.to_string()) }
    }
}

/// What `snn eval --json` prints.
#[derive(Serialize)]
struct Found {
    /// Share of test images that are classified right.
    accuracy: f64,
    images_per_s: f64,
    ms_per_image: f64,
    /// Spikes per neuron and time step.
    firing_rate: f64,
    /// Accumulates for one image.
    ac: f64,
    /// Multiply-accumulates for one image.
    mac: f64,
    /// Their energy, as [`Costs::F32_45NM`].
    energy_pj: f64,
    peak_rss_mb: Option<f64>,
    backend: String,
    /// How training and test samples were told apart.
    split: String,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "accuracy     {:.2} %", 100.0 * self.accuracy)?;
        writeln!(
            f,
            "speed        {:.1} images/s, {:.2} ms each",
            self.images_per_s, self.ms_per_image
        )?;
        writeln!(f, "firing rate  {:.1} %", 100.0 * self.firing_rate)?;
        writeln!(
            f,
            "operations   {:.3} M AC, {:.3} M MAC an image",
            self.ac / 1e6,
            self.mac / 1e6
        )?;
        writeln!(
            f,
            "energy       {:.3} uJ an image (45 nm, f32; without {})",
            self.energy_pj / 1e6,
            Costs::EXCLUDED.join(", ")
        )?;
        if let Some(peak) = self.peak_rss_mb {
            writeln!(f, "memory       {peak:.0} MB at the peak")?;
        }
        writeln!(f, "backend      {}", self.backend)?;
        write!(f, "split        {}", self.split)
    }
}

struct Measure<'a> {
    trained: &'a Trained,
    data: Option<PathBuf>,
    batch: usize,
    backend: String,
}

impl Job for Measure<'_> {
    type Output = Found;

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<Found> {
        let network = self.trained.network(backend)?;
        let description = &self.trained.description;
        let data = description.data(self.data.as_deref())?;
        let images_per_s = measure::images_per_second(backend, &*network, &data.test, self.batch)?;
        let bar = output::bar(data.test.len(), "evaluating");
        let step = |images: usize| bar.inc(images as u64);
        let found = measure::evaluate(backend, &*network, &data.test, self.batch, step)?;
        bar.finish_and_clear();
        let operations = found.energy.total();
        Ok(Found {
            accuracy: found.accuracy(),
            images_per_s,
            ms_per_image: 1000.0 / images_per_s,
            firing_rate: found.rates.mean(),
            ac: operations.ac,
            mac: operations.mac,
            energy_pj: Costs::F32_45NM.energy_pj(&operations),
            peak_rss_mb: measure::peak_rss_mb(),
            backend: self.backend,
            split: data.split,
        })
    }
}
