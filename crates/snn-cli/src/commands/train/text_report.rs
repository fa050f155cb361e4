//! The report of a run on text: its best network, evaluated.

use anyhow::Result;
use snn_attn::Attend;
use snn_models::wta_spikingformer::Task;
use snn_train::run::{Metrics, RunFolder, text::Config};

use super::report::{energy, epoch, firing_rates, here};
use crate::{
    backend::{Choice, Job},
    commands::output,
    measure::{self, TextEvaluation},
    report::{Report, Run, render},
    text::Trained,
};

/// Evaluates the best network of a run and writes `report.html`.
pub(super) fn write(folder: &RunFolder, config: &Config, metrics: &[Metrics]) -> Result<()> {
    let mut trained = Trained::open(folder.path())?;
    let (dir, vocabulary) = (config.data.clone(), Some(trained.vocabulary.clone()));
    let data = trained.description.data(dir.as_deref(), vocabulary)?;
    let found =
        Choice::Torch.run(Look { trained: &trained, test: &data.test, batch: config.batch })?;
    let (windows, texts) = ("windows of the text as published", "texts as published");
    let report = Report {
        run: Run {
            system: match config.model.task {
                Task::Causal => "WD-Spikingformer".into(),
                Task::Masked | Task::Classify { .. } => "WE-Spikingformer".into(),
            },
            dataset: config.dataset.clone(),
            split: match config.model.task {
                Task::Classify { .. } => texts.into(),
                Task::Causal | Task::Masked => windows.into(),
            },
            train_samples: data.train.len(),
            test_samples: data.test.len(),
            time_steps: 1,
            parameters: trained.parameters() as u64,
            seed: config.seed,
            device: config.device.clone(),
            ..here(folder)?
        },
        epochs: metrics.iter().map(epoch).collect(),
        firing_rates: Some(firing_rates(&found.rates, data.test.len())),
        energy: Some(energy(&found.energy, data.test.len())),
        ..Report::default()
    };
    Ok(folder.write("report.html", render(&report).as_bytes())?)
}

struct Look<'a> {
    trained: &'a Trained,
    test: &'a snn_data::text::Examples,
    batch: usize,
}

impl Job for Look<'_> {
    type Output = TextEvaluation;

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<TextEvaluation> {
        let network = self.trained.network(backend)?;
        let bar = output::bar(self.test.len(), "evaluating");
        let step = |texts: usize| bar.inc(texts as u64);
        let found = measure::evaluate_text(backend, &network, self.test, self.batch, step)?;
        bar.finish_and_clear();
        Ok(found)
    }
}
