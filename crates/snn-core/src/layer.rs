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

/// What a layer of a masked time-to-first-spike code gave.
pub struct Coded<B: Backend> {
    /// Levels after the dead zone.
    pub levels: B::Counts,
    /// Who spikes.
    pub spikes: B::Spikes,
}

impl<B: Backend> Synapse<B> {
    /// As [`Synapse::forward`], for a code: computed from its levels, accounted as its spikes. The
    /// zero point and the step of the code are left to the norm that follows, which takes out any
    /// constant and any scale.
    pub fn forward_coded(&self, pass: &mut Pass<'_, B>, x: &Coded<B>) -> B::Real {
        let (name, map) = (&*self.name, self.map);
        let spikes = x.spikes.input();
        pass.observe(Event::Synapse { name, map, input: spikes, repeats: 1 });
        pass.observe(Event::Coded { name, map, levels: x.levels.input(), spikes });
        let current = pass.backend.current(&self.prepared, x.levels.input(), 1, pass.mode);
        pass.disturb_current(name, current)
    }
}

/// A layer of a masked time-to-first-spike code, under its published name.
pub struct CodedLayer<B: Backend> {
    name: String,
    coder: B::Coder,
}

impl<B: Backend> CodedLayer<B> {
    pub(crate) const fn new(name: String, coder: B::Coder) -> Self {
        Self { name, coder }
    }

    /// Membranes `[T, B, ...]` in, after the window of their inputs; no state.
    pub fn forward(&self, pass: &mut Pass<'_, B>, membrane: &B::Real) -> Coded<B> {
        let membrane = pass.disturb_membrane(&self.name, membrane.clone());
        let (levels, spikes) = pass.backend.code(&self.coder, &membrane, pass.mode);
        pass.observe(Event::Neuron { name: &self.name, output: spikes.input(), unit: 1.0 });
        Coded { levels, spikes }
    }
}

/// A learned vector for each of so many things, under its published name.
pub struct Embedding<B: Backend> {
    name: String,
    rows: usize,
    channels: usize,
    table: B::Param,
    bits: Option<u32>,
}

impl<B: Backend> Embedding<B> {
    pub(crate) fn new(name: String, [rows, channels]: [usize; 2], table: B::Param) -> Self {
        Self { name, rows, channels, table, bits: None }
    }

    /// The same vectors on a grid of so many bits: see [`Backend::rounded`].
    pub fn rounded(self, bits: Option<u32>) -> Self {
        Self { bits, ..self }
    }

    /// Does `work` with the vectors as they are used.
    fn with_table<R>(&self, backend: &B, work: impl FnOnce(&B::Param) -> R) -> R {
        match self.bits {
            Some(bits) => work(&backend.rounded(&self.table, bits)),
            None => work(&self.table),
        }
    }

    /// The vectors of `rows`, `[...]` to `[..., C]`: looked up, not computed.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn forward(&self, pass: &Pass<'_, B>, rows: &ArrayD<usize>) -> B::Real {
        self.with_table(pass.backend, |table| pass.backend.embed(table, rows))
    }

    /// `scale x E^T`, `[T, B, positions..., C]` to `[T, B, positions..., rows]`: the tied
    /// projection of language models. Source: Press and Wolf, EACL 2017.
    pub fn compare(&self, pass: &mut Pass<'_, B>, x: &impl Signal<B>, scale: f64) -> B::Real {
        let map = Map::Linear { inputs: self.channels, outputs: self.rows };
        let input = x.input();
        pass.observe(Event::Synapse { name: &self.name, map, input, repeats: 1 });
        self.with_table(pass.backend, |table| pass.backend.compare(input, table, scale))
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
