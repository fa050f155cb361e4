//! The core of spiking self-attention, alone and with its neurons.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use snn_benches::{
    inputs::{HEADS, SAMPLES, STEPS, WIDTH, attended, qkv},
    serve::Work,
    work::Attention,
};

fn ssa(c: &mut Criterion) {
    let mut group = c.benchmark_group("ssa");
    group.sample_size(10);
    for tokens in [64, 196, 1024] {
        let qkv = qkv(tokens).unwrap();
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

criterion_group!(benches, ssa);
criterion_main!(benches);
