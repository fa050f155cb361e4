//! What is timed of the engine: whole networks, neurons, attention, search.

use std::{num::NonZeroUsize, sync::Arc};

use anyhow::{Result, bail};
use ndarray::{Array3, ArrayD, ArrayViewD, Ix3, IxDyn, arr0};
use rayon::prelude::*;
use snn_attn::{
    Attend, KeyValueCache, Visible, WinnerTakeAll,
    codes::{Bias, HammingAttention, KernelHashAttention, each_head},
};
use snn_core::{
    Backend, Builder, Init, Input, Map, Mode, Neuron, Packed, Pass, Signal, Stage, Tensor, Weights,
    backend::{CoderConfig, CoderParts},
    layer::{NeuronLayer, Synapse},
    packed::Precision,
    tensor,
};
use snn_hash::{BitCodes, Isa, Neighbor, Scan};
use snn_models::Network;

use crate::{
    Case,
    case::logits_of,
    inputs::{CODES, NEIGHBORS},
    serve::Work,
    suite::{Form, KEEP, Mechanism},
};

/// Version, precision and instructions of an engine.
fn about(engine: &Packed) -> String {
    format!("snn {}, {} on {}", env!("CARGO_PKG_VERSION"), engine.name(), engine.isa().name())
}

/// From images to logits.
pub struct Classify {
    engine: Packed,
    network: Box<dyn Network<Packed>>,
    images: ArrayD<f32>,
}

impl Classify {
    /// The first `batch` images of a case.
    ///
    /// # Errors
    /// If there are fewer, or the weights do not fit.
    pub fn new(case: &Case, batch: usize, precision: Precision) -> Result<Self> {
        let engine = Packed::new(precision);
        Ok(Self { network: case.network(&engine)?, images: case.images(batch)?, engine })
    }

    /// Logits `[B, classes]`.
    pub fn logits(&self) -> ArrayD<f64> {
        logits_of(&self.engine, &*self.network, &self.images)
    }
}

impl Work for Classify {
    fn about(&self) -> String {
        about(&self.engine)
    }

    fn run(&mut self) {
        std::hint::black_box(self.logits());
    }

    fn answer(&mut self) -> Vec<f32> {
        self.logits().iter().map(|&x| x as f32).collect()
    }
}

/// A synapse and the LIF neurons behind it, on any backend.
pub struct Layer<B: Backend> {
    backend: B,
    synapse: Synapse<B>,
    lif: NeuronLayer<B>,
    input: B::Spikes,
}

impl<B: Backend> Layer<B> {
    /// For a weight as published and spikes `[T, B, positions..., C]`.
    ///
    /// # Errors
    /// If the weight is not that of `map`.
    pub fn new(backend: B, map: Map, weight: &ArrayD<f32>, x: &tensor::Spikes) -> Result<Self> {
        let mut weights = Weights::default();
        weights.insert("synapse.weight", Tensor::F32(weight.clone()));
        let builder = Builder::load(&backend, &weights);
        let synapse = builder.synapse(Stage::new("synapse", map))?;
        let lif = builder.neuron("lif", Neuron::lif(2.0))?;
        let input = backend.spikes(x);
        Ok(Self { synapse, lif, input, backend })
    }

    /// Spikes `[T, B, positions..., outputs]`.
    pub fn spikes(&self) -> B::Spikes {
        let mut pass = Pass::new(&self.backend);
        let current = self.synapse.forward(&mut pass, &self.input);
        self.lif.forward(&mut pass, &current)
    }
}

impl Work for Layer<Packed> {
    fn about(&self) -> String {
        about(&self.backend)
    }

    fn run(&mut self) {
        std::hint::black_box(self.spikes());
    }

    fn answer(&mut self) -> Vec<f32> {
        values(&self.backend, &self.spikes())
    }
}

/// The code of the layers in the suite `codes`: 4 bits, k = 3, as Matterhorn has it.
pub const CODE: CoderConfig =
    CoderConfig { levels: 16, dead_zone: 3, widen_every: 0, refresh_every: 1 };

