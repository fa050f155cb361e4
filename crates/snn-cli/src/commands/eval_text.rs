//! `snn eval` of a language model.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use snn_attn::Attend;
use snn_core::probe::{Code, Costs};
use snn_data::text::TextSet;
use snn_models::wta_spikingformer::Task;

use super::output;
use crate::{
    backend::{Choice, Job},
    measure,
    text::Trained,
};

/// Measures the language model in folder `run`.
pub(super) fn run(
    run: &std::path::Path,
    data: Option<PathBuf>,
    backend: Choice,
    unfolded: bool,
    batch: usize,
    json: bool,
) -> Result<()> {
    let mut trained = Trained::open(run)?;
    let data = data.or_else(|| trained.description.data.clone());
    let vocabulary = Some(trained.vocabulary.clone());
    let data = trained.description.data(data.as_deref(), vocabulary)?;
    let name = backend.name();
    let name = if unfolded { format!("{name}-unfolded") } else { name };
    let measure = Measure { trained: &trained, data, batch, backend: name };
    let found = match unfolded {
        true => backend.run_unfolded(measure)?,
        false => backend.run(measure)?,
    };
    if json { output::print_json(&found) } else { output::print(&found.to_string()) }
}

/// What `snn eval --json` prints of a language model.
#[derive(Serialize)]
struct Found {
    /// Share of tokens, or of texts, that are told right.
    accuracy: f64,
    /// Mean cross entropy, in nats.
    loss: f64,
    /// Its exponential; of tokens only.
    perplexity: Option<f64>,
    tokens_per_s: f64,
    /// Spikes per neuron; a level counts as that many.
    firing_rate: f64,
    /// Accumulates for one token.
    ac: f64,
    /// Multiply-accumulates for one token.
    mac: f64,
    /// Their energy, as [`Costs::F32_45NM`].
    energy_pj: f64,
    /// Of codes in time: the share of inputs that do not spike.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent: Option<f64>,
    backend: String,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "accuracy     {:.2} %", 100.0 * self.accuracy)?;
        writeln!(f, "loss         {:.4} nats", self.loss)?;
        if let Some(perplexity) = self.perplexity {
            writeln!(f, "perplexity   {perplexity:.2}")?;
        }
        writeln!(f, "speed        {:.0} tokens/s", self.tokens_per_s)?;
        writeln!(f, "firing rate  {:.1} %", 100.0 * self.firing_rate)?;
        if let Some(silent) = self.silent {
            writeln!(f, "silent       {:.1} % of what coded layers read", 100.0 * silent)?;
        }
        writeln!(f, "operations   {:.3} M AC, {:.3} M MAC a token", self.ac / 1e6, self.mac / 1e6)?;
        writeln!(
            f,
            "energy       {:.3} uJ a token (45 nm, f32; without {} and, in the twin, exponentials)",
            self.energy_pj / 1e6,
            Costs::EXCLUDED.join(", ")
        )?;
        write!(f, "backend      {}", self.backend)
    }
}

struct Measure<'a> {
    trained: &'a Trained,
    data: TextSet,
    batch: usize,
    backend: String,
}

impl Job for Measure<'_> {
    type Output = Found;

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<Found> {
        let network = self.trained.network(backend)?;
        let config = &self.trained.description.model;
        let bar = output::bar(self.data.test.len(), "evaluating");
        let step = |texts: usize| bar.inc(texts as u64);
        let found = measure::evaluate_text(backend, &network, &self.data.test, self.batch, step)?;
        bar.finish_and_clear();
        let total = found.energy.total();
        let per_token = found.texts / found.tokens;
        let loss = found.loss / found.count;
        let of_tokens = !matches!(config.task, Task::Classify { .. });
        Ok(Found {
            accuracy: found.right / found.count,
            loss,
            perplexity: of_tokens.then(|| loss.exp()),
            tokens_per_s: found.tokens / found.spent.as_secs_f64(),
            firing_rate: found.rates.mean(),
            ac: total.ac * per_token,
            mac: total.mac * per_token,
            energy_pj: Costs::F32_45NM.energy_pj(&total) * per_token,
            silent: Some(found.coding.silent(Code::MaskedFirstSpike)).filter(|s| s.is_finite()),
            backend: self.backend,
        })
    }
}
