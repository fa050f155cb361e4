//! LIF neurons over four time steps, from 32-bit floats to packed spikes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use snn_benches::{
    inputs::{STEPS, currents, fired},
    serve::Work,
    work::Fire,
};

fn lif(c: &mut Criterion) {
    let mut group = c.benchmark_group("lif");
    group.sample_size(10);
    for neurons in [1_000_000, 10_000_000] {
        let currents = currents(neurons).unwrap();
        let mut fire = Fire::new(&currents);
        assert_eq!(fire.answer(), fired(&currents), "spikes of the reference");
        group.throughput(Throughput::Elements((STEPS * neurons) as u64));
        group.bench_function(format!("{neurons}"), |b| b.iter(|| fire.run()));
    }
    group.finish();
}

criterion_group!(benches, lif);
criterion_main!(benches);
