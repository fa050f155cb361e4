//! The core of spiking self-attention, `Q (K^T V)`, from spikes to numbers; and with
//! the neurons that follow it, from spikes to spikes.

use anyhow::Result;

use super::{Hall, Rival, equal};
use crate::inputs::{HEADS, RATE, SAMPLES, STEPS, attended, qkv};

const RIVALS: [Rival; 3] = [Rival::Torch, Rival::TorchCompile, Rival::Spikingjelly];

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    let sizes: &[(usize, usize)] = match hall.options.quick {
        true => &[(196, 32)],
        false => &[(64, 32), (196, 32), (1024, 32), (4096, 32), (196, 64), (1024, 64)],
    };
    for &(tokens, width) in sizes {
        let qkv = qkv(tokens, width)?;
        let [q, k, v] = qkv.each_ref().map(|x| x.mapv(f32::from));
        let case = hall.write([("q", q), ("k", k), ("v", v)])?.display().to_string();
        for neuron in [false, true] {
            let judge = equal(attended(&qkv, neuron));
            let what = if neuron { "attention and its neurons" } else { "attention core" };
            for &threads in &hall.options.threads {
                let shared = [
                    ("--case", case.clone()),
                    ("--heads", HEADS.to_string()),
                    ("--threads", threads.to_string()),
                ];
                let mut entries = Vec::new();
                for rival in hall.rivals(&RIVALS) {
                    // SpikingJelly has neurons, but no product of its own.
                    if neuron || rival != Rival::Spikingjelly {
                        entries.push(hall.rival(rival, "attention", &shared)?);
                    }
                }
                entries.push(hall.ours("attention", "attention", &shared)?);
                for entry in entries.iter_mut().filter(|_| neuron) {
                    entry.command.arg("--neuron");
                }
                hall.hold(
                    format!(
                        "{what}, {}x{HEADS} heads of {width} channels, {tokens} tokens, \
                         {threads} threads",
                        STEPS * SAMPLES
                    ),
                    vec![format!("{:.0} % of queries, keys and values are spikes", 100.0 * RATE)],
                    ("ms", 1e3),
                    entries,
                    &judge,
                )?;
            }
        }
    }
    Ok(())
}
