//! The core of spiking self-attention, alone and with its neurons; of attention on dilated windows,
//! whose time per token should not depend on their number; and of every token on itself over time.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::ArrayD;
use snn_attn::{Attend, DilatedWindows, bidirectional_temporal_fusion};
use snn_benches::{
    inputs::{HEADS, RATE, SAMPLES, STEPS, WIDTH, attended, qkv},
    serve::Work,
    work::Attention,
};
use snn_core::{Backend, Packed, Reference, Signal, packed::Real};

fn ssa(c: &mut Criterion) {
    let mut group = c.benchmark_group("ssa");
    group.sample_size(10);
    for tokens in [64, 196, 1024] {
        let qkv = qkv(tokens, WIDTH, RATE).unwrap();
        for (neuron, what) in [(false, "numbers"), (true, "spikes")] {
            let mut attention = Attention::new(qkv.each_ref(), HEADS, neuron);
            assert_eq!(attention.answer(), attended(&qkv, neuron), "{what} of the reference");
            // Two products of N d^2 for every head.
            let macs = 2 * STEPS * SAMPLES * HEADS * tokens * WIDTH * WIDTH;
            group.throughput(Throughput::Elements(macs as u64));
            group.bench_function(format!("{what}/{tokens}"), |b| b.iter(|| attention.run()));
        }
    }
    group.finish();
}

fn windows(c: &mut Criterion) {
    let mut group = c.benchmark_group("windows-3x3");
    group.sample_size(10);
    let windows = DilatedWindows::new(3, vec![1, 2]);
    let packed = Packed::default();
    for side in [8, 16, 32] {
        let grid = [STEPS, SAMPLES, side, side, HEADS * WIDTH];
        let dense = qkv(side * side, WIDTH, RATE)
            .unwrap()
            .map(|x| x.into_shape_with_order(&grid[..]).unwrap().mapv(u32::from));
        let [q, k, v] = dense.each_ref().map(|x| packed.counts(x));
        let run = || {
            let y = packed.window_attention([&q, &k, &v], HEADS, 0.125, &windows);
            packed.read(y.input())
        };
        let [q, k, v] = &dense;
        let reference = Reference::<f64>::new();
        assert_eq!(run(), reference.window_attention([q, k, v], HEADS, 0.125, &windows), "{side}");
        group.throughput(Throughput::Elements((STEPS * SAMPLES * side * side) as u64));
        group.bench_function((side * side).to_string(), |b| b.iter(run));
    }
    group.finish();
}

fn temporal_fusion(c: &mut Criterion) {
    let mut group = c.benchmark_group("bidirectional-temporal-fusion");
    group.sample_size(10);
    let packed = Packed::default();
    for tokens in [64, 196, 1024] {
        let dense = qkv(tokens, WIDTH, RATE).unwrap().map(|x| x.mapv(u32::from));
        let [q, k, v] = dense.each_ref().map(|x| packed.counts(x));
        let run = || {
            let gate = |past: &Real, _: &Real| past.clone();
            let y = bidirectional_temporal_fusion(&packed, [&q, &k, &v], HEADS, 0.125, gate);
            packed.read(y.input())
        };
        let [q, k, v] = &dense;
        let gate = |past: &ArrayD<f64>, _: &ArrayD<f64>| past.clone();
        let reference = Reference::<f64>::new();
        let expected = bidirectional_temporal_fusion(&reference, [q, k, v], HEADS, 0.125, gate);
        assert_eq!(run(), expected, "{tokens} tokens");
        group.throughput(Throughput::Elements((STEPS * SAMPLES * tokens) as u64));
        group.bench_function(tokens.to_string(), |b| b.iter(run));
    }
    group.finish();
}

criterion_group!(benches, ssa, windows, temporal_fusion);
criterion_main!(benches);
