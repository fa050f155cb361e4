//! Losses against the formulas, number by number.

use proptest::{collection::vec, prelude::*};
use snn_train::loss::{
    cross_entropy, distill_hard, distill_soft, distill_tokens, temporal_alignment, tet,
};
use tch::{Device, Kind, Tensor};

const K: usize = 5;

fn tensor(values: &[f64], shape: &[i64]) -> Tensor {
    Tensor::from_slice(values).view(shape)
}

fn log_shares(logits: &[f64]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|x| x.exp()).sum();
    logits.iter().map(|x| x - sum.ln()).collect()
}

/// Mean over rows of `-sum target log share`.
fn entropy(logits: &[f64], targets: &[f64]) -> f64 {
    let rows = logits.chunks(K).zip(targets.chunks(K));
    let row = |(x, y): (&[f64], &[f64])| -> f64 {
        log_shares(x).iter().zip(y).map(|(log, y)| -y * log).sum()
    };
    rows.map(row).sum::<f64>() / (logits.len() / K) as f64
}

/// Rows that sum to 1.
fn targets(batch: usize) -> impl Strategy<Value = Vec<f64>> {
    vec(0.0..1.0f64, batch * K).prop_map(|mut raw| {
        for row in raw.chunks_mut(K) {
            let sum: f64 = row.iter().sum::<f64>() + 1e-9;
            row.iter_mut().for_each(|y| *y /= sum);
        }
        raw
    })
}

fn close(found: &Tensor, expected: f64) -> bool {
    found.size().is_empty() && (found.double_value(&[]) - expected).abs() < 1e-9
}

