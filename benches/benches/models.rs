//! Whole networks: the three of CIFAR-10, and how one of them answers to threads,
//! batch, time steps, tokens and density.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rayon::ThreadPoolBuilder;
use snn_benches::{
    Case,
    agreement::{Recording, agreement},
    case::{Draw, config},
    serve::Work,
    work::Classify,
};
use snn_core::{Packed, packed::Precision};
use snn_models::Config;

const PRECISIONS: [Precision; 2] = [Precision::Exact, Precision::I8];

/// Times a case under both precisions, after a spike by spike comparison.
fn bench(
    c: &mut Criterion,
    (group, value): (&str, String),
    (case, batch): (&Case, usize),
    threads: usize,
) {
    let recording = Recording::new(case, 1).unwrap();
    let (exact, _) = agreement(&Packed::new(Precision::Exact), case, &recording).unwrap();
    assert_eq!(exact.flipped, 0, "{} at {value}", case.name);
    let mut group = c.benchmark_group(group);
    group.sample_size(10).throughput(Throughput::Elements(batch as u64));
    for precision in PRECISIONS {
        on_threads(threads, case, batch, precision, |time| {
            let id = BenchmarkId::new(precision.name(), &value);
            group.bench_function(id, |b| b.iter_custom(&mut *time));
        });
    }
    group.finish();
}

/// Lends `with` a function that says what so many runs take. A network stays on the
/// thread that made it; here that thread is one of a pool of its own.
fn on_threads(
    threads: usize,
    case: &Case,
    batch: usize,
    precision: Precision,
    with: impl FnOnce(&mut dyn FnMut(u64) -> Duration),
) {
    let (ask, asked) = mpsc::channel::<u64>();
    let (answer, answered) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let pool = ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
            let _pool = pool.build().unwrap();
            let mut classify = Classify::new(case, batch, precision).unwrap();
            for runs in asked {
                let start = Instant::now();
                (0..runs).for_each(|_| classify.run());
                answer.send(start.elapsed()).unwrap();
            }
        });
        with(&mut |runs| {
            ask.send(runs).unwrap();
            answered.recv().unwrap()
        });
        drop(ask);
    });
}

fn draw(name: &str, config: Config, images: usize, shift: f64) -> Case {
    Case::draw(name, config, Draw { images, shift, ..Draw::default() }).unwrap()
}

fn networks(c: &mut Criterion) {
    for name in ["spikformer-4-384", "spike-driven-transformer-2-512", "qkformer-4-384"] {
        let case = draw(name, config(name, 4).unwrap(), 1, 0.6);
        bench(c, ("network", name.into()), (&case, 1), 2);
    }
}

/// The network whose curves are drawn.
const NAME: &str = "spikformer-2-256";

fn curves(c: &mut Criterion) {
    let plain = config(NAME, 4).unwrap();
    let case = draw(NAME, plain.clone(), 64, 0.6);
    for threads in [1, 2, 4] {
        if threads <= std::thread::available_parallelism().map_or(1, usize::from) {
            bench(c, ("threads", threads.to_string()), (&case, 1), threads);
        }
    }
    for batch in [1, 4, 16, 64] {
        bench(c, ("batch", batch.to_string()), (&case, batch), 2);
    }
    for steps in [1, 2, 8] {
        let case = draw(NAME, config(NAME, steps).unwrap(), 1, 0.6);
        bench(c, ("steps", steps.to_string()), (&case, 1), 2);
    }
    for side in [16, 64, 96] {
        let Config::Spikformer(mut config) = plain.clone() else { panic!("{NAME}") };
        config.image = [side; 2];
        let tokens = side * side / 16;
        let case = draw(NAME, Config::Spikformer(config), 1, 0.6);
        bench(c, ("tokens", tokens.to_string()), (&case, 1), 2);
    }
    for shift in [-0.4, 0.0, 0.3, 0.9] {
        let case = draw(NAME, plain.clone(), 1, shift);
        let rate = Recording::new(&case, 1).unwrap().rate();
        bench(c, ("rate", format!("{:.0} %", 100.0 * rate)), (&case, 1), 2);
    }
}

criterion_group!(benches, networks, curves);
criterion_main!(benches);
