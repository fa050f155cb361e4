use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use snn_attn::Attend;
use snn_models::golden::{Comparison, Recording};

use super::output;
use crate::backend::{Choice, Job};

/// Arguments of `snn golden`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: snn golden spikformer-a.safetensors --backend reference-f64")]
pub struct Arguments {
    /// Golden files
    #[arg(required = true)]
    file: Vec<PathBuf>,
    /// Run on this backend alone instead of on every one
    #[arg(long, value_enum)]
    backend: Option<Choice>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        // All of them first: an unknown system is told before anything runs.
        let golden = self.file.iter().map(|path| Recording::load(path));
        let golden = golden.collect::<Result<Vec<_>, _>>()?;
        let every = || Choice::built_in().into_iter().filter(|b| b.keeps_spikes()).collect();
        let backends = self.backend.map_or_else(every, |backend| vec![backend]);
        let mut rows = Vec::new();
        for (path, golden) in self.file.iter().zip(&golden) {
            let in_training = matches!(golden, Recording::Network(network) if network.training);
            for &backend in &backends {
                if in_training && !backend.trains() {
                    if self.backend.is_some() {
                        bail!(
                            "{} was recorded in training, and the backend `{}` only evaluates; \
                             choose another backend",
                            path.display(),
                            backend.name()
                        );
                    }
                    continue;
                }
                let compared = backend.run(Compare(golden)).and_then(|forward| {
                    Ok(Row::new(path, backend, &forward, &training(golden, backend)?))
                });
                let cannot = || format!("cannot check {}", path.display());
                rows.push(compared.with_context(cannot)?);
            }
        }
        if self.json {
            output::print_json(&rows)?
        } else {
            output::print(&text(&rows))?
        }
        let failed: Vec<&str> = rows.iter().filter_map(|row| row.failure.as_deref()).collect();
        match failed.first() {
            Some(first) => bail!("{} of {} beyond tolerance: {first}", failed.len(), rows.len()),
            None => Ok(()),
        }
    }
}

struct Compare<'a>(&'a Recording);

impl Job for Compare<'_> {
    type Output = Comparison;

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<Comparison> {
        Ok(self.0.compare(backend)?)
    }
}

/// How far one tensor of a training pass is from the recorded one.
struct Deviation {
    name: String,
    error: f64,
    allowed: f64,
}

/// What differs in gradients and statistics, where the file records them and the backend learns.
#[cfg(feature = "torch")]
fn training(golden: &Recording, backend: Choice) -> Result<Vec<Deviation>> {
    use snn_train::{Precision, Torch, golden};
    match golden {
        Recording::Network(network) if network.training && backend == Choice::Torch => {
            let torch = Torch::new(tch::Device::cuda_if_available(), Precision::Double)?;
            let found = golden::compare(network, &torch)?.into_iter();
            let deviation =
                |golden::Deviation { name, error, allowed }| Deviation { name, error, allowed };
            Ok(found.map(deviation).collect())
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(not(feature = "torch"))]
fn training(_: &Recording, _: Choice) -> Result<Vec<Deviation>> {
    Ok(Vec::new())
}

/// Greatest differences of one file on one backend; `null` where the file records nothing.
#[derive(Serialize)]
struct Row {
    file: PathBuf,
    backend: String,
    logits: Option<f64>,
    act: Option<f64>,
    rate: Option<f64>,
    grad: Option<f64>,
    after: Option<f64>,
    passed: bool,
    /// The first difference beyond its tolerance.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Row {
    fn new(path: &Path, backend: Choice, forward: &Comparison, training: &[Deviation]) -> Self {
        let failure = forward.failures().map(|d| (&d.name, d.greatest, d.tolerance()));
        let deviations = training.iter().filter(|d| d.error.is_nan() || d.error > d.allowed);
        let failure = failure.chain(deviations.map(|d| (&d.name, d.error, d.allowed))).next();
        let failure = failure.map(|(name, error, allowed)| {
            let (path, backend) = (path.display(), backend.name());
            format!("{path} on {backend}: {name} differs by {error:.1e}, allowed {allowed:.0e}")
        });
        let greatest = |kind: &str| {
            let of_kind = training.iter().filter(|d| d.name.starts_with(kind)).map(|d| d.error);
            of_kind.reduce(|a, b| if a.is_nan() || a >= b { a } else { b })
        };
        Self {
            file: path.to_owned(),
            backend: backend.name(),
            logits: forward.greatest("logits"),
            act: forward.greatest("act."),
            rate: forward.greatest("rate."),
            grad: greatest("grad."),
            after: greatest("after."),
            passed: failure.is_none(),
            failure,
        }
    }
}

fn text(rows: &[Row]) -> String {
    let head = ["file", "backend", "logits", "act", "rate", "grad", "after", "passed"];
    let head = head.map(str::to_owned).to_vec();
    let number = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.1e}"));
    let line = |row: &Row| {
        vec![
            row.file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            row.backend.clone(),
            number(row.logits),
            number(row.act),
            number(row.rate),
            number(row.grad),
            number(row.after),
            if row.passed { "yes".into() } else { "NO".to_owned() },
        ]
    };
    let rows = rows.iter().map(line);
    output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}
