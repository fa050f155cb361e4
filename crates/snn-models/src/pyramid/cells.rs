use snn_attn::{Agreement, Attend};
use snn_core::{
    Backend, Builder, Init, IntegerNeuron, LoadError, Map, Neuron, Pass, Signal, Stage,
    layer::{IntegerLayer, NeuronLayer, Synapse},
};

use crate::attention::{account, account_silence};

/// A kind of neuron: how a layer of it is built, and what it sends.
pub(crate) trait Kind<B: Backend>: Copy + 'static {
    /// A layer of such neurons.
    type Layer: 'static;
    /// What a layer sends to synapses.
    type Sent: Signal<B>;
    /// How queries and keys of such neurons are compared.
    type Agreement: 'static;

    fn layer(self, from: &Builder<'_, B>, name: &str) -> Result<Self::Layer, LoadError>;

    /// The integer neuron whose levels a synapse behind this one reads.
    fn reads(self) -> Option<IntegerNeuron>;

    fn fire(layer: &Self::Layer, pass: &mut Pass<'_, B>, current: &B::Real) -> Self::Sent;

    /// `scale Q (K^T V)`, reported under `name`.
    fn attend(
        self,
        pass: &mut Pass<'_, B>,
        name: &str,
        agreement: &Self::Agreement,
        qkv: [&Self::Sent; 3],
        heads: usize,
        scale: f64,
    ) -> B::Real;
}

impl<B: Attend + 'static> Kind<B> for Neuron {
    type Layer = NeuronLayer<B>;
    type Sent = B::Spikes;
    type Agreement = Agreement<B>;

    fn layer(self, from: &Builder<'_, B>, name: &str) -> Result<NeuronLayer<B>, LoadError> {
        from.neuron(name, self)
    }

    fn reads(self) -> Option<IntegerNeuron> {
        None
    }

    fn fire(layer: &NeuronLayer<B>, pass: &mut Pass<'_, B>, current: &B::Real) -> B::Spikes {
        layer.forward(pass, current)
    }

    fn attend(
        self,
        pass: &mut Pass<'_, B>,
        name: &str,
        agreement: &Agreement<B>,
        qkv: [&B::Spikes; 3],
        heads: usize,
        scale: f64,
    ) -> B::Real {
        let [q, k, v] = qkv;
        account(pass, name, q, k, v, heads);
        account_silence(pass, name, agreement, qkv);
        agreement.attend(pass.backend, qkv, heads, scale)
    }
}

impl<B: Attend + 'static> Kind<B> for IntegerNeuron {
    type Layer = IntegerLayer;
    type Sent = B::Counts;
    /// The dot product.
    type Agreement = ();

    fn layer(self, from: &Builder<'_, B>, name: &str) -> Result<IntegerLayer, LoadError> {
        Ok(from.integer_neuron(name, self))
    }

    fn reads(self) -> Option<IntegerNeuron> {
        Some(self)
    }

    fn fire(layer: &IntegerLayer, pass: &mut Pass<'_, B>, current: &B::Real) -> B::Counts {
        layer.forward(pass, current)
    }

    fn attend(
        self,
        pass: &mut Pass<'_, B>,
        name: &str,
        (): &(),
        [q, k, v]: [&B::Counts; 3],
        heads: usize,
        scale: f64,
    ) -> B::Real {
        account(pass, name, q, k, v, heads);
        pass.backend.ssa(q, k, v, heads, scale * self.unit.powi(3))
    }
}

/// The neurons and weights that a network is written in.
#[derive(Clone, Copy)]
pub(crate) struct Cells<K> {
    /// Every neuron but the following.
    pub neuron: K,
    /// Behind the product of an attention.
    pub attention: K,
    /// In front of the classifier.
    pub head: K,
    /// What the names of neurons end in: `lif`.
    pub word: &'static str,
    /// Bits of a weight, where weights are quantised.
    pub weight_bits: Option<u32>,
}

impl<K> Cells<K> {
    /// A map whose weight, `name.weight`, is kept as this network keeps weights.
    pub fn stage<'a, B: Backend>(
        &self,
        from: &Builder<'_, B>,
        name: &str,
        map: Map,
    ) -> Result<Stage<'a>, LoadError> {
        let stage = Stage::new(name, map);
        let Some(bits) = self.weight_bits else { return Ok(stage) };
        // The published quantiser of activations does nothing and holds anything.
        let dead = from.sub(name).sub("act");
        for (name, count) in [
            ("alpha", map.inputs()),
            ("zero_point", map.inputs()),
            ("init_state", 1),
            ("signed", 1),
        ] {
            dead.unused(name, &[count], Init::Constant(0.0))?;
        }
        Ok(stage.quantized(bits))
    }

    /// As [`Cells::stage`]: a convolution of kernel 1 over `axes` axes.
    pub fn pointwise<'a, B: Backend>(
        &self,
        from: &Builder<'_, B>,
        name: &str,
        [inputs, outputs]: [usize; 2],
        axes: usize,
    ) -> Result<Stage<'a>, LoadError> {
        Ok(self.stage(from, name, Map::Linear { inputs, outputs })?.trailing(axes))
    }

    /// A synapse that reads such neurons.
    pub fn synapse<B: Backend>(
        &self,
        from: &Builder<'_, B>,
        stage: Stage<'_>,
    ) -> Result<Synapse<B>, LoadError>
    where
        K: Kind<B>,
    {
        from.synapse_reading(self.neuron.reads(), stage)
    }
}
