//! A run on text from its arguments to its result.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use snn_data::text::{TextSet, Vocabulary};
use snn_train::run::{
    Metrics, RunFolder, Watch,
    text::{Config, Trainer, VOCABULARY, preset},
};

use super::{Arguments, progress::Progress, start::command, text_report};
use crate::{commands::output, text};

/// Whether the arguments ask for a run on text.
pub(super) fn is_asked_for(arguments: &Arguments) -> bool {
    match (&arguments.resume, &arguments.config) {
        (Some(folder), _) => text::is_text(folder),
        (None, Some(file)) => fs::read_to_string(file).is_ok_and(|toml| Config::is_text(&toml)),
        (None, None) => preset(&arguments.preset, &[]).is_some(),
    }
}

pub(super) fn start(arguments: &Arguments) -> Result<()> {
    let (folder, mut trainer, config) = match &arguments.resume {
        Some(folder) => resume(folder, arguments)?,
        None => new(arguments)?,
    };
    let place = folder.path().display();
    output::print(&format!("run folder {place}"))?;
    trainer.run(&folder, &mut Lines(Progress::new(config.epochs)))?;
    let Some(best) = Metrics::best(trainer.metrics()) else {
        unreachable!("a run has one epoch at least")
    };
    text_report::write(&folder, &config, trainer.metrics())?;
    output::print(&format!(
        "test accuracy {:.2} %, loss {:.4}, perplexity {:.2} (epoch {}); \
         `snn eval {place}` measures operations and energy\nreport {place}/report.html",
        100.0 * best.test_accuracy,
        best.test_loss,
        best.test_loss.exp(),
        best.epoch,
    ))
}

fn new(arguments: &Arguments) -> Result<(RunFolder, Trainer, Config)> {
    let (mut config, name) = match &arguments.config {
        Some(path) => {
            let config = Config::load(path, &arguments.set)?;
            let name = config.dataset.clone();
            (config, name)
        }
        None => {
            let Some(config) = preset(&arguments.preset, &arguments.set) else {
                unreachable!("this preset was asked for because it is there")
            };
            (config?, arguments.preset.clone())
        }
    };
    if let Some(seed) = arguments.seed {
        config.seed = seed;
    }
    let absolute = |path: &Path| {
        fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))
    };
    // As absolute paths, which later commands find from anywhere.
    if let Some(dir) = &arguments.data {
        config.data = Some(absolute(dir)?);
    }
    for file in [&mut config.files.train, &mut config.files.test].into_iter().flatten() {
        *file = absolute(file)?;
    }
    set_device(&mut config, arguments);
    let dir = config.data.clone();
    let data = open(&mut config, dir.as_deref(), None)?;
    let vocabulary = data.vocabulary.write();
    // Before its folder: a run that cannot begin leaves nothing behind.
    let trainer = Trainer::new(config.clone(), data)?;
    let command = command(std::env::args_os());
    let folder = match &arguments.out {
        Some(path) => RunFolder::create(path, &config, &command)?,
        None => RunFolder::create_numbered(Path::new("runs"), &name, &config, &command)?,
    };
    folder.write(VOCABULARY, vocabulary.as_bytes())?;
    Ok((folder, trainer, config))
}

fn resume(path: &Path, arguments: &Arguments) -> Result<(RunFolder, Trainer, Config)> {
    let folder = RunFolder::reopen(path)?;
    let mut config = Config::load(&folder.file("config.toml"), &[])?;
    set_device(&mut config, arguments);
    let file = folder.file(VOCABULARY);
    let text = fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}; start a new run", file.display()))?;
    let vocabulary = Vocabulary::read(&text, config.unit);
    let dir = arguments.data.clone().or_else(|| config.data.clone());
    let data = open(&mut config, dir.as_deref(), Some(vocabulary))?;
    let trainer = Trainer::resume(config.clone(), data, &folder)?;
    Ok((folder, trainer, config))
}

/// The text of `config`, whose vocabulary is then that of the text.
fn open(config: &mut Config, dir: Option<&Path>, given: Option<Vocabulary>) -> Result<TextSet> {
    let Config { dataset, data, files, unit, length, model, .. } = config.clone();
    let mut description = text::Description { dataset, data, files, unit, length, model };
    let data = description.data(dir, given)?;
    config.model = description.model;
    Ok(data)
}

fn set_device(config: &mut Config, arguments: &Arguments) {
    if let Some(device) = &arguments.device {
        config.device.clone_from(device);
    }
}

/// The lines of an image run, with the perplexity.
struct Lines(Progress);

impl Watch for Lines {
    fn step(&mut self, progress: &snn_train::run::Progress) {
        self.0.step(progress);
    }

    fn epoch(&mut self, metrics: &Metrics) {
        self.0.line(metrics, |line| {
            let line = line.replace("images/s", "texts/s");
            format!("{line}  perplexity {:.2}", metrics.test_loss.exp())
        });
    }
}
