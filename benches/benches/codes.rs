//! Attention on packed codes: the linear form of kernel-hash attention, whose time per token should
//! not depend on their number, and Hamming attention with top-k, which needs every pair.

use std::num::NonZeroUsize;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Bernoulli, Distribution};
use snn_attn::codes::{Bias, HammingAttention, KernelHashAttention, Measure};
use snn_benches::inputs::{RATE, WIDTH};
use snn_hash::BitCodes;

/// Queries, keys and values of so many tokens; values are small integers, so sums are exact.
fn head(tokens: usize) -> (BitCodes, BitCodes, Array2<f32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let bernoulli = Bernoulli::new(RATE).unwrap();
    let mut codes = || BitCodes::from_fn(tokens, WIDTH, |_, _| bernoulli.sample(&mut rng));
    let (queries, keys) = (codes(), codes());
    let values = Array2::from_shape_fn((tokens, WIDTH), |(i, c)| ((i * 31 + c * 7) % 10) as f32);
    (queries, keys, values)
}

/// The first query's output, pair by pair.
fn first(weight: impl Fn(usize) -> f32, keys: &[usize], values: &Array2<f32>) -> Vec<f32> {
    let sum: f32 = keys.iter().map(|&j| weight(j)).sum();
    let of = |c| keys.iter().map(|&j| weight(j) * values[[j, c]]).sum::<f32>() / sum;
    (0..values.ncols()).map(of).collect()
}

fn linear(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernel-hash");
    group.sample_size(10);
    let attention = KernelHashAttention { bias: Bias::Consistent };
    for tokens in [1024, 4096, 16_384, 65_536] {
        let (queries, keys, values) = head(tokens);
        let run = || attention.attend(&queries, &keys, values.view());
        let weight = |j| (2 * WIDTH + 1) as f32 - 2.0 * queries.distance(0, &keys, j) as f32;
        let expected = first(weight, &(0..tokens).collect::<Vec<_>>(), &values);
        let near = run().row(0).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near, "{tokens} tokens");
        group.throughput(Throughput::Elements(tokens as u64));
        group.bench_function(tokens.to_string(), |b| b.iter(run));
    }
    group.finish();
}

fn top_k(c: &mut Criterion) {
    let mut group = c.benchmark_group("hamming-top-8");
    group.sample_size(10);
    let keep = NonZeroUsize::new(8);
    let measures = [
        ("coincidence", Measure::Coincidence),
        ("match", Measure::Match { offset: 0 }),
        ("xnor", Measure::Xnor { a: 0.125 }),
    ];
    for tokens in [1024, 4096] {
        let (queries, keys, values) = head(tokens);
        for (name, measure) in measures {
            let attention = HammingAttention { measure, keep, causal: false };
            let run = || attention.attend(&queries, &keys, values.view());
            let weight = |j| {
                let both = queries.overlap(0, &keys, j) as f32;
                let neither = (WIDTH as u32 - queries.distance(0, &keys, j)) as f32 - both;
                match measure {
                    Measure::Coincidence => both,
                    Measure::Match { offset } => both + neither + offset as f32,
                    Measure::Xnor { a } => both + a as f32 * neither,
                }
            };
            let mut heaviest: Vec<usize> = (0..tokens).collect();
            heaviest.sort_by(|&i, &j| weight(j).total_cmp(&weight(i)));
            let expected = first(weight, &heaviest[..8], &values);
            let near = run().row(0).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(near, "{name}, {tokens} tokens");
            group.throughput(Throughput::Elements((tokens * tokens) as u64));
            group.bench_function(format!("{name}/{tokens}"), |b| b.iter(run));
        }
    }
    group.finish();
}

criterion_group!(benches, linear, top_k);
criterion_main!(benches);
