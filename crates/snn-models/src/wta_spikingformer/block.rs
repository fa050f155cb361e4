use ndarray::ArrayD;
use snn_attn::{Attend, KeyValueCache, Visible, WinnerTakeAll};
use snn_core::{
    Backend, Builder, Event, IntegerNeuron, LoadError, Pass, Signal, Stage,
    layer::{IntegerLayer, Synapse},
    packed::Isa,
};

use super::{Attention, Config, neurons::Neurons};
use crate::attention::product;

/// Attention, then an MLP, each added to the membranes that it reads.
pub(super) struct Block<B: Backend> {
    attention: SpikingAttention<B>,
    mlp: [(Neurons<B>, Synapse<B>); 2],
}

impl<B: Attend> Block<B> {
    pub(super) fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let (mlp, hidden) = (from.sub("mlp"), cfg.dim * cfg.mlp_ratio);
        let layer = |name: &str, inputs, outputs| firing(cfg, &mlp, name, [inputs, outputs]);
        Ok(Self {
            attention: SpikingAttention::new(cfg, &from.sub("attention"))?,
            mlp: [layer("fc1", cfg.dim, hidden)?, layer("fc2", hidden, cfg.dim)?],
        })
    }

    /// Membranes `[1, B, N, C]` in and out.
    pub(super) fn forward(
        &self,
        pass: &mut Pass<'_, B>,
        x: &B::Real,
        visible: &Visible,
    ) -> B::Real {
        let current = self.attention.forward(pass, x, visible);
        self.feed(pass, &pass.backend.add_real(x, &current))
    }

    /// As [`Block::forward`], for one more token `[1, 1, 1, C]`.
    pub(super) fn step(
        &self,
        pass: &mut Pass<'_, B>,
        x: &B::Real,
        cache: &mut [KeyValueCache],
    ) -> B::Real {
        let current = self.attention.step(pass, x, cache);
        self.feed(pass, &pass.backend.add_real(x, &current))
    }

    fn feed(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let mut current = x.clone();
        for (neurons, synapse) in &self.mlp {
            let spikes = neurons.forward(pass, &current);
            current = spikes.meet(pass, synapse);
        }
        pass.backend.add_real(x, &current)
    }
}

/// Neurons, and the layer with its norm that reads them.
fn firing<B: Backend>(
    cfg: &Config,
    from: &Builder<'_, B>,
    name: &str,
    [inputs, outputs]: [usize; 2],
) -> Result<(Neurons<B>, Synapse<B>), LoadError> {
    let neurons = Neurons::new(cfg, from, &format!("{name}_neurons"))?;
    let synapse = reading(cfg, from, &neurons, name, [inputs, outputs])?;
    Ok((neurons, synapse))
}

/// The layer with its norm that reads `neurons`.
fn reading<B: Backend>(
    cfg: &Config,
    from: &Builder<'_, B>,
    neurons: &Neurons<B>,
    name: &str,
    [inputs, outputs]: [usize; 2],
) -> Result<Synapse<B>, LoadError> {
    let norm = format!("{name}_norm");
    let stage = Stage::linear(name, inputs, outputs).norm(&norm);
    let stage = match cfg.coding.as_ref().and_then(|coding| coding.weights) {
        Some(code) => stage.logarithmic(code),
        None => stage,
    };
    from.synapse_reading(neurons.levels(), stage)
}

/// Winner-take-all spiking self-attention (WSSA, causal CWSSA), or its softmax twin.
struct SpikingAttention<B: Backend> {
    name: String,
    heads: usize,
    scale: f64,
    levels: u32,
    kind: Attention,
    wta: WinnerTakeAll,
    neurons: Neurons<B>,
    qkv: [(Synapse<B>, IntegerLayer); 3],
    out: (Neurons<B>, Synapse<B>),
}

impl<B: Attend> SpikingAttention<B> {
    fn new(cfg: &Config, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let neuron = IntegerNeuron::nilif(cfg.levels);
        let neurons = Neurons::new(cfg, from, "neurons")?;
        let layer = |name: &str| -> Result<_, LoadError> {
            let counted = from.integer_neuron(&format!("{name}_neurons"), neuron);
            Ok((reading(cfg, from, &neurons, name, [cfg.dim; 2])?, counted))
        };
        let width = (cfg.dim / cfg.heads) as f64;
        Ok(Self {
            name: from.path().to_owned(),
            heads: cfg.heads,
            scale: neuron.unit * neuron.unit / width.sqrt(),
            levels: cfg.levels,
            kind: cfg.attention,
            wta: cfg.wta,
            qkv: [layer("q")?, layer("k")?, layer("v")?],
            neurons,
            out: firing(cfg, from, "out", [cfg.dim; 2])?,
        })
    }

