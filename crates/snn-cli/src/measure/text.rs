use std::time::{Duration, Instant};

use anyhow::Result;
use ndarray::Axis;
use snn_attn::Attend;
use snn_core::{
    Devices, Input, Pass,
    probe::{CodingMeter, EnergyMeter, Rates},
};
use snn_data::text::{Examples, IGNORED};
use snn_models::wta_spikingformer::{Tokens, WtaSpikingformer};

/// What a language model did on its test text.
#[derive(Clone, Debug, Default)]
pub struct TextEvaluation {
    /// Tokens, or texts, whose target counts.
    pub count: f64,
    /// Sum of their cross entropies, in nats.
    pub loss: f64,
    /// Those that were told right.
    pub right: f64,
    /// Tokens that were read, padding left out.
    pub tokens: f64,
    /// Texts, or windows.
    pub texts: f64,
    /// Time that the network took.
    pub spent: Duration,
    /// How often the layers fired.
    pub rates: Rates,
    /// What the layers computed, for one text.
    pub energy: EnergyMeter,
    /// What codes in time cost, where there are any.
    pub coding: CodingMeter,
}

/// Runs the network on every batch of `test`; `done` is told how many texts each time.
///
/// # Errors
/// If the texts do not fit the network.
pub fn evaluate_text<B: Attend>(
    backend: &B,
    network: &WtaSpikingformer<B>,
    test: &Examples,
    batch: usize,
    done: impl FnMut(usize),
) -> Result<TextEvaluation> {
    evaluate_text_on(backend, network, test, batch, None, done)
}

/// As [`evaluate_text`], on devices that do not compute exactly.
///
/// # Errors
/// As [`evaluate_text`].
pub fn evaluate_text_on<B: Attend>(
    backend: &B,
    network: &WtaSpikingformer<B>,
    test: &Examples,
    batch: usize,
    mut devices: Option<&mut dyn Devices<B>>,
    mut done: impl FnMut(usize),
) -> Result<TextEvaluation> {
    let mut found = TextEvaluation::default();
    for batch in test.in_order(batch) {
        let tokens = Tokens::new(network.config(), &batch.ids, batch.there.clone())?;
        let start = Instant::now();
        let mut probe = (&mut found.rates, (&mut found.energy, &mut found.coding));
        let mut pass = Pass::new(backend).with_probe(&mut probe);
        if let Some(devices) = &mut devices {
            pass = pass.with_devices(&mut **devices);
        }
        let logits = backend.read(Input::Real(&network.forward(&mut pass, &tokens)));
        found.spent += start.elapsed();
        let rows = logits.lanes(Axis(logits.ndim() - 1));
        for (logits, &target) in rows.into_iter().zip(&batch.targets) {
            if target == IGNORED {
                continue;
            }
            let target = target as usize;
            let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|x| (x - greatest).exp()).sum();
            found.count += 1.0;
            found.loss += sum.ln() + greatest - logits[target];
            found.right +=
                f64::from(u8::from(logits.iter().position(|&x| x == greatest) == Some(target)));
        }
        found.tokens += batch
            .there
            .as_ref()
            .map_or(batch.ids.len(), |there| there.iter().filter(|&&there| there).count())
            as f64;
        found.texts += batch.ids.nrows() as f64;
        done(batch.ids.nrows());
    }
    Ok(found)
}
