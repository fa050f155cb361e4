//! One step of decoding: one query a head against a cache of keys and values, winner-take-all on
//! packed keys beside dense products, and beside softmax, which such a network replaces.

use anyhow::Result;

use super::{Hall, Rival, within};
use crate::inputs::{HEADS, WIDTH, decoded, heads};

const RIVALS: [Rival; 2] = [Rival::Torch, Rival::TorchCompile];

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// The value of the best key
    Wta,
    /// Values weighted by softmax
    Softmax,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Wta => "wta",
            Self::Softmax => "softmax",
        }
    }
}

/// Softmax in 32-bit floats.
const NEAR: f32 = 1e-4;

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    for tokens in [1_000, 8_000, 64_000] {
        let qkv = heads(1, tokens, WIDTH, hall.options.rate)?;
        let [q, k, v] = qkv.each_ref().map(|x| x.mapv(f32::from));
        let case = hall.write([("q", q), ("k", k), ("v", v)])?.display().to_string();
        let [wta, softmax] = [Form::Wta, Form::Softmax].map(|form| decoded(&qkv, form));
        for &threads in &hall.options.threads {
            let mut entries = Vec::new();
            for form in [Form::Softmax, Form::Wta] {
                let shared = [
                    ("--case", case.clone()),
                    ("--form", form.name().to_owned()),
                    ("--threads", threads.to_string()),
                ];
                for rival in hall.rivals(&RIVALS) {
                    let mut entry = hall.rival(rival, "decode", &shared)?;
                    entry.name += &format!(" {}", form.name());
                    entries.push(entry);
                }
                entries.push(hall.ours(form.name(), "decode", &shared)?);
            }
            let judge = |who: &str, found: &[f32]| {
                within(NEAR, if who.ends_with("wta") { &wta } else { &softmax }, found)
            };
            hall.hold(
                format!("decoding step, {HEADS} heads of {WIDTH} channels, {tokens} tokens, {threads} threads"),
                vec![
                    hall.spiking(),
                    "wta is winner-take-all attention; softmax is another function, which it replaces".into(),
                ],
                ("µs a step", 1e6),
                entries,
                &judge,
            )?;
        }
    }
    Ok(())
}
