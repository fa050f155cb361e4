//! The files of a run folder that training goes on from.

use std::{fs, path::PathBuf};

use snn_core::{LoadError, Weights};

use super::{Metrics, RunError, RunFolder};

const LAST: &str = "last.safetensors";
const BEST: &str = "model.safetensors";
const METRICS: &str = "metrics.jsonl";
const EPOCH: &str = "epoch";

/// A run after some whole epochs.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    /// What every finished epoch brought.
    pub metrics: Vec<Metrics>,
    /// The network.
    pub model: Weights,
    /// State of the optimiser.
    pub optimizer: Weights,
}

impl Checkpoint {
    /// Its file.
    pub fn path(folder: &RunFolder) -> PathBuf {
        folder.file(LAST)
    }

    /// Writes the checkpoint of the epoch that just ended.
    pub fn save(&self, folder: &RunFolder) -> Result<(), RunError> {
        let last = self.metrics.last().map_or(0, |metrics| metrics.epoch);
        if Metrics::best(&self.metrics).is_some_and(|best| best.epoch == last) {
            write(folder, BEST, &self.model)?;
        }
        write_metrics(folder, &self.metrics)?;
        let mut all = Weights::default();
        for (part, weights) in [("model", &self.model), ("optimizer", &self.optimizer)] {
            for (name, tensor) in &weights.tensors {
                all.tensors.insert(format!("{part}.{name}"), tensor.clone());
            }
        }
        all.metadata.insert(EPOCH.into(), last.to_string());
        // Last of all: this is what ends the epoch.
        write(folder, LAST, &all)
    }

    /// The newest checkpoint; `None` if no epoch has ended.
    pub fn load(folder: &RunFolder) -> Result<Option<Self>, RunError> {
        let path = Self::path(folder);
        if !path.exists() {
            return Ok(None);
        }
        let load = |source| RunError::Checkpoint { path: path.clone(), source };
        let all = Weights::load(&path).map_err(load)?;
        let foreign = |what, expected: &str, found: &str| RunError::Foreign {
            path: path.clone(),
            what,
            expected: expected.into(),
            found: found.into(),
        };
        let epoch = all.metadata.get(EPOCH).map_or("missing", String::as_str);
        let epochs: usize = epoch
            .parse()
            .map_err(|_| foreign("its epoch", "the number that training writes", epoch))?;
        let mut checkpoint =
            Self { metrics: Vec::new(), model: Weights::default(), optimizer: Weights::default() };
        for (name, tensor) in all.tensors {
            let part = match name.split_once('.') {
                Some(("model", rest)) => Some((&mut checkpoint.model, rest)),
                Some(("optimizer", rest)) => Some((&mut checkpoint.optimizer, rest)),
                _ => None,
            };
            let (part, rest) =
                part.ok_or_else(|| foreign("a tensor", "`model.*` or `optimizer.*`", &name))?;
            part.tensors.insert(rest.to_owned(), tensor);
        }
        checkpoint.metrics = metrics(folder, epochs)?;
        Ok(Some(checkpoint))
    }
}

/// The lines of the first `epochs` epochs. There may be one more, of an epoch whose checkpoint
/// was never finished.
fn metrics(folder: &RunFolder, epochs: usize) -> Result<Vec<Metrics>, RunError> {
    let path = folder.file(METRICS);
    let text = fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
    let mut metrics = Metrics::read(&text);
    metrics.truncate(epochs);
    let numbers: Vec<usize> = metrics.iter().map(|metrics| metrics.epoch).collect();
    if !numbers.iter().copied().eq(1..=epochs) {
        return Err(RunError::Foreign {
            path,
            what: "the list of whole lines",
            expected: format!("of epochs 1 to {epochs}"),
            found: format!("of epochs {numbers:?}"),
        });
    }
    write_metrics(folder, &metrics)?;
    Ok(metrics)
}

fn write_metrics(folder: &RunFolder, metrics: &[Metrics]) -> Result<(), RunError> {
    let text = Metrics::write(metrics)
        .unwrap_or_else(|e| unreachable!("numbers and plain keys are JSON: {e}"));
    folder.write(METRICS, text.as_bytes())
}

fn write(folder: &RunFolder, name: &str, weights: &Weights) -> Result<(), RunError> {
    let path = folder.file(name);
    weights.save(&path).map_err(|e| match e {
        LoadError::Io { path, source } => {
            let values = weights.tensors.values().map(|t| t.shape().iter().product::<usize>());
            folder.unwritten(path, 4 * values.sum::<usize>(), source)
        }
        source => RunError::Checkpoint { path, source },
    })
}
