//! One pass of data through a network, its state, and who watches it.

use std::collections::BTreeMap;

use crate::{
    backend::{Backend, Input, Mode, Signal},
    map::Map,
};

/// Membranes of every neuron layer, by published name.
///
/// An empty state is a network at rest. A state belongs to one batch of
/// samples and one place in their time.
pub struct State<B: Backend>(BTreeMap<String, B::Real>);

impl<B: Backend> Default for State<B> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<B: Backend> Clone for State<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// One pass through a network: the backend that runs it, whether it trains,
/// where its neurons start, and the probe that watches.
///
/// Neurons start at rest unless a [`State`] is handed in; there is nothing to
/// reset.
pub struct Pass<'a, B: Backend> {
    /// Runs the operations.
    pub backend: &'a B,
    /// Which statistics BatchNorm uses.
    pub mode: Mode,
    state: Option<State<B>>,
    probe: Option<&'a mut dyn Probe<B>>,
    devices: Option<&'a mut dyn Devices<B>>,
}

impl<'a, B: Backend> Pass<'a, B> {
    /// A pass that evaluates, unwatched.
    pub fn new(backend: &'a B) -> Self {
        Self { backend, mode: Mode::Eval, state: None, probe: None, devices: None }
    }

    /// A pass that trains.
    pub fn train(backend: &'a B) -> Self {
        Self { mode: Mode::Train, ..Self::new(backend) }
    }

    /// The same pass, watched.
    pub fn with_probe(self, probe: &'a mut dyn Probe<B>) -> Self {
        Self { probe: Some(probe), ..self }
    }

    /// The same pass, on devices that do not compute exactly.
    pub fn with_devices(self, devices: &'a mut dyn Devices<B>) -> Self {
        Self { devices: Some(devices), ..self }
    }

    /// What the devices make of the current of a synapse.
    pub(crate) fn disturb_current(&mut self, name: &str, current: B::Real) -> B::Real {
        match &mut self.devices {
            Some(devices) => devices.current(self.backend, name, current),
            None => current,
        }
    }

    /// What the devices make of membranes before they meet their thresholds.
    pub(crate) fn disturb_membrane(&mut self, name: &str, membrane: B::Real) -> B::Real {
        match &mut self.devices {
            Some(devices) => devices.membrane(self.backend, name, membrane),
            None => membrane,
        }
    }

    /// The same pass, going on from `state`; [`Pass::into_state`] gives where
    /// it ends.
    pub fn with_state(self, state: State<B>) -> Self {
        Self { state: Some(state), ..self }
    }

    /// The membranes after this pass; at rest if it was not given a state.
    pub fn into_state(self) -> State<B> {
        self.state.unwrap_or_default()
    }

    /// The membrane that a neuron layer starts from.
    pub(crate) fn membrane(&self, name: &str) -> Option<B::Real> {
        self.state.as_ref()?.0.get(name).cloned()
    }

    /// Keeps the membrane that a neuron layer ends with, if anybody will ask.
    pub(crate) fn keep_membrane(&mut self, name: &str, v: B::Real) {
        if let Some(State(membranes)) = &mut self.state {
            membranes.insert(name.to_owned(), v);
        }
    }

    /// Whether there is a probe: then it is worth computing what only it asks
    /// for.
    pub const fn is_watched(&self) -> bool {
        self.probe.is_some()
    }

    /// Tells the probe, if there is one.
    pub fn observe(&mut self, event: Event<'_, B>) {
        if let Some(probe) = self.probe.as_mut() {
            probe.observe(self.backend, event);
        }
    }

    /// Tells the probe what a named part of the network gave.
    pub fn output(&mut self, name: &str, x: &impl Signal<B>) {
        self.observe(Event::Output { name, x: x.input() });
    }
}