/// Its mask, and its level of 0.
pub const MASK: u32 = 7;

/// A synapse between two masked time-to-first-spike codes, on any backend; a level is a current of
/// 1.
pub struct Coded<B: Backend> {
    backend: B,
    synapse: Synapse<B>,
    coder: B::Coder,
    input: B::Counts,
}

impl<B: Backend> Coded<B> {
    /// For a weight `[outputs, inputs]`, a bias and levels `[T, B, positions..., inputs]`.
    ///
    /// # Errors
    /// If the weight is no matrix, or the bias does not fit it.
    pub fn new(
        backend: B,
        levels: &ArrayD<f32>,
        weight: &ArrayD<f32>,
        bias: &ArrayD<f32>,
    ) -> Result<Self> {
        let [outputs, inputs] = *weight.shape() else { bail!("`weight` is no matrix") };
        let mut weights = Weights::default();
        weights.insert("synapse.weight", Tensor::F32(weight.clone()));
        weights.insert("synapse.bias", Tensor::F32(bias.clone()));
        let stage = Stage::linear("synapse", inputs, outputs).bias(Init::Constant(0.0));
        let synapse = Builder::load(&backend, &weights).synapse(stage)?;
        let number = |n: u32| Arc::new(Tensor::I64(arr0(i64::from(n)).into_dyn()));
        let coder = backend.coder(&CoderParts {
            name: "code".into(),
            config: CODE,
            step: Arc::new(Tensor::F32(arr0(1.0).into_dyn())),
            zero_point: number(MASK),
            mask: number(MASK),
            tracked: number(1),
        });
        let input = backend.counts(&levels.mapv(|level| level as u32));
        Ok(Self { synapse, coder, input, backend })
    }

    fn next(&self) -> (B::Counts, B::Spikes) {
        let current = self.synapse.forward(&mut Pass::new(&self.backend), &self.input);
        self.backend.code(&self.coder, &current, Mode::Eval)
    }

    /// The next levels, `[T, B, positions..., outputs]`.
    pub fn levels(&self) -> ArrayD<f64> {
        self.backend.read(self.next().0.input())
    }
}

impl Work for Coded<Packed> {
    fn about(&self) -> String {
        about(&self.backend)
    }

    fn run(&mut self) {
        std::hint::black_box(self.next());
    }

    fn answer(&mut self) -> Vec<f32> {
        values(&self.backend, &self.next().0)
    }
}

/// LIF neurons from currents to packed spikes.
pub struct Fire {
    engine: Packed,
    currents: <Packed as Backend>::Real,
}

impl Fire {
    /// For currents `[T, ..., C]`.
    pub fn new(currents: &ArrayD<f32>) -> Self {
        let engine = Packed::default();
        Self { currents: engine.real(currents), engine }
    }

    /// Spikes, shaped as the currents.
    pub fn spikes(&self) -> <Packed as Backend>::Spikes {
        self.engine.fire(&Neuron::lif(2.0), None, &self.currents, None).0
    }
}

impl Work for Fire {
    fn about(&self) -> String {
        about(&self.engine)
    }

    fn run(&mut self) {
        std::hint::black_box(self.spikes());
    }

    fn answer(&mut self) -> Vec<f32> {
        values(&self.engine, &self.spikes())
    }
}

/// The core of spiking self-attention, and what follows it.
pub struct Attention {
    engine: Packed,
    /// Queries, keys, values.
    qkv: [<Packed as Backend>::Counts; 3],
    heads: usize,
    /// Whether the neurons of the attention fire on its products; else these are
    /// written out as numbers.
    pub neuron: bool,
}

impl Attention {
    /// For spikes `[T, B, N, C]`.
    pub fn new(qkv: [&tensor::Spikes; 3], heads: usize, neuron: bool) -> Self {
        let engine = Packed::default();
        let qkv = qkv.map(|x| engine.widen(&engine.spikes(x)));
        Self { engine, qkv, heads, neuron }
    }

