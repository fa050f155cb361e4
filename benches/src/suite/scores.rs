//! Attentions that need the score of every query and key, and the linear one on kernel hashes, from
//! packed spikes to what each token gets.

use std::cmp::Reverse;

use anyhow::Result;
use ndarray::{ArrayView2, Axis, Ix2};
use rayon::prelude::*;
use snn_attn::codes::Measure;
use snn_core::tensor;

use super::{Hall, Rival, within};
use crate::inputs::{HEADS, heads};

const RIVALS: [Rival; 2] = [Rival::Torch, Rival::TorchCompile];

/// Keys that top-k keeps.
pub const KEEP: usize = 16;
/// Weight of common silence in a-XNOR: a binary fraction, so that all weights are exact.
pub const SILENCE: f64 = 0.125;
/// Means are 32-bit floats, added up in any order.
const NEAR: f32 = 1e-4;

/// What an attention computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mechanism {
    /// The value of the best key
    WinnerTakeAll,
    /// The mean of the keys that agree in most bits, weighted by these
    HammingTopK,
    /// The same by a-XNOR
    XnorTopK,
    /// The mean of all keys, weighted by `c_i . c_j + b + 1` of codes of -1 and 1
    KernelHash,
}

impl Mechanism {
    const ALL: [Self; 4] =
        [Self::WinnerTakeAll, Self::HammingTopK, Self::XnorTopK, Self::KernelHash];

    fn name(self) -> &'static str {
        match self {
            Self::WinnerTakeAll => "winner-take-all",
            Self::HammingTopK => "hamming-top-k",
            Self::XnorTopK => "xnor-top-k",
            Self::KernelHash => "kernel-hash",
        }
    }

    /// What it counts to rank keys, if it does.
    pub const fn measure(self) -> Option<Measure> {
        match self {
            Self::HammingTopK => Some(Measure::Match { offset: 0 }),
            Self::XnorTopK => Some(Measure::Xnor { a: SILENCE }),
            Self::WinnerTakeAll | Self::KernelHash => None,
        }
    }

    /// Tokens that it is measured on.
    const fn tokens(self) -> &'static [usize] {
        match self {
            Self::KernelHash => &[1024, 4096, 16_384, 65_536],
            _ => &[1024, 4096],
        }
    }
}

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    let widths: &[usize] = if hall.options.quick { &[32] } else { &[32, 64] };
    for mechanism in Mechanism::ALL {
        for (&width, &tokens) in
            widths.iter().flat_map(|width| mechanism.tokens().iter().map(move |n| (width, n)))
        {
            if hall.options.quick && tokens > 1024 {
                continue;
            }
            let qkv = heads(tokens, tokens, width, hall.options.rate)?;
            let expected = attended(&qkv, mechanism);
            let [q, k, v] = qkv.map(|x| x.mapv(f32::from));
            let case = hall.write([("q", q), ("k", k), ("v", v)])?.display().to_string();
            let judge = |_: &str, found: &[f32]| within(NEAR, &expected, found);
            for &threads in &hall.options.threads {
                let shared = [
                    ("--case", case.clone()),
                    ("--mechanism", mechanism.name().to_owned()),
                    ("--threads", threads.to_string()),
                ];
                let mut entries = Vec::new();
                for rival in hall.rivals(&RIVALS) {
                    entries.push(hall.rival(rival, "scores", &shared)?);
                }
                entries.push(hall.ours(mechanism.name(), "scores", &shared)?);
                let mut conditions = vec![hall.spiking()];
                if mechanism.measure().is_some() {
                    conditions.push(format!("{KEEP} keys for each query, ties by lowest index"));
                }
                hall.hold(
                    format!(
                        "{}, {HEADS} heads of {width} channels, {tokens} tokens, {threads} threads",
                        mechanism.name()
                    ),
                    conditions,
                    ("µs per token", 1e6 / tokens as f64),
                    entries,
                    &judge,
                )?;
            }
        }
    }
    Ok(())
}

/// What each token gets, `[H, N, d]`, score by score; for the linear form, sum by sum.
fn attended([q, k, v]: &[tensor::Spikes; 3], mechanism: Mechanism) -> Vec<f32> {
    let head = |h: usize| {
        let [q, k, v] = [q, k, v].map(|x| {
            let head = x.index_axis(Axis(0), h).mapv(|spike| f64::from(u8::from(spike)));
            head.into_dimensionality::<Ix2>().unwrap_or_else(|e| unreachable!("[N, d]: {e}"))
        });
        match mechanism {
            Mechanism::KernelHash => all_keys(q.view(), k.view(), v.view()),
            _ => best_keys([q.view(), k.view(), v.view()], mechanism),
        }
    };
    (0..q.shape()[0]).flat_map(head).map(|x| x as f32).collect()
}

fn best_keys([q, k, v]: [ArrayView2<'_, f64>; 3], mechanism: Mechanism) -> Vec<f64> {
    let row = |i: usize| {
        let agree = |a: f64, b: f64| match mechanism.measure() {
            None => a * b,
            Some(Measure::Xnor { a: silence }) => a * b + silence * (1.0 - a) * (1.0 - b),
            Some(_) => a * b + (1.0 - a) * (1.0 - b),
        };
        let score = |key: ndarray::ArrayView1<'_, f64>| -> f64 {
            q.row(i).iter().zip(key).map(|(&a, &b)| agree(a, b)).sum()
        };
        // In eighths scores are whole.
        let mut keys: Vec<(Reverse<u32>, usize)> =
            k.outer_iter().map(|key| Reverse((8.0 * score(key)) as u32)).zip(0..).collect();
        let keep = if mechanism == Mechanism::WinnerTakeAll { 1 } else { KEEP };
        keys.select_nth_unstable(keep - 1);
        keys.truncate(keep);
        let weight = |score: u32| match mechanism {
            Mechanism::WinnerTakeAll => f64::from(u8::from(score > 0)),
            _ => f64::from(score),
        };
        let total: f64 = keys.iter().map(|(score, _)| weight(score.0)).sum();
        let mut sum = vec![0.0; v.ncols()];
        for (score, key) in keys {
            sum.iter_mut().zip(v.row(key)).for_each(|(sum, v)| *sum += weight(score.0) * v);
        }
        if total > 0.0 {
            sum.iter_mut().for_each(|x| *x /= total);
        }
        sum
    };
    (0..q.nrows()).into_par_iter().flat_map_iter(row).collect()
}

fn all_keys(q: ArrayView2<'_, f64>, k: ArrayView2<'_, f64>, v: ArrayView2<'_, f64>) -> Vec<f64> {
    let [q, k] = [q, k].map(|x| x.mapv(|bit| 2.0 * bit - 1.0));
    let t = (q.ncols() + 1) as f64;
    let numerators = q.dot(&k.t().dot(&v)) + v.sum_axis(Axis(0)) * t;
    let denominators = q.dot(&k.sum_axis(Axis(0))) + t * k.nrows() as f64;
    (numerators / denominators.insert_axis(Axis(1))).into_iter().collect()
}