/// What a pass reports while it runs. Names are those of the published modules.
pub enum Event<'a, B: Backend> {
    /// A synapse is about to compute.
    Synapse {
        /// Name of the weight.
        name: &'a str,
        /// What it computes.
        map: Map,
        /// What it reads.
        input: Input<'a, B>,
        /// Time steps that the input stands for, beyond its own first.
        repeats: usize,
    },
    /// A synapse is about to compute on a masked time-to-first-spike code; it is reported as a
    /// synapse that reads spikes too.
    Coded {
        /// Name of the weight.
        name: &'a str,
        /// What it computes.
        map: Map,
        /// Levels of its input.
        levels: Input<'a, B>,
        /// Who spikes in its input.
        spikes: Input<'a, B>,
    },
    /// Spikes meet spikes: one product of an attention.
    Product {
        /// Name of the attention and of the product.
        name: &'a str,
        /// The operand whose every spike costs `fan_out` additions.
        left: Input<'a, B>,
        /// Additions a spike.
        fan_out: usize,
    },
    /// A neuron layer fired.
    Neuron {
        /// Name of the neuron.
        name: &'a str,
        /// Its spikes, or levels, `[T, B, ...]`.
        output: Input<'a, B>,
        /// Worth of one spike or level in the published network.
        unit: f64,
    },
    /// An attention is about to compare queries with keys.
    Attention {
        /// Name of the attention.
        name: &'a str,
        /// Queries `[T, B, positions..., C]`.
        q: Input<'a, B>,
        /// Keys, likewise.
        k: Input<'a, B>,
        /// Heads that the channels are split into.
        heads: usize,
    },
    /// Tokens were hashed to codes.
    Hash {
        /// Name of the attention.
        name: &'a str,
        /// Tokens of queries and keys, `[T, B, positions..., C]`.
        tokens: [&'a B::Real; 2],
        /// What the bits of the codes of both are the signs of, head by head and
        /// in each scale by scale: `[T, B, positions..., heads sum(bits)]`.
        signs: [&'a B::Real; 2],
        /// Heads that tokens and codes are split into.
        heads: usize,
        /// Bits of each scale.
        bits: &'a [usize],
        /// Learned weights of the scales before their softmax, `[scales]`.
        scales: Option<&'a B::Param>,
        /// Learned delays in steps, `[heads, sum(bits)]`, or `[heads, 2 W + 1]` by distance.
        delays: Option<&'a B::Param>,
    },
    /// A block or an embedding is done.
    Output {
        /// Name of the module.
        name: &'a str,
        /// What it gave, `[T, B, positions..., C]`.
        x: Input<'a, B>,
    },
}

/// Devices that a network runs on, where they do not compute exactly: analog synapses on codes in
/// time. Draws have seeds; nothing is random unless a pass is handed devices.
pub trait Devices<B: Backend> {
    /// What is read of the current of synapse `name`, `[T, B, positions..., outputs]`, after its
    /// norm.
    fn current(&mut self, backend: &B, name: &str, current: B::Real) -> B::Real;
    /// Membranes `[T, B, positions..., C]` of the coded layer `name`, as thresholds that are off
    /// see them.
    fn membrane(&mut self, backend: &B, name: &str, membrane: B::Real) -> B::Real;
}

/// Watches a pass: energy meters, rate recorders, rasters.
pub trait Probe<B: Backend> {
    /// Called for every event, in the order of computation.
    fn observe(&mut self, backend: &B, event: Event<'_, B>);
}

impl<B: Backend, P: Probe<B>, Q: Probe<B>> Probe<B> for (P, Q) {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        self.0.observe(backend, event);
        self.1.observe(backend, event);
    }
}

impl<B: Backend, P: Probe<B>> Probe<B> for &mut P {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        (**self).observe(backend, event);
    }
}

impl<B: Backend, P: Probe<B>> Probe<B> for Option<P> {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        if let Some(probe) = self {
            probe.observe(backend, event);
        }
    }
}

impl<B: Backend> Clone for Event<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Event<'_, B> {}