    fn products(&self, scale: f64) -> <Packed as Backend>::Real {
        let [q, k, v] = &self.qkv;
        self.engine.ssa(q, k, v, self.heads, scale)
    }

    /// Products `Q (K^T V)`.
    pub fn numbers(&self) -> ArrayD<f64> {
        self.engine.read(Input::Real(&self.products(1.0)))
    }

    /// Spikes of neurons of threshold 0.5 on an eighth of the products.
    pub fn spikes(&self) -> <Packed as Backend>::Spikes {
        let neuron = Neuron::lif(2.0).with_threshold(0.5);
        self.engine.fire(&neuron, None, &self.products(0.125), None).0
    }
}

impl Work for Attention {
    fn about(&self) -> String {
        about(&self.engine)
    }

    fn run(&mut self) {
        if self.neuron {
            std::hint::black_box(self.spikes());
        } else {
            // Written to memory in a layout of one's own, as by PyTorch.
            let products = self.products(1.0);
            self.engine.store(&products);
            std::hint::black_box(products);
        }
    }

    fn answer(&mut self) -> Vec<f32> {
        if self.neuron {
            values(&self.engine, &self.spikes())
        } else {
            self.numbers().iter().map(|&x| x as f32).collect()
        }
    }
}

/// One step of decoding: one query a head, from caches of packed keys.
pub struct Decode {
    isa: Isa,
    heads: Vec<(KeyValueCache, Vec<u32>)>,
    form: Form,
}

impl Decode {
    /// For queries `[H, 1, d]`, keys and values `[H, N, d]`.
    pub fn new([q, k, v]: [&tensor::Spikes; 3], form: Form) -> Self {
        let levels = |x: ArrayViewD<'_, bool>| x.iter().map(|&x| u32::from(x)).collect::<Vec<_>>();
        let cache =
            |((q, k), v): ((ArrayViewD<'_, bool>, ArrayViewD<'_, bool>), ArrayViewD<'_, bool>)| {
                let mut cache = KeyValueCache::new(k.shape()[1], v.shape()[1], 1);
                for (key, value) in k.outer_iter().zip(v.outer_iter()) {
                    cache.push(&levels(key), &levels(value));
                }
                (cache, levels(q))
            };
        let heads = q.outer_iter().zip(k.outer_iter()).zip(v.outer_iter()).map(cache).collect();
        Self { isa: Isa::best(), heads, form }
    }

    /// `[H, d]`, head by head.
    pub fn step(&mut self) -> Vec<Vec<f32>> {
        let Self { isa, heads, form } = self;
        let head = |(cache, query): &mut (KeyValueCache, Vec<u32>)| match form {
            Form::Wta => {
                let winner = cache.winner_take_all(*isa, query, &WinnerTakeAll::PUBLISHED);
                winner.into_iter().map(|x| x as f32).collect()
            }
            Form::Softmax => {
                cache.softmax(*isa, query, 0.125).into_iter().map(|x| x as f32).collect()
            }
        };
        heads.par_iter_mut().map(head).collect()
    }
}

impl Work for Decode {
    fn about(&self) -> String {
        let bytes = self.heads.iter().map(|(cache, _)| cache.key_bytes()).sum::<usize>();
        format!(
            "snn {}, {} kB of keys on {}",
            env!("CARGO_PKG_VERSION"),
            bytes / 1000,
            self.isa.name()
        )
    }

    fn run(&mut self) {
        std::hint::black_box(self.step());
    }

    fn answer(&mut self) -> Vec<f32> {
        self.step().concat()
    }
}

/// Attention that needs every score, or every key.
pub struct Scores {
    engine: Packed,
    /// Queries and keys of every head, a token after the other.
    codes: [BitCodes; 2],
    /// `[H, N, d]`.
    values: Array3<f32>,
    /// The same three as spikes of the engine, `[1, 1, N, H d]`.
    qkv: [<Packed as Backend>::Counts; 3],
    mechanism: Mechanism,
}

