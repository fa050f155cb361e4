//! Synapses with the neurons that they feed, from packed spikes or counts to packed
//! spikes, by density and precision.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::ArrayD;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Bernoulli, Distribution};
use snn_core::{
    Backend, Builder, Init, Map, Neuron, Packed, Pass, Reference, Signal, Stage, Window,
    layer::{NeuronLayer, Synapse},
    packed::Precision,
    tensor,
};

/// Spikes, or sums of several.
#[derive(Clone, Copy)]
enum Kind {
    Spikes,
    Counts,
}

struct Layer<B: Backend> {
    backend: B,
    synapse: Synapse<B>,
    lif: NeuronLayer<B>,
}

impl<B: Backend> Layer<B> {
    fn new(backend: B, map: Map) -> Self {
        let builder = Builder::draw(&backend, 1);
        let stage =
            Stage::new("synapse", map).init(Init::Normal((8.0 / map.fan_in() as f64).sqrt()));
        let synapse = builder.synapse(stage).unwrap();
        let lif = builder.neuron("lif", Neuron::lif(2.0)).unwrap();
        Self { synapse, lif, backend }
    }

    fn spikes(&self, x: &impl Signal<B>) -> B::Spikes {
        let mut pass = Pass::new(&self.backend);
        let current = self.synapse.forward(&mut pass, x);
        self.lif.forward(&mut pass, &current)
    }

    fn read(&self, spikes: &B::Spikes) -> ArrayD<f64> {
        self.backend.read(spikes.input())
    }
}

fn drawn(shape: &[usize], density: f64) -> tensor::Spikes {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let bernoulli = Bernoulli::new(density).unwrap();
    ArrayD::from_shape_simple_fn(shape, || bernoulli.sample(&mut rng))
}

/// Spikes, or the sum of eight times the same with every second row silent in turn.
fn counts(spikes: &tensor::Spikes) -> tensor::Counts {
    let mut i = 0;
    spikes.mapv(|spike| {
        i += 1;
        if spike { i % 8 + 1 } else { 0 }
    })
}

fn bench(c: &mut Criterion, name: &str, map: Map, shape: &[usize], kind: Kind, density: f64) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    let spikes = drawn(shape, density);
    let outputs: usize = map.output_shape(shape).iter().product();
    group.throughput(Throughput::Elements((outputs * map.fan_in()) as u64));
    let oracle = Layer::new(Reference::<f64>::new(), map);
    let expected = match kind {
        Kind::Spikes => oracle.read(&oracle.spikes(&oracle.backend.spikes(&spikes))),
        Kind::Counts => {
            let counts = oracle.backend.counts(&counts(&spikes));
            oracle.read(&oracle.spikes(&counts))
        }
    };
    let fired = expected.iter().filter(|&&x| x != 0.0).count();
    assert!(fired > 0 && fired < outputs, "neurons neither silent nor always firing");
    for precision in Precision::ALL {
        let layer = Layer::new(Packed::new(precision), map);
        let (x, sums) = (layer.backend.spikes(&spikes), layer.backend.counts(&counts(&spikes)));
        let run = || match kind {
            Kind::Spikes => layer.spikes(&x),
            Kind::Counts => layer.spikes(&sums),
        };
        let found = layer.read(&run());
        let flipped = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
        let allowed = match precision {
            Precision::Exact => 0.0,
            Precision::F32 => 1e-5,
            Precision::I16 => 1e-3,
            Precision::I8 => 2e-2,
        };
        assert!(flipped as f64 <= allowed * outputs as f64, "{flipped} spikes flipped");
        group.bench_function(format!("{density}/{}", precision.name()), |b| b.iter(run));
    }
    group.finish();
}

fn synapses(c: &mut Criterion) {
    let linear = |inputs, outputs| Map::Linear { inputs, outputs };
    let conv = |inputs, outputs| Map::conv2d(inputs, outputs, Window::SAME3);
    for density in [0.02, 0.05, 0.15, 0.3, 0.5, 0.8] {
        for (inputs, outputs) in [(384, 384), (384, 1536), (1536, 384)] {
            let (name, map) = (format!("linear-{inputs}-{outputs}"), linear(inputs, outputs));
            bench(c, &name, map, &[4, 1, 64, inputs], Kind::Spikes, density);
        }
        for (side, inputs, outputs) in [(32, 96, 192), (8, 384, 384)] {
            let (name, map) = (format!("conv-{side}-{inputs}-{outputs}"), conv(inputs, outputs));
            bench(c, &name, map, &[4, 1, side, side, inputs], Kind::Spikes, density);
        }
    }
    for density in [0.3, 0.8] {
        let map = linear(384, 1536);
        bench(c, "linear-384-1536-counts", map, &[4, 1, 64, 384], Kind::Counts, density);
    }
}

criterion_group!(benches, synapses);
criterion_main!(benches);
