use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use snn_attn::Attend;
use snn_core::{
    Devices, Weights,
    analog::{Converter, Noise},
    files,
    probe::{Code, SpikeCosts},
};
use snn_data::text::TextSet;
use snn_models::{
    matterhorn::{AnalogDevices, Coding, Imperfections, program},
    wta_spikingformer::Config,
};

use super::output;
use crate::{
    backend::{Choice, Job},
    measure::{self, TextEvaluation},
    report::{AnalogStudy, CodeAccount, Outcome, StudyResult, VariantResult, render_analog},
    text::Trained,
};

/// Arguments of `snn analog`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: snn analog runs/sst2-matterhorn-1")]
pub struct Arguments {
    /// Run folder of the network
    run: PathBuf,
    /// Folder of the dataset's files; the one that the network was trained from unless given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Draws of what is random, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    seeds: u16,
    /// What runs the network
    #[arg(long, value_enum, default_value_t = Choice::Packed)]
    backend: Choice,
    /// Texts at a time
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// The report; `analog.html` in the run folder unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        let mut trained = Trained::open(&self.run)?;
        let coding = trained.description.model.coding.clone().with_context(|| {
            format!(
                "{} has no codes in time; `snn train sst2-matterhorn` makes a network that has",
                self.run.display()
            )
        })?;
        let data = self.data.clone().or_else(|| trained.description.data.clone());
        let vocabulary = Some(trained.vocabulary.clone());
        let data = trained.description.data(data.as_deref(), vocabulary)?;
        ensure!(!data.test.is_empty(), "the test text of {} is empty", trained.description.dataset);
        let (seeds, batch) = (self.seeds.into(), self.batch.into());
        let weights = Weights::load(&self.run.join("model.safetensors"))?;
        let study = Study { trained: &trained, weights, coding, data, seeds, batch };
        let found = self.backend.run(study)?;
        let file = self.out.unwrap_or_else(|| self.run.join("analog.html"));
        files::write_atomic(&file, render_analog(&found).as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))?;
        output::print(&found.text())?;
        output::print(&format!("report {}", file.display()))
    }
}

struct Study<'a> {
    trained: &'a Trained,
    weights: Weights,
    coding: Coding,
    data: TextSet,
    seeds: u64,
    batch: usize,
}

/// A study of devices: title, what it asks, and what is wrong in each variant.
type Question = (&'static str, &'static str, Vec<(String, Imperfections)>);

fn questions() -> Vec<Question> {
    let percent = |x: f64| format!("{} %", 100.0 * x);
    let noise = |set: fn(f64) -> Noise, strengths: &[f64]| -> Vec<(String, Imperfections)> {
        let one = |&x: &f64| (percent(x), Imperfections { noise: set(x), ..Default::default() });
        strengths.iter().map(one).collect()
    };
    let none = Imperfections::default();
    let line = |saturation: f64, converter_bits| Imperfections {
        saturation: Some(saturation),
        converter_bits,
        ..none
    };
    let typical = Imperfections { noise: Noise::TYPICAL, ..none };
    let bits = Some(Converter::BITS);
    let whole = Imperfections { noise: Noise::TYPICAL, ..line(4.0, bits) };
    vec![
        (
            "All together",
            "Noise of 3 % in programming, 1 % in reading, 1 % in thresholds; then with lines that \
             saturate and are read in 8 bits.",
            vec![
                ("perfect devices".into(), none),
                ("typical noise".into(), typical),
                ("noise, saturation 4, 8 bits".into(), whole),
            ],
        ),
        (
            "Programming noise",
            "Weights differ from what was written, in proportion, once for each device.",
            noise(|x| Noise { programming: x, ..Noise::default() }, &[0.01, 0.03, 0.1, 0.3]),
        ),
        (
            "Read noise",
            "Every reading of a line adds noise, in proportion to the greatest weight on it.",
            noise(|x| Noise { read: x, ..Noise::default() }, &[0.01, 0.1, 0.3, 1.0]),
        ),
        (
            "Threshold noise",
            "The staircase of each neuron is too high or too low, in proportion.",
            noise(|x| Noise { threshold: x, ..Noise::default() }, &[0.01, 0.03, 0.1, 0.3]),
        ),
        (
            "Saturation",
            "A line carries as many inputs at the greatest level through the greatest weight.",
            [4.0, 2.0, 1.0, 0.5].map(|x| (format!("{x}"), line(x, None))).to_vec(),
        ),
        (
            "Converters",
            "Lines that carry 4 such inputs are read in so many bits.",
            [8, 6, 5, 4].map(|b| (format!("{b} bits"), line(4.0, Some(b)))).to_vec(),
        ),
    ]
}

