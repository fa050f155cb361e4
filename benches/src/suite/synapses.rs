//! A synapse with its neurons, from packed spikes to packed spikes, over the density of its input.

use anyhow::Result;
use ndarray::{ArrayD, IxDyn};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Bernoulli, Distribution, Normal};
use snn_core::{Backend, Map, Reference, Window, packed::Precision};

use super::{Contest, Hall, Kernel, Point, Rival, models::entry_name, nearly_equal};
use crate::work::Layer;

const RIVALS: [Rival; 2] = [Rival::Torch, Rival::TorchCompile];
const DENSITIES: [f64; 6] = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8];

/// Spikes that a precision of one byte may flip.
const FLIPS: f64 = 0.03;

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    let linear = Map::Linear { inputs: 384, outputs: 1536 };
    let layers = [
        ("linear 384 to 1536, 64 tokens", linear, vec![4, 1, 64, 384]),
        (
            "3x3 convolution 192 to 192, 16x16",
            Map::conv2d(192, 192, Window::SAME3),
            vec![4, 1, 16, 16, 192],
        ),
    ];
    let densities = if hall.options.quick { &DENSITIES[3..4] } else { &DENSITIES[..] };
    for (what, map, shape) in layers {
        for &density in densities {
            let (x, weight) = drawn(map, &shape, density)?;
            let oracle = Reference::<f64>::new();
            let expected = Layer::new(oracle, map, &weight, &x)?.spikes();
            let fired = oracle.read(snn_core::Input::Spikes(&expected));
            let expected: Vec<f32> = fired.iter().map(|&x| x as f32).collect();
            let rate = expected.iter().sum::<f32>() / expected.len() as f32;
            let judge = nearly_equal(expected, FLIPS);
            let numbers = x.mapv(f32::from);
            let case = hall.write([("x", numbers), ("weight", weight)])?.display().to_string();
            let outputs: usize = map.output_shape(&shape).iter().product();
            let weights: usize = map.weight_shape().iter().product();
            // A table of sixteen sums for four weights, and nibbles in and out.
            let bytes = |digits: usize| (weights * 4 * digits + x.len() / 4 + outputs / 4) as f64;
            let digits = [
                (Precision::Exact, 2),
                (Precision::F32, 3),
                (Precision::I16, 2),
                (Precision::I8, 1),
            ];
            let asked = |precision: &Precision| hall.options.precision.contains(precision);
            let kernel = Kernel {
                macs: (outputs * map.fan_in()) as f64,
                bytes: digits
                    .iter()
                    .filter(|(p, _)| asked(p))
                    .map(|&(p, d)| (entry_name(p), bytes(d)))
                    .collect(),
            };
            for &threads in &hall.options.threads {
                let shared = [("--case", case.clone()), ("--threads", threads.to_string())];
                let mut entries = Vec::new();
                for rival in hall.rivals(&RIVALS) {
                    entries.push(hall.rival(rival, "synapses", &shared)?);
                }
                for &precision in &hall.options.precision {
                    let precision = [("--precision", precision.name().to_owned())];
                    let all = [&shared[..], &precision].concat();
                    entries.push(hall.ours(&precision[0].1, "synapses", &all)?);
                }
                let curve = format!("{what} and LIF, {threads} threads");
                let contest = Contest {
                    title: format!("{curve}, {:.0} % spikes", 100.0 * density),
                    conditions: vec![format!("T = 4; {:.1} % of the neurons fire", 100.0 * rate)],
                    unit: "ms",
                    per_second: 1e3,
                    point: Some(Point { curve, axis: "spikes, %", at: 100.0 * density }),
                    kernel: Some(kernel.clone()),
                    measured: Vec::new(),
                };
                hall.hold_contest(contest, entries, &judge)?;
            }
        }
    }
    Ok(())
}

/// Spikes, and weights under which some neurons fire.
fn drawn(map: Map, shape: &[usize], density: f64) -> Result<(ArrayD<bool>, ArrayD<f32>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let bernoulli = Bernoulli::new(density)?;
    let x = ArrayD::from_shape_simple_fn(IxDyn(shape), || bernoulli.sample(&mut rng));
    let normal = Normal::new(0f32, (4.0 / (map.fan_in() as f64 * density)).sqrt() as f32)?;
    let weight = ArrayD::from_shape_simple_fn(map.weight_shape(), || normal.sample(&mut rng));
    Ok((x, weight))
}
