//! The named layers that every spiking network is made of.

use ndarray::ArrayD;

use crate::{
    backend::{Backend, Signal},
    map::Map,
    neuron::{IntegerNeuron, Neuron},
    pass::{Event, Pass},
};

/// Weighted maps with their BatchNorms, under their published name.
pub struct Synapse<B: Backend> {
    name: String,
    map: Map,
    prepared: B::Synapse,
}

impl<B: Backend> Synapse<B> {
    pub(crate) fn new(name: String, map: Map, prepared: B::Synapse) -> Self {
        Self { name, map, prepared }
    }

    /// Signal `[T, B, positions..., inputs]` in, current
    /// `[T, B, positions..., outputs]` out.
    pub fn forward(&self, pass: &mut Pass<'_, B>, x: &impl Signal<B>) -> B::Real {
        self.forward_repeated(pass, x, 1)
    }

    /// As [`Synapse::forward`], for an input that stands for `repeats` equal
    /// time steps: computed once, repeated along time.
    pub fn forward_repeated(
        &self,
        pass: &mut Pass<'_, B>,
        x: &impl Signal<B>,
        repeats: usize,
    ) -> B::Real {
        let input = x.input();
        pass.observe(Event::Synapse { name: &self.name, map: self.map, input, repeats });
        pass.backend.current(&self.prepared, input, repeats, pass.mode)
    }

    /// As [`Synapse::forward`], for one of the steps that a network takes one by one: the probe is
    /// not told. [`Synapse::tell`] tells it of all.
    pub fn compute(&self, pass: &mut Pass<'_, B>, x: &impl Signal<B>) -> B::Real {
        pass.backend.current(&self.prepared, x.input(), 1, pass.mode)
    }

    /// Tells the probe what was read, `[T, B, positions..., inputs]`.
    pub fn tell(&self, pass: &mut Pass<'_, B>, x: &impl Signal<B>) {
        let input = x.input();
        pass.observe(Event::Synapse { name: &self.name, map: self.map, input, repeats: 1 });
    }
}

/// A learned vector for each of so many things, under its published name.
pub struct Embedding<B: Backend> {
    name: String,
    rows: usize,
    channels: usize,
    table: B::Param,
}

impl<B: Backend> Embedding<B> {
    pub(crate) fn new(name: String, [rows, channels]: [usize; 2], table: B::Param) -> Self {
        Self { name, rows, channels, table }
    }

    /// The vectors of `rows`, `[...]` to `[..., C]`: looked up, not computed.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn forward(&self, pass: &Pass<'_, B>, rows: &ArrayD<usize>) -> B::Real {
        pass.backend.embed(&self.table, rows)
    }

    /// `scale x E^T`, `[T, B, positions..., C]` to `[T, B, positions..., rows]`: the tied
    /// projection of language models. Source: Press and Wolf, EACL 2017.
    pub fn compare(&self, pass: &mut Pass<'_, B>, x: &impl Signal<B>, scale: f64) -> B::Real {
        let map = Map::Linear { inputs: self.channels, outputs: self.rows };
        let input = x.input();
        pass.observe(Event::Synapse { name: &self.name, map, input, repeats: 1 });
        pass.backend.compare(input, &self.table, scale)
    }
}

/// A layer of equal spiking neurons, under its published name.
pub struct NeuronLayer<B: Backend> {
    name: String,
    neuron: Neuron,
    leak: Option<B::Param>,
}

impl<B: Backend> NeuronLayer<B> {
    pub(crate) fn new(name: String, neuron: Neuron, leak: Option<B::Param>) -> Self {
        Self { name, neuron, leak }
    }

    /// Currents `[T, B, ...]` in, spikes out. Neurons start at rest, or where
    /// the state of the pass says.
    pub fn forward(&self, pass: &mut Pass<'_, B>, current: &B::Real) -> B::Spikes {
        let spikes = self.fire(pass, current);
        pass.observe(Event::Neuron { name: &self.name, output: spikes.input(), unit: 1.0 });
        spikes
    }

    /// As [`NeuronLayer::forward`], with one set of neurons for the whole
    /// batch: its membranes go from sample to sample within a step, and from
    /// the last sample on to the first of the next step. So a sample depends on
    /// those beside it. Source: the released code of QKFormer.
    pub fn forward_coupled(&self, pass: &mut Pass<'_, B>, current: &B::Real) -> B::Spikes {
        let shape = current.shape();
        let merged = [&[shape[0] * shape[1]], &shape[2..]].concat();
        let spikes = self.fire(pass, &current.reshape(&merged)).reshape(&shape);
        pass.observe(Event::Neuron { name: &self.name, output: spikes.input(), unit: 1.0 });
        spikes
    }

    /// As [`NeuronLayer::forward`], for spikes that are not yet what the layer
    /// gives: the probe is not told.
    pub fn fire(&self, pass: &mut Pass<'_, B>, current: &B::Real) -> B::Spikes {
        let v = pass.membrane(&self.name);
        let (spikes, v) = pass.backend.fire(&self.neuron, self.leak.as_ref(), current, v.as_ref());
        pass.keep_membrane(&self.name, v);
        spikes
    }
}

impl<B: Backend> NeuronLayer<B> {
    /// The spikes of one step and the membrane after it, from a membrane that the caller keeps: for
    /// neurons that run through time in another order. The probe is not told;
    /// [`NeuronLayer::tell`] tells it of all steps.
    pub fn fire_from(
        &self,
        pass: &Pass<'_, B>,
        current: &B::Real,
        v: Option<&B::Real>,
    ) -> (B::Spikes, B::Real) {
        pass.backend.fire(&self.neuron, self.leak.as_ref(), current, v)
    }

    /// Tells the probe what was sent, `[T, B, ...]`.
    pub fn tell(&self, pass: &mut Pass<'_, B>, spikes: &B::Spikes) {
        pass.observe(Event::Neuron { name: &self.name, output: spikes.input(), unit: 1.0 });
    }
}

/// A layer of equal integer neurons, under its published name.
pub struct IntegerLayer {
    name: String,
    neuron: IntegerNeuron,
}

impl IntegerLayer {
    pub(crate) fn new(name: String, neuron: IntegerNeuron) -> Self {
        Self { name, neuron }
    }

    /// Currents `[T, B, ...]` in, levels out; no state. A level is worth
    /// [`IntegerNeuron::unit`].
    pub fn forward<B: Backend>(&self, pass: &mut Pass<'_, B>, current: &B::Real) -> B::Counts {
        let levels = pass.backend.quantize(&self.neuron, current);
        let unit = self.neuron.unit;
        pass.observe(Event::Neuron { name: &self.name, output: levels.input(), unit });
        levels
    }
}