impl Job for Study<'_> {
    type Output = AnalogStudy;

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<AnalogStudy> {
        let model = &self.trained.description.model;
        let questions = questions();
        let count: usize = questions.iter().map(|(_, _, variants)| variants.len()).sum();
        let bar = output::bar((count * self.seeds as usize + 5) * self.data.test.len(), "studying");
        let evaluate = |model: &Config, what: Imperfections, seed: u64| -> Result<_> {
            let (model, weights) = program(model, &self.weights, &what.noise, seed)?;
            let mut devices = AnalogDevices::new(&model, &weights, what, seed)?;
            let network = model.load(backend, &weights)?;
            let devices: Option<&mut dyn Devices<B>> = Some(&mut devices);
            let step = |texts: usize| bar.inc(texts as u64);
            measure::evaluate_text_on(backend, &network, &self.data.test, self.batch, devices, step)
        };
        let codes = (0..=self.coding.dead_zone.max(3)).map(|dead_zone| {
            // The zone as a whole, whatever the training had reached.
            let coding = Coding { dead_zone, widen_every: 0, ..self.coding.clone() };
            let model = Config { coding: Some(coding), ..model.clone() };
            let found = evaluate(&model, Imperfections::default(), 0)?;
            let per_token = found.texts / found.tokens;
            Ok(CodeAccount {
                dead_zone,
                accuracy: found.right / found.count,
                silent_first_spike: found.coding.silent(Code::FirstSpike),
                silent_masked: found.coding.silent(Code::MaskedFirstSpike),
                activity: Code::ALL.map(|code| found.coding.total(code).scaled(per_token)),
            })
        });
        let codes = codes.collect::<Result<Vec<_>>>()?;
        let mut studies = Vec::new();
        for (title, lead, variants) in questions {
            let mut results = Vec::new();
            for (name, what) in variants {
                // What draws nothing gives the same every time.
                let seeds = if what.noise == Noise::default() { 1 } else { self.seeds };
                let outcome = |seed| Ok(outcome(&evaluate(model, what, seed)?));
                let outcomes = (1..=seeds).map(outcome).collect::<Result<_>>()?;
                results.push(VariantResult { name, outcomes });
            }
            let (title, lead) = (title.into(), lead.into());
            studies.push(StudyResult { title, lead, variants: results });
        }
        bar.finish_and_clear();
        Ok(AnalogStudy {
            dataset: self.trained.description.dataset.clone(),
            texts: self.data.test.len(),
            seeds: self.seeds,
            coding: self.coding,
            backend: backend.name(),
            codes,
            studies,
        })
    }
}

/// Energy is that of the blocks' codes on analog memory, for one token.
fn outcome(found: &TextEvaluation) -> Outcome {
    let per_token = found.texts / found.tokens;
    let total = found.energy.total();
    let codes = found.coding.total(Code::MaskedFirstSpike).scaled(per_token);
    Outcome {
        accuracy: found.right / found.count,
        firing_rate: found.rates.mean(),
        energy_pj: SpikeCosts::ANALOG.energy_pj(&codes),
        ac: total.ac * per_token,
        mac: total.mac * per_token,
        synchrony: None,
    }
}
