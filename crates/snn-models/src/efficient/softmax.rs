//! The dense baseline.

use snn_attn::Attend;
use snn_core::{
    Backend, Builder, Init, LoadError, Neuron, Pass, Signal,
    layer::{NeuronLayer, Synapse},
};

use super::hashed::{by_head, synapse};
use crate::{attention::product, spikformer::Attention};

/// Real queries and keys, softmax, values as spikes.
pub(super) struct SoftmaxAttention<B: Backend> {
    name: String,
    heads: usize,
    scale: f64,
    q: Synapse<B>,
    k: Synapse<B>,
    v: (Synapse<B>, NeuronLayer<B>),
    gain: B::Param,
    attn_lif: NeuronLayer<B>,
    proj: (Synapse<B>, NeuronLayer<B>),
}

impl<B: Attend> SoftmaxAttention<B> {
    pub fn new(dim: usize, heads: usize, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let map = |name: &str| synapse(from, name, dim);
        let lif = |name: &str, neuron| from.neuron(name, neuron);
        Ok(Self {
            name: from.path().to_owned(),
            heads,
            scale: 1.0 / ((dim / heads) as f64).sqrt(),
            q: map("q")?,
            k: map("k")?,
            v: (map("v")?, lif("v_lif", Neuron::lif(2.0))?),
            gain: from.param("gain", &[heads, 1], Init::Constant(super::hashed::GAIN))?,
            attn_lif: lif("attn_lif", Neuron::lif(2.0).with_threshold(0.5))?,
            proj: (map("proj")?, lif("proj_lif", Neuron::lif(2.0))?),
        })
    }
}

impl<B: Attend> Attention<B> for SoftmaxAttention<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes {
        let (q, k) = (self.q.forward(pass, x), self.k.forward(pass, x));
        let current = self.v.0.forward(pass, x);
        let v = self.v.1.forward(pass, &current);
        let shape = v.shape();
        let keys = shape[2..shape.len() - 1].iter().product();
        // Every score, and every score with a value: weights are real numbers.
        product(pass, &self.name, "scores", &q, keys);
        product(pass, &self.name, "values", &q, keys);
        let mean = pass.backend.attend_dense(&q, &k, &v, self.heads, self.scale);
        let current = by_head(pass.backend, &mean, self.heads, &self.gain);
        let spikes = self.attn_lif.forward(pass, &current);
        let current = self.proj.0.forward(pass, &spikes);
        self.proj.1.forward(pass, &current)
    }
}
