//! A layer of Matterhorn: levels of a masked time-to-first-spike code through a synapse of
//! logarithmic weights to the levels of the next code.

use anyhow::{Context, Result};
use ndarray::{Array1, ArrayD, Axis, IxDyn};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, Normal};
use snn_core::{
    Reference,
    quant::{Base, LogCode},
};

use super::{Hall, Rival, nearly_equal};
use crate::work::{CODE, Coded, MASK};

const RIVALS: [Rival; 2] = [Rival::Torch, Rival::TorchCompile];

/// Levels that a precision of one byte may move.
const MOVED: f64 = 0.1;

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    let layers = [(128, 512), (768, 3072), (3072, 768)];
    let layers = if hall.options.quick { &layers[1..2] } else { &layers[..] };
    for &(inputs, outputs) in layers {
        // A text of 128 tokens.
        let drawn = Drawn::new(128, inputs, outputs)?;
        let layer = Coded::new(Reference::<f64>::new(), &drawn.x, &drawn.weight, &drawn.bias)?;
        let expected: Vec<f32> = layer.levels().iter().map(|&level| level as f32).collect();
        let silent = |x: &mut dyn Iterator<Item = f32>, count: usize| {
            100.0 * x.filter(|&level| level == MASK as f32).count() as f64 / count as f64
        };
        let before = silent(&mut drawn.x.iter().copied(), drawn.x.len());
        let after = silent(&mut expected.iter().copied(), expected.len());
        let judge = nearly_equal(expected, MOVED);
        let tensors = [("x", drawn.x), ("weight", drawn.weight), ("bias", drawn.bias)];
        let case = hall.write(tensors)?.display().to_string();
        for &threads in &hall.options.threads {
            let shared = [("--case", case.clone()), ("--threads", threads.to_string())];
            let mut entries = Vec::new();
            for rival in hall.rivals(&RIVALS) {
                entries.push(hall.rival(rival, "codes", &shared)?);
            }
            for &precision in &hall.options.precision {
                let precision = [("--precision", precision.name().to_owned())];
                let all = [&shared[..], &precision].concat();
                entries.push(hall.ours(&precision[0].1, "codes", &all)?);
            }
            let zone = CODE.dead_zone;
            hall.hold(
                format!("M-TTFS layer, {inputs} to {outputs}, 128 tokens, {threads} threads"),
                vec![format!(
                    "4 bits, k = {zone}; {before:.1} % of inputs and {after:.1} % of outputs silent"
                )],
                ("ms", 1e3),
                entries,
                &judge,
            )?;
        }
    }
    Ok(())
}

struct Drawn {
    /// Levels `[1, B, N, inputs]`.
    x: ArrayD<f32>,
    /// On the grid of a code of 4 bits, `[outputs, inputs]`.
    weight: ArrayD<f32>,
    /// What makes silence a current of zero, `[outputs]`.
    bias: ArrayD<f32>,
}

impl Drawn {
    fn new(tokens: usize, inputs: usize, outputs: usize) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut draw = |shape: &[usize], deviation: f32| -> Result<ArrayD<f32>> {
            let normal = Normal::new(0f32, deviation)?;
            Ok(ArrayD::from_shape_simple_fn(IxDyn(shape), || normal.sample(&mut rng)))
        };
        // So wide that nine of ten lie in the dead zone.
        let (mask, zone) = (MASK as f32, CODE.dead_zone as f32);
        let settle = |x: f32| {
            let level = (x + mask).round().clamp(0.0, (CODE.levels - 1) as f32);
            if (level - mask).abs() <= zone { mask } else { level }
        };
        let x = draw(&[1, 1, tokens, inputs], 2.1)?.mapv(settle);
        // The sum of so many inputs that spike is as wide as their levels.
        let spread = x.iter().map(|level| (level - mask).powi(2)).sum::<f32>() / x.len() as f32;
        let weight = draw(&[outputs, inputs], 2.1 / (inputs as f32 * spread).sqrt())?;
        let code = LogCode::new(4, Base::Two).context("4 bits make a code")?;
        let weight = code.quantize(&weight)?.dequantize();
        let sums: Array1<f32> = weight.sum_axis(Axis(1)).into_iter().collect();
        let bias = (sums * -mask).into_dyn();
        Ok(Self { x, weight, bias })
    }
}
