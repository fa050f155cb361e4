//! A training run from its arguments to its report.

use std::{ffi::OsString, fs, path::Path};

use anyhow::{Context, Result};
use snn_data::Sources;
use snn_train::run::{Config, RunFolder, Trainer, preset};

use super::{Arguments, progress::Progress, report};
use crate::{commands::output, data};

pub(super) fn start(arguments: Arguments) -> Result<()> {
    let run = match &arguments.resume {
        Some(folder) => Run::resume(folder, &arguments)?,
        None => Run::new(&arguments)?,
    };
    let Run { folder, mut trainer, config, data } = run;
    let place = folder.path().display();
    output::print(&format!("run folder {place}\nsplit {}", data.split))?;
    trainer.run(&folder, &mut Progress::new(config.epochs))?;
    let found = report::write(&folder, &config, &data, trainer.metrics())?;
    output::print(&format!(
        "test accuracy {:.2} % (epoch {}), {:.2} % after the last epoch\nreport {place}/report.html",
        100.0 * found.accuracy,
        found.epoch,
        100.0 * found.last,
    ))
}

struct Run {
    folder: RunFolder,
    trainer: Trainer,
    config: Config,
    data: Sources,
}

impl Run {
    fn new(arguments: &Arguments) -> Result<Self> {
        let (mut config, name) = match &arguments.config {
            Some(path) => {
                let config = Config::load(path, &arguments.set)?;
                let name = config.dataset.clone();
                (config, name)
            }
            None => (preset(&arguments.preset, &arguments.set)?, arguments.preset.clone()),
        };
        if let Some(seed) = arguments.seed {
            config.seed = seed;
        }
        if let Some(dir) = &arguments.data {
            // As an absolute path, which later commands find from anywhere.
            let dir = fs::canonicalize(dir)
                .with_context(|| format!("cannot read the folder {}", dir.display()))?;
            config.data = Some(dir);
        }
        set_device(&mut config, arguments);
        let data = open(&config, config.data.as_deref())?;
        // Before its folder: a run that cannot begin leaves nothing behind.
        let trainer = Trainer::new(config.clone(), &data)?;
        let command = command(std::env::args_os());
        let folder = match &arguments.out {
            Some(path) => RunFolder::create(path, &config, &command)?,
            None => RunFolder::create_numbered(Path::new("runs"), &name, &config, &command)?,
        };
        Ok(Self { folder, trainer, config, data })
    }

    fn resume(path: &Path, arguments: &Arguments) -> Result<Self> {
        let (folder, mut config) = RunFolder::open(path)?;
        set_device(&mut config, arguments);
        let dir = arguments.data.as_ref().or(config.data.as_ref());
        let data = open(&config, dir.map(|dir| dir.as_path()))?;
        let trainer = Trainer::resume(config.clone(), &data, &folder)?;
        Ok(Self { folder, trainer, config, data })
    }
}

fn open(config: &Config, dir: Option<&Path>) -> Result<Sources> {
    data::open(&config.dataset, dir, &config.model, &config.settings())
}

fn set_device(config: &mut Config, arguments: &Arguments) {
    if let Some(device) = &arguments.device {
        config.device.clone_from(device);
    }
}

/// The command line as a shell takes it.
pub(super) fn command(arguments: impl IntoIterator<Item = OsString>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,~".contains(c);
    let quote = |word: String| match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''").replace('\n', " ")),
    };
    let words =
        arguments.into_iter().skip(1).map(|word| quote(word.to_string_lossy().into_owned()));
    std::iter::once("snn".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let words = ["/x/snn", "train", "--set", "optimizer={kind='sgd'}", "--out", "my run"];
        assert_eq!(
            command(words.map(OsString::from)),
            r"snn train --set 'optimizer={kind='\''sgd'\''}' --out 'my run'"
        );
    }

    #[test]
    fn the_help_names_every_preset() {
        use clap::CommandFactory;
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            train: Arguments,
        }
        let help = Cli::command().render_help().to_string();
        let text = snn_train::run::text::preset_names();
        for name in snn_train::run::preset_names().into_iter().chain(text) {
            assert!(help.contains(name), "{name} is missing in {help}");
        }
    }
}
