//! The core of spiking self-attention, `Q (K^T V)`, from spikes to numbers; and with
//! the neurons that follow it, from spikes to spikes.

use anyhow::Result;

use super::{Hall, Rival, equal};
use crate::inputs::{HEADS, SAMPLES, STEPS, attended, qkv};

const RIVALS: [Rival; 3] = [Rival::Torch, Rival::TorchCompile, Rival::Spikingjelly];

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    let all = [32, 64].map(|width| [64, 196, 1024, 4096].map(|tokens| (tokens, width)));
    let sizes = if hall.options.quick { &[(196, 32)] } else { all.as_flattened() };
    for &(tokens, width) in sizes {
        let qkv = qkv(tokens, width, hall.options.rate)?;
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
                    vec![hall.spiking()],
                    ("ms", 1e3),
                    entries,
                    &judge,
                )?;
            }
        }
    }
    Ok(())
}
