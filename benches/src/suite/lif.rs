//! LIF neurons over four time steps, from currents in 32-bit floats to spikes:
//! packed where they are ours, 32-bit floats where they are the rivals'.

use anyhow::Result;

use super::{Hall, Rival, nearly_equal};
use crate::inputs::{STEPS, currents, fired};

const RIVALS: [Rival; 3] = [Rival::Torch, Rival::TorchCompile, Rival::Spikingjelly];

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    for neurons in [1_000_000, 10_000_000] {
        let currents = currents(neurons)?;
        let expected = fired(&currents);
        let spikes = expected.iter().filter(|&&spike| spike != 0.0).count();
        let rate = 100.0 * spikes as f64 / expected.len() as f64;
        let case = hall.write([("x", currents)])?.display().to_string();
        // 64-bit floats, in which the engine charges its neurons, may fall on the other side of a
        // threshold.
        let judge = nearly_equal(expected, 1e-6);
        for &threads in &hall.options.threads {
            let shared = [("--case", case.clone()), ("--threads", threads.to_string())];
            let mut entries = Vec::new();
            for rival in hall.rivals(&RIVALS) {
                entries.push(hall.rival(rival, "lif", &shared)?);
            }
            entries.push(hall.ours("neurons", "lif", &shared)?);
            hall.hold(
                format!("LIF, {neurons} neurons, {STEPS} steps, {threads} threads"),
                vec![format!("{rate:.1} % of neurons fire in a step")],
                ("ns per neuron and step", 1e9 / (STEPS * neurons) as f64),
                entries,
                &judge,
            )?;
        }
    }
    Ok(())
}