proptest! {
    #[test]
    fn cross_entropy_smooths_soft_targets(
        (x, y) in (1usize..4).prop_flat_map(|b| (vec(-4.0..4.0f64, b * K), targets(b))),
        smoothing in 0.0..0.9f64,
    ) {
        let shape = [-1, K as i64];
        let found = cross_entropy(&tensor(&x, &shape), &tensor(&y, &shape), smoothing);
        let smooth: Vec<f64> =
            y.iter().map(|y| (1.0 - smoothing) * y + smoothing / K as f64).collect();
        // Rounded shares sum to almost 1, which is what libtorch spreads.
        prop_assert!((found.double_value(&[]) - entropy(&x, &smooth)).abs() < 1e-6);
    }

    #[test]
    fn steps_side_by_side_should_look_alike_and_distant_ones_may_not(
        (t, b, x) in (1usize..6, 1usize..3)
            .prop_flat_map(|(t, b)| (Just(t), Just(b), vec(-2.0..2.0f64, t * b * 3))),
        silent in any::<prop::sample::Index>(),
        lambda in 0.0..2.0f64, distance in 1usize..4, margin in -0.5..0.9f64,
    ) {
        let mut x = x;
        x.chunks_mut(3).nth(silent.index(t * b)).unwrap().fill(0.0);
        let leaf = tensor(&x, &[t as i64, b as i64, 3]).set_requires_grad(true);
        let found = temporal_alignment(&leaf, lambda, distance, margin);
        let row = |i: usize, s: usize| &x[(i * b + s) * 3..(i * b + s + 1) * 3];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = |i, j, s| {
            let (a, b) = (row(i, s), row(j, s));
            dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt()).max(1e-8)
        };
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for s in 0..b {
            for (i, j) in (0..t).flat_map(|i| (i + 1..t).map(move |j| (i, j))) {
                if j == i + 1 {
                    near.push(1.0 - cosine(i, j, s));
                }
                if j - i >= distance {
                    far.push((cosine(i, j, s) - margin).max(0.0));
                }
            }
        }
        let mean = |x: Vec<f64>| x.iter().sum::<f64>() / x.len().max(1) as f64;
        prop_assert!(close(&found, mean(near) + lambda * mean(far)));
        found.backward();
        let gradient = Vec::<f64>::try_from(leaf.grad().flatten(0, -1)).unwrap();
        for (x, gradient) in x.chunks(3).zip(gradient.chunks(3)) {
            let length = dot(x, x).sqrt();
            // A cosine turns by at most 1 / length; each step is in at most 2 t pairs.
            let most = if length > 1e-6 { 2.0 * t as f64 * (1.0 + lambda) / length } else { 0.0 };
            prop_assert!(gradient.iter().all(|g| g.abs() <= most), "{gradient:?} of {x:?}");
        }
    }

    #[test]
    fn tet_looks_at_every_step(
        (x, y) in (1usize..4).prop_flat_map(|b| (vec(-4.0..4.0f64, 3 * b * K), targets(b))),
        lambda in 0.0..1.0f64,
    ) {
        let (batch, k) = ((y.len() / K) as i64, K as i64);
        let found = tet(&tensor(&x, &[3, batch, k]), &tensor(&y, &[batch, k]), 0.0, lambda);
        let steps = x.chunks(y.len()).map(|x| entropy(x, &y));
        let square = x.iter().map(|x| (x - 1.0).powi(2)).sum::<f64>() / x.len() as f64;
        let expected = (1.0 - lambda) * steps.sum::<f64>() / 3.0 + lambda * square;
        prop_assert!(close(&found, expected));
    }

    #[test]
    fn distillation(x in vec(-4.0..4.0f64, 2 * K), teacher in vec(-4.0..4.0f64, 2 * K), tau in 0.5..5.0f64) {
        let shape = [2, K as i64];
        let leaf = tensor(&teacher, &shape).set_requires_grad(true);
        let logits = tensor(&x, &shape).set_requires_grad(true);
        let chosen: Vec<f64> = teacher
            .chunks(K)
            .flat_map(|row| {
                let most = (1..K).fold(0, |most, i| if row[i] > row[most] { i } else { most });
                (0..K).map(move |i| f64::from(i == most))
            })
            .collect();
        let hard = distill_hard(&logits, &leaf);
        prop_assert!(close(&hard, entropy(&x, &chosen)));

        let soft = distill_soft(&logits, &leaf, tau);
        let scaled = |x: &[f64]| x.iter().map(|x| x / tau).collect::<Vec<_>>();
        let divergence: f64 = x
            .chunks(K)
            .zip(teacher.chunks(K))
            .flat_map(|(x, y)| log_shares(&scaled(y)).into_iter().zip(log_shares(&scaled(x))))
            .map(|(teacher, own)| teacher.exp() * (teacher - own))
            .sum();
        prop_assert!(close(&soft, tau * tau * divergence / (2 * K) as f64));

        (hard + soft).backward();
        prop_assert!(logits.grad().abs().sum(Kind::Double).double_value(&[]) > 0.0);
        prop_assert!(!leaf.grad().defined());
    }
}

/// Only the direction of what tokens have in common counts, not how often they spike or in how many
/// steps.
#[test]
fn tokens_are_compared_by_their_direction() {
    tch::manual_seed(7);
    let x = Tensor::rand([3, 2, 4, 6], (Kind::Float, Device::Cpu));
    let y = Tensor::rand([1, 2, 2, 2, 5], (Kind::Float, Device::Cpu));
    let distance = |a: &Tensor, b: &Tensor| distill_tokens(a, b).double_value(&[]);
    assert!(distance(&x, &(&x * 0.25)) < 1e-10);
    assert!(distance(&x, &x.repeat([2, 1, 1, 1])) < 1e-10);
    assert!((distance(&x, &y) - distance(&y, &x)).abs() < 1e-6);
    assert!(distance(&x, &y) > 1e-3);
    // Of nothing to anything: the square of a norm of 1.
    let silence = x.zeros_like().set_requires_grad(true);
    let loss = distill_tokens(&silence, &y);
    assert!((loss.double_value(&[]) - 1.0).abs() < 1e-6);
    loss.backward();
    assert!(silence.grad().isfinite().all().int64_value(&[]) == 1);
}
