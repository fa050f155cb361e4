//! `snn eval --precisions`: every precision of the packed engine beside the reference.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::ArrayD;
use snn_attn::Attend;
use snn_core::{Input, Pass};
use snn_data::{
    Batch, Sources,
    text::{IGNORED, TextBatch, TextSet},
};
use snn_models::{
    Network,
    wta_spikingformer::{Tokens, WtaSpikingformer},
};

use super::output;
use crate::{
    measure::{self, Precise, Subject},
    run_folder, text,
};

/// Measures the network in folder `run` in every precision.
pub(super) fn run(run: &Path, data: Option<PathBuf>, batch: usize, json: bool) -> Result<()> {
    let found = if text::is_text(run) {
        let mut trained = text::Trained::open(run)?;
        let data = data.or_else(|| trained.description.data.clone());
        let vocabulary = Some(trained.vocabulary.clone());
        let data = trained.description.data(data.as_deref(), vocabulary)?;
        measure(&Texts { trained: &trained, batch, data: &data }, data.test.len())?
    } else {
        let trained = run_folder::Trained::open(run)?;
        let data = data.or_else(|| trained.description.data.clone());
        let data = trained.description.data(data.as_deref())?;
        measure(&Images { trained: &trained, batch, data: &data }, data.test.len())?
    };
    if json { output::print_json(&found) } else { output::print(&table(&found)) }
}

fn measure<S: Subject>(subject: &S, samples: usize) -> Result<Vec<Precise>> {
    let bar = output::bar(samples, "comparing");
    let found = measure::precisions(subject, |samples| bar.inc(samples as u64))?;
    bar.finish_and_clear();
    Ok(found)
}

fn table(rows: &[Precise]) -> String {
    let mut text = format!(
        "{:<14}{:>10}{:>16}{:>14}{:>15}{:>14}\n",
        "precision", "accuracy", "spikes flipped", "other answers", "logits within", "ms a sample"
    );
    for row in rows {
        let spikes = match row.spikes.flipped {
            0 => "none".to_owned(),
            _ => format!("{:.3} %", 100.0 * row.spikes.share()),
        };
        text += &format!(
            "{:<14}{:>8.2} %{spikes:>16}{:>14}{:>15.1e}{:>14.3}\n",
            row.precision,
            100.0 * row.accuracy,
            row.other_answers,
            row.logit_error,
            row.ms_per_sample
        );
    }
    let [reference, ..] = rows else { return text };
    text + &format!(
        "of {} spikes and silences, {} answers",
        reference.spikes.compared, reference.answers
    )
}

struct Images<'a> {
    trained: &'a run_folder::Trained,
    data: &'a Sources,
    batch: usize,
}

impl Subject for Images<'_> {
    type Network<B: Attend + 'static> = Box<dyn Network<B>>;
    type Batch = Batch;

    fn network<B: Attend + 'static>(&self, backend: &B) -> Result<Box<dyn Network<B>>> {
        self.trained.network(backend)
    }

    fn batches(&self) -> Result<impl Iterator<Item = Result<Batch>>> {
        Ok(measure::batches(&self.data.test, self.batch)?.map(|batch| Ok(batch?)))
    }

    fn logits<B: Attend + 'static>(
        &self,
        network: &Box<dyn Network<B>>,
        pass: Pass<'_, B>,
        batch: &Batch,
    ) -> Result<ArrayD<f64>> {
        Ok(measure::logits(&**network, pass, &batch.inputs))
    }

    fn targets(&self, batch: &Batch) -> Vec<Option<usize>> {
        batch.labels.iter().map(|&label| Some(label)).collect()
    }

    fn samples(&self, batch: &Batch) -> usize {
        batch.len()
    }
}

struct Texts<'a> {
    trained: &'a text::Trained,
    data: &'a TextSet,
    batch: usize,
}

impl Subject for Texts<'_> {
    type Network<B: Attend + 'static> = WtaSpikingformer<B>;
    type Batch = TextBatch;

    fn network<B: Attend + 'static>(&self, backend: &B) -> Result<WtaSpikingformer<B>> {
        self.trained.network(backend)
    }

    fn batches(&self) -> Result<impl Iterator<Item = Result<TextBatch>>> {
        Ok(self.data.test.in_order(self.batch).into_iter().map(Ok))
    }

    fn logits<B: Attend + 'static>(
        &self,
        network: &WtaSpikingformer<B>,
        mut pass: Pass<'_, B>,
        batch: &TextBatch,
    ) -> Result<ArrayD<f64>> {
        let tokens = Tokens::new(network.config(), &batch.ids, batch.there.clone())?;
        Ok(pass.backend.read(Input::Real(&network.forward(&mut pass, &tokens))))
    }

    fn targets(&self, batch: &TextBatch) -> Vec<Option<usize>> {
        let asked = |&target: &_| (target != IGNORED).then_some(target as usize);
        batch.targets.iter().map(asked).collect()
    }

    fn samples(&self, batch: &TextBatch) -> usize {
        batch.ids.nrows()
    }
}
