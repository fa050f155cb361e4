use snn_core::{Backend, Builder, Event, IntegerNeuron, LoadError, Pass, Signal, layer::Synapse};

use super::{Cells, Kind, Module};

/// Third form of spike-driven self-attention (SDSA-3): neurons on the input, on
/// queries, keys and values and on their product; `scale Q (K^T V)`.
pub(crate) struct Attention<B: Backend, K: Kind<B>> {
    name: String,
    kind: K,
    heads: usize,
    scale: f64,
    agreement: K::Agreement,
    head: K::Layer,
    qkv: [(Synapse<B>, K::Layer); 3],
    attn: K::Layer,
    proj: Synapse<B>,
}

impl<B: Backend, K: Kind<B>> Attention<B, K> {
    /// Over `dim` channels, with values of `values` channels. `project` builds a
    /// synapse by name, `[inputs, outputs]` and what it reads.
    pub fn new(
        cells: &Cells<K>,
        from: &Builder<'_, B>,
        [dim, values]: [usize; 2],
        (heads, scale): (usize, f64),
        agreement: K::Agreement,
        project: impl Fn(&str, [usize; 2], Option<IntegerNeuron>) -> Result<Synapse<B>, LoadError>,
    ) -> Result<Self, LoadError> {
        let named = |name: &str| format!("{name}_{}", cells.word);
        let branch = |name: &str, outputs| -> Result<_, LoadError> {
            let synapse = project(&format!("{name}_conv"), [dim, outputs], cells.neuron.reads())?;
            Ok((synapse, cells.neuron.layer(from, &named(name))?))
        };
        Ok(Self {
            name: from.path().to_owned(),
            kind: cells.neuron,
            heads,
            scale,
            agreement,
            head: cells.neuron.layer(from, &named("head"))?,
            qkv: [branch("q", dim)?, branch("k", dim)?, branch("v", values)?],
            attn: cells.attention.layer(from, &named("attn"))?,
            proj: project("proj_conv", [values, dim], cells.attention.reads())?,
        })
    }
}

impl<B: Backend, K: Kind<B>> Module<B> for Attention<B, K> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let Self { name, heads, .. } = self;
        let sent = K::fire(&self.head, pass, x);
        let [q, k, v] = self.qkv.each_ref().map(|(synapse, layer)| {
            let current = synapse.forward(pass, &sent);
            K::fire(layer, pass, &current)
        });
        pass.observe(Event::Attention { name, q: q.input(), k: k.input(), heads: *heads });
        let y = self.kind.attend(pass, name, &self.agreement, [&q, &k, &v], *heads, self.scale);
        let sent = K::fire(&self.attn, pass, &y);
        self.proj.forward(pass, &sent)
    }
}
