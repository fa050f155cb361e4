//! Trains every variant with every seed, and reports.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use snn_attn::Attend;
use snn_core::{files, probe::Costs};
use snn_data::Sources;
use snn_models::Config as Model;
use snn_train::run::{Config, Metrics, Progress, RunFolder, Trainer, Watch, preset};

use super::{
    Arguments,
    studies::{Study, studies},
};
use crate::{
    backend::{Choice, Job},
    commands::output,
    data,
    measure::{self, Evaluation, Synchrony},
    report::{Ablation, Outcome, StudyResult, VariantResult, render_ablation},
    run_folder::Trained,
};

/// Which trials are those of a variant, one a seed.
type Places = Vec<usize>;

/// One network to train.
struct Trial {
    /// Name of its run folder.
    name: String,
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let name = if arguments.quick { "digits-efficient" } else { "fashion-mnist-efficient" };
    let mut base = preset(name, &arguments.set)?;
    if let Some(dir) = &arguments.data {
        // As an absolute path, which later commands find from anywhere.
        let dir = fs::canonicalize(dir)
            .with_context(|| format!("cannot read the folder {}", dir.display()))?;
        base.data = Some(dir);
    }
    if arguments.quick {
        base.epochs = base.epochs.min(QUICK_EPOCHS);
    }
    let Model::EfficientSpikingTransformer(host) = base.model.clone() else {
        bail!("the preset `{name}` with these changes is no efficient spiking transformer");
    };
    let data = data::open(&base.dataset, base.data.as_deref(), &base.model, &base.settings())?;
    let studies = chosen(studies(&base, &host), &arguments.study)?;
    let (trials, of_variant) = trials(&studies, arguments.seeds)?;
    let outcomes = train_all(&trials, &data, &arguments.out)?;
    let report = Ablation {
        title: format!("Attention on codes: {}", data.manifest.title),
        split: data.split.clone(),
        preset: name.into(),
        epochs: base.epochs,
        seeds: arguments.seeds.into(),
        train_samples: data.train.len(),
        test_samples: data.test.len(),
        seconds: start.elapsed().as_secs_f64(),
        studies: results(&studies, &of_variant, &outcomes),
    };
    let file = arguments.out.join("report.html");
    files::write_atomic(&file, render_ablation(&report).as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))?;
    output::print(&report.text())?;
    output::print(&format!("report {}", file.display()))
}

/// Enough to tell the variants apart on the digits.
const QUICK_EPOCHS: usize = 8;

/// The studies that are asked for: all, or those whose title has one of these texts in it.
fn chosen(mut studies: Vec<Study>, asked: &[String]) -> Result<Vec<Study>> {
    let titles: Vec<&str> = studies.iter().map(|study| study.title).collect();
    let has = |title: &str, text: &String| title.to_lowercase().contains(&text.to_lowercase());
    if let Some(text) = asked.iter().find(|text| !titles.iter().any(|title| has(title, text))) {
        bail!("no study is about `{text}`; there are: {}", titles.join("; "));
    }
    studies.retain(|study| asked.is_empty() || asked.iter().any(|text| has(study.title, text)));
    Ok(studies)
}

/// The trials of all variants, each once, and for every study and variant which they are.
fn trials(studies: &[Study], seeds: u16) -> Result<(Vec<Trial>, Vec<Vec<Places>>)> {
    let (mut trials, mut known) = (Vec::new(), BTreeMap::new());
    let mut of_variant = Vec::new();
    for study in studies {
        let mut of_study = Vec::new();
        for variant in &study.variants {
            let mut of_seeds = Vec::new();
            for seed in 1..=u64::from(seeds) {
                let config = Config { seed, ..variant.config.clone() };
                let key = serde_json::to_string(&config)?;
                let next = trials.len();
                let place = *known.entry(key).or_insert(next);
                if place == next {
                    let name = folder_name(study.title, &variant.name, seed);
                    trials.push(Trial { name, config });
                }
                of_seeds.push(place);
            }
            of_study.push(of_seeds);
        }
        of_variant.push(of_study);
    }
    Ok((trials, of_variant))
}