impl Scores {
    /// For queries, keys and values `[H, N, d]`.
    ///
    /// # Errors
    /// If they are of another shape.
    pub fn new(qkv: [&tensor::Spikes; 3], mechanism: Mechanism) -> Result<Self> {
        let engine = Packed::default();
        let [q, k, v] = qkv.map(|x| x.view().into_dimensionality::<Ix3>());
        let [q, k, v] = [q?, k?, v?];
        let codes = [&q, &k].map(|x| {
            let (_, tokens, width) = x.dim();
            BitCodes::from_fn(x.len() / width, width, |i, r| x[[i / tokens, i % tokens, r]])
        });
        let qkv = [&q, &k, &v].map(|x| {
            let (heads, tokens, width) = x.dim();
            let joined = x.view().permuted_axes([1, 0, 2]).as_standard_layout().into_owned();
            let joined = joined.into_shape_with_order(IxDyn(&[1, 1, tokens, heads * width]));
            joined.map(|joined| engine.widen(&engine.spikes(&joined)))
        });
        let [a, b, c] = qkv;
        let qkv = [a?, b?, c?];
        Ok(Self { codes, values: v.mapv(f32::from), qkv, mechanism, engine })
    }

    fn winners(&self) -> <Packed as Backend>::Counts {
        let heads = self.values.dim().0;
        let wta = WinnerTakeAll::PUBLISHED;
        self.engine.winner_take_all(self.qkv.each_ref(), heads, 1.0, &wta, &Visible::all())
    }

    fn means(&self) -> Array3<f32> {
        let [queries, keys] = &self.codes;
        each_head(queries, keys, self.values.view(), |queries, keys, values| {
            match self.mechanism.measure() {
                Some(measure) => {
                    let keep = NonZeroUsize::new(KEEP);
                    HammingAttention { measure, keep, causal: false }.attend(queries, keys, values)
                }
                None => {
                    KernelHashAttention { bias: Bias::Consistent }.attend(queries, keys, values)
                }
            }
        })
    }
}

impl Work for Scores {
    fn about(&self) -> String {
        about(&self.engine)
    }

    fn run(&mut self) {
        if self.mechanism == Mechanism::WinnerTakeAll {
            std::hint::black_box(self.winners());
        } else {
            std::hint::black_box(self.means());
        }
    }

    fn answer(&mut self) -> Vec<f32> {
        if self.mechanism != Mechanism::WinnerTakeAll {
            return self.means().into_iter().collect();
        }
        let (heads, tokens, width) = self.values.dim();
        let found = self.engine.read(self.winners().input());
        let of = |i: usize| {
            let (head, token, c) = (i / width / tokens, i / width % tokens, i % width);
            found[[0, 0, token, head * width + c]] as f32
        };
        (0..heads * tokens * width).map(of).collect()
    }
}

/// Exact search among binary codes.
pub struct Search {
    isa: Isa,
    scan: Scan,
    queries: BitCodes,
}

impl Search {
    /// For [`CODES`] codes, followed by the queries.
    pub fn new(codes: &BitCodes, isa: Isa) -> Self {
        let count = CODES.min(codes.len());
        let scan = Scan::with_isa(&codes.rows(0..count), isa);
        Self { isa, scan, queries: codes.rows(count..codes.len()) }
    }

    /// The nearest of each query.
    pub fn nearest(&self) -> ndarray::Array2<Neighbor> {
        self.scan.search(&self.queries, NEIGHBORS)
    }
}

impl Work for Search {
    fn about(&self) -> String {
        format!("snn {}, scan on {}", env!("CARGO_PKG_VERSION"), self.isa.name())
    }

    fn run(&mut self) {
        std::hint::black_box(self.nearest());
    }

    fn answer(&mut self) -> Vec<f32> {
        self.nearest().iter().map(|neighbor| neighbor.distance as f32).collect()
    }
}

fn values(engine: &Packed, x: &impl Signal<Packed>) -> Vec<f32> {
    engine.read(x.input()).iter().map(|&x| x as f32).collect()
}