    /// Levels of queries, keys and values.
    fn qkv(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> [B::Counts; 3] {
        let spikes = self.neurons.forward(pass, x);
        self.qkv.each_ref().map(|(synapse, neurons)| {
            let current = spikes.meet(pass, synapse);
            neurons.forward(pass, &current)
        })
    }

    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real, visible: &Visible) -> B::Real {
        let [q, k, v] = &self.qkv(pass, x);
        let heads = self.heads;
        pass.observe(Event::Attention { name: &self.name, q: q.input(), k: k.input(), heads });
        let tokens = x.shape()[2];
        // A causal query meets half of the keys.
        let met = if visible.causal { (tokens + 1).div_ceil(2) } else { tokens };
        self.account(pass, q, v, met);
        let qkv = [q, k, v];
        let attended = match self.kind {
            Attention::WinnerTakeAll => {
                let backend = pass.backend;
                let y = backend.winner_take_all(qkv, heads, self.scale, &self.wta, visible);
                backend.scale(&y, 1.0)
            }
            Attention::Softmax => pass.backend.softmax_attention(qkv, heads, self.scale, visible),
        };
        self.project(pass, &attended)
    }

    fn step(&self, pass: &mut Pass<'_, B>, x: &B::Real, cache: &mut [KeyValueCache]) -> B::Real {
        let [q, k, v] = &self.qkv(pass, x);
        let met = cache.first().map_or(0, KeyValueCache::len) + 1;
        self.account(pass, q, v, met);
        let shape = q.shape();
        let levels = |x: &B::Counts| -> Vec<u32> {
            pass.backend.read(x.input()).iter().map(|&level| level as u32).collect()
        };
        let [q, k, v] = [q, k, v].map(levels);
        let width = q.len() / self.heads;
        let rows = q.chunks(width).zip(k.chunks(width)).zip(v.chunks(width)).zip(cache);
        let mut counts = Vec::new();
        let mut reals = Vec::new();
        for (((q, k), v), cache) in rows {
            cache.push(k, v);
            match self.kind {
                Attention::WinnerTakeAll => {
                    counts.extend(cache.winner_take_all(Isa::best(), q, &self.wta));
                }
                Attention::Softmax => {
                    let y = cache.softmax(Isa::best(), q, self.scale);
                    reals.extend(y.into_iter().map(|y| y as f32));
                }
            }
        }
        let attended = match self.kind {
            Attention::WinnerTakeAll => {
                let counts = pass.backend.counts(&array(&shape, counts));
                pass.backend.scale(&counts, 1.0)
            }
            Attention::Softmax => pass.backend.real(&array(&shape, reals)),
        };
        self.project(pass, &attended)
    }

    /// Reports the sums: a spike of a query meets its channel in every key. To pass on values costs
    /// nothing where one key wins; in the twin every spike of a value adds a weight for each query.
    fn account(&self, pass: &mut Pass<'_, B>, q: &B::Counts, v: &B::Counts, met: usize) {
        product(pass, &self.name, "qk", q, met);
        if self.kind == Attention::Softmax {
            product(pass, &self.name, "av", v, met);
        }
    }

    /// What was attended to, in levels, fires once more; one winner's levels stay what they are.
    fn project(&self, pass: &mut Pass<'_, B>, attended: &B::Real) -> B::Real {
        let (neurons, synapse) = &self.out;
        let spikes = neurons.forward(pass, attended);
        spikes.meet(pass, synapse)
    }

    /// Empty caches, one a head.
    fn cache(&self, dim: usize) -> Vec<KeyValueCache> {
        let width = dim / self.heads;
        vec![KeyValueCache::new(width, width, self.levels); self.heads]
    }
}

impl<B: Attend> Block<B> {
    /// Empty caches of its attention, one a head.
    pub(super) fn cache(&self, dim: usize) -> Vec<KeyValueCache> {
        self.attention.cache(dim)
    }
}

fn array<T>(shape: &[usize], values: Vec<T>) -> ArrayD<T> {
    match ArrayD::from_shape_vec(shape, values) {
        Ok(array) => array,
        Err(e) => unreachable!("heads are as wide as the levels that came in: {e}"),
    }
}
