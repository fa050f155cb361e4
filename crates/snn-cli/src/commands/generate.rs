use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Result, bail, ensure};
use ndarray::Array2;
use rand::RngExt;
use snn_attn::Attend;
use snn_core::{Input, Pass};
use snn_data::random::{Purpose, Rng, rng};
use snn_models::wta_spikingformer::{DecodeState, Task, Tokens, WtaSpikingformer};

use crate::{
    backend::{Choice, Job},
    measure,
    text::Trained,
};

/// Arguments of `snn generate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: snn generate runs/tiny-shakespeare-1 --prompt 'ROMEO:'")]
pub struct Arguments {
    /// Run folder of a causal language model
    run: PathBuf,
    /// Text to go on with
    #[arg(long)]
    prompt: String,
    /// Tokens to add
    #[arg(long, default_value_t = 200, value_name = "N")]
    tokens: usize,
    /// How much chance has a say: 0 takes the likeliest token, 1 each as often as it is likely
    #[arg(long, default_value_t = 0.8, value_name = "T")]
    temperature: f64,
    /// Seed of the choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// What runs the network
    #[arg(long, value_enum, default_value_t = Choice::Packed)]
    backend: Choice,
}

impl Arguments {
    pub(super) fn run(self) -> Result<()> {
        let trained = Trained::open(&self.run)?;
        let model = &trained.description.model;
        if model.task != Task::Causal {
            bail!(
                "{} holds an encoder, which does not go on with a text; \
                 a run with model.task = {{ kind = \"causal\" }} does",
                self.run.display()
            );
        }
        ensure!(
            self.temperature >= 0.0 && self.temperature.is_finite(),
            "--temperature is {}, expected a finite number, 0 or more",
            self.temperature
        );
        let prompt = trained.vocabulary.prompt(&self.prompt)?;
        ensure!(!prompt.is_empty(), "--prompt is empty, expected a token at least");
        let ids = Array2::from_shape_vec((1, prompt.len()), prompt.clone())?;
        Tokens::new(model, &ids, None)?;
        let backend = self.backend;
        backend.run(Generate { arguments: self, trained: &trained, prompt })
    }
}

struct Generate<'a> {
    arguments: Arguments,
    trained: &'a Trained,
    prompt: Vec<u32>,
}

impl Job for Generate<'_> {
    type Output = ();

    fn run<B: Attend + 'static>(self, backend: &B) -> Result<()> {
        let Arguments { prompt, tokens, temperature, seed, .. } = &self.arguments;
        let network = self.trained.network(backend)?;
        let context = network.config().context;
        let mut stdout = io::stdout().lock();
        let mut print = |text: &str| -> Result<()> {
            stdout.write_all(text.as_bytes())?;
            Ok(stdout.flush()?)
        };
        print(prompt)?;
        print(self.trained.vocabulary.gap(prompt))?;
        let mut text = self.prompt;
        let mut dice = rng(*seed, 0, Purpose::Sample, 0);
        let (mut state, mut logits) = read(backend, &network, network.start(), &text)?;
        for _ in 0..*tokens {
            let next = choose(&logits, *temperature, &mut dice);
            print(&self.trained.vocabulary.piece(next)?)?;
            text.push(next);
            // A full context begins anew with its second half.
            (state, logits) = if state.len() == context {
                let kept = &text[text.len() - (context / 2).max(1)..];
                read(backend, &network, network.start(), kept)?
            } else {
                read(backend, &network, state, &[next])?
            };
        }
        print("\n")
    }
}

/// Goes on with `tokens`, of which there is one at least; gives the logits after the last.
fn read<B: Attend>(
    backend: &B,
    network: &WtaSpikingformer<B>,
    mut state: DecodeState,
    tokens: &[u32],
) -> Result<(DecodeState, Vec<f64>)> {
    let mut logits = Vec::new();
    for &token in tokens {
        let (next, found) = network.step(&mut Pass::new(backend), state, token)?;
        (state, logits) = (next, backend.read(Input::Real(&found)).iter().copied().collect());
    }
    Ok((state, logits))
}

/// The next token.
fn choose(logits: &[f64], temperature: f64, dice: &mut Rng) -> u32 {
    let scaled = logits.iter().map(|logit| logit / temperature.max(f64::MIN_POSITIVE));
    let ranking = match temperature {
        0.0 => measure::ranking(logits.iter().copied()),
        _ => measure::ranking(scaled),
    };
    let drawn: f64 = if temperature == 0.0 { 0.0 } else { dice.random() };
    let mut sum = 0.0;
    let drawn = ranking.iter().find(|(_, share)| {
        sum += share;
        sum > drawn
    });
    drawn.or(ranking.first()).map_or(0, |(token, _)| *token as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_temperature_the_likeliest_is_taken() {
        let mut dice = rng(1, 0, Purpose::Sample, 0);
        assert_eq!(choose(&[0.0, 2.0, 1.0], 0.0, &mut dice), 1);
        let mut counts = [0.0; 3];
        for _ in 0..4000 {
            counts[choose(&[0.0, 3f64.ln(), f64::NEG_INFINITY], 1.0, &mut dice) as usize] += 1.0;
        }
        assert!((counts[1] / 4000.0 - 0.75f64).abs() < 0.03, "{counts:?}");
        assert_eq!(counts[2], 0.0);
    }
}
