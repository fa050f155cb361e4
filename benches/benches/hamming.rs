//! Exact search for the nearest of a million binary codes, on every set of instructions.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use snn_benches::{
    inputs::{CODES, NEIGHBORS, QUERIES, codes, nearest_distances},
    serve::Work,
    work::Search,
};
use snn_hash::Isa;

fn scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("hamming");
    group.sample_size(10);
    for bits in [32, 64, 256] {
        let codes = codes(bits).unwrap();
        let expected = nearest_distances(&codes);
        for isa in Isa::all() {
            let mut search = Search::new(&codes, isa);
            assert_eq!(search.answer(), expected, "top {NEIGHBORS} on {}", isa.name());
            group.throughput(Throughput::Elements((CODES * QUERIES) as u64));
            group.bench_function(format!("{}/{bits}", isa.name()), |b| b.iter(|| search.run()));
        }
    }
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