/// `bits-of-a-code-8-bits-seed-1`.
fn folder_name(study: &str, variant: &str, seed: u64) -> String {
    let text = format!("{study} {variant} seed {seed}").to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// Trains as many at a time as there are cores, each on one thread, so that results are the same
/// however many that are.
fn train_all(trials: &[Trial], data: &Sources, out: &Path) -> Result<Vec<Outcome>> {
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get()).min(trials.len());
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((0..trials.len()).collect());
    let finished = AtomicUsize::new(0);
    let bar = output::bar(trials.len(), "training");
    let work = || -> Result<Vec<(usize, Outcome)>> {
        let mut done = Vec::new();
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(i) = next else { return Ok(done) };
            let Trial { name, config } = &trials[i];
            let trained = train(config, data, &out.join("runs").join(name));
            let outcome = match trained {
                Ok(outcome) => outcome,
                Err(error) => {
                    // The others need not go on for a report that cannot be.
                    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    return Err(error.context(format!("variant {name}")));
                }
            };
            let count = finished.fetch_add(1, Ordering::Relaxed) + 1;
            let line = format!(
                "{count:3}/{}  {:5.2} %  firing {:4.1} %  {name}",
                trials.len(),
                100.0 * outcome.accuracy,
                100.0 * outcome.firing_rate,
            );
            bar.suspend(|| output::print(&line))?;
            bar.inc(1);
            done.push((i, outcome));
        }
    };
    let done = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Result<Vec<_>>>()
    })?;
    bar.finish_and_clear();
    let done: BTreeMap<usize, Outcome> = done.into_iter().flatten().collect();
    Ok(done.into_values().collect())
}

/// Trains one network, or goes on where it stopped, and looks at it.
fn train(config: &Config, data: &Sources, path: &Path) -> Result<Outcome> {
    let folder = match path.join("config.toml").is_file() {
        true => {
            let (folder, found) = RunFolder::open(path)?;
            if found != *config {
                bail!(
                    "{} holds a run of another configuration; choose another --out",
                    path.display()
                );
            }
            folder
        }
        false => RunFolder::create(path, config, "snn ablate")?,
    };
    let mut trainer = Trainer::resume(config.clone(), data, &folder)?;
    trainer.run(&folder, &mut Silent)?;
    let last = trainer.metrics().last().context("a run without epochs")?.test_accuracy;
    let trained = Trained::open(path)?;
    let (found, synchrony) =
        Choice::Torch.run(Look { trained: &trained, data, batch: config.batch })?;
    let operations = found.energy.total();
    Ok(Outcome {
        accuracy: last,
        firing_rate: found.rates.mean(),
        energy_pj: Costs::F32_45NM.energy_pj(&operations),
        ac: operations.ac,
        mac: operations.mac,
        synchrony: synchrony.rate(),
    })
}

struct Silent;

impl Watch for Silent {
    fn step(&mut self, _: &Progress) {}
    fn epoch(&mut self, _: &Metrics) {}
}

struct Look<'a> {
    trained: &'a Trained,
    data: &'a Sources,
    batch: usize,
}

impl Job for Look<'_> {
    type Output = (Evaluation, Synchrony);

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<Self::Output> {
        let network = self.trained.network(backend)?;
        let mut synchrony = Synchrony::default();
        let (test, batch) = (&self.data.test, self.batch);
        let found =
            measure::evaluate_with(backend, &*network, test, batch, |_| {}, &mut synchrony)?;
        Ok((found, synchrony))
    }
}

fn results(
    studies: &[Study],
    of_variant: &[Vec<Places>],
    outcomes: &[Outcome],
) -> Vec<StudyResult> {
    let studies = studies.iter().zip(of_variant);
    let study = |(study, of_variant): (&Study, &Vec<Places>)| StudyResult {
        title: study.title.into(),
        lead: study.lead.into(),
        variants: study
            .variants
            .iter()
            .zip(of_variant)
            .map(|(variant, places)| VariantResult {
                name: variant.name.clone(),
                outcomes: places.iter().map(|&place| outcomes[place]).collect(),
            })
            .collect(),
    };
    studies.map(study).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_studies_share_is_trained_once() {
        let base = preset("digits-efficient", &[]).unwrap();
        let Model::EfficientSpikingTransformer(host) = base.model.clone() else { panic!() };
        let studies = studies(&base, &host);
        let (trials, of_variant) = trials(&studies, 2).unwrap();
        let variants: usize = studies.iter().map(|study| study.variants.len()).sum();
        assert!(trials.len() < 2 * variants);
        // 16 bits by rate, without delays, all keys.
        let plain = &of_variant[0][1];
        assert_eq!(
            [plain; 4],
            [&of_variant[1][0], &of_variant[5][0], &of_variant[7][0], &of_variant[8][0]]
        );
        let names: std::collections::BTreeSet<_> = trials.iter().map(|trial| &trial.name).collect();
        assert_eq!(names.len(), trials.len());
    }
}
