//! Blocks: an attention on the tokens around and an MLP, each with a shortcut.

use snn_attn::{Attend, DilatedWindows};
use snn_core::{
    Backend, Builder, Event, LoadError, Neuron, Pass, Signal, Stage,
    layer::{NeuronLayer, Synapse},
};

use super::{Attention, Config};
use crate::attention::{account, product};

/// A kind of residual. Each branch has one layer of neurons for it, where it starts or where it
/// ends.
pub(super) trait Shortcut<B: Backend>: 'static {
    /// What branches are added to.
    type Stream: Signal<B>;
    /// What their synapses read.
    type Read: Signal<B>;

    /// The stream of a stage: of its spikes, and of the current that a convolution makes of them.
    fn start(
        pass: &mut Pass<'_, B>,
        neurons: &NeuronLayer<B>,
        spikes: &B::Spikes,
        current: &B::Real,
    ) -> Self::Stream;
    /// Where a branch starts.
    fn enter(pass: &mut Pass<'_, B>, neurons: &NeuronLayer<B>, x: &Self::Stream) -> Self::Read;
    /// Where it ends.
    fn add(
        pass: &mut Pass<'_, B>,
        neurons: &NeuronLayer<B>,
        x: &Self::Stream,
        current: &B::Real,
    ) -> Self::Stream;
    /// Spikes that no stream was made of.
    fn plain(backend: &B, spikes: &B::Spikes) -> (Self::Stream, Self::Read);
    /// A stream as numbers.
    fn numbers(backend: &B, x: &Self::Stream) -> B::Real;
}

/// Spikes add up to counts.
pub(super) struct Sew;

impl<B: Backend> Shortcut<B> for Sew {
    type Stream = B::Counts;
    type Read = B::Counts;

    fn start(
        pass: &mut Pass<'_, B>,
        neurons: &NeuronLayer<B>,
        spikes: &B::Spikes,
        current: &B::Real,
    ) -> B::Counts {
        Self::add(pass, neurons, &pass.backend.widen(spikes), current)
    }

    fn enter(_pass: &mut Pass<'_, B>, _neurons: &NeuronLayer<B>, x: &B::Counts) -> B::Counts {
        x.clone()
    }

    fn add(
        pass: &mut Pass<'_, B>,
        neurons: &NeuronLayer<B>,
        x: &B::Counts,
        current: &B::Real,
    ) -> B::Counts {
        let spikes = neurons.forward(pass, current);
        pass.backend.add(x, &spikes)
    }

    fn plain(backend: &B, spikes: &B::Spikes) -> (B::Counts, B::Counts) {
        let counts = backend.widen(spikes);
        (counts.clone(), counts)
    }

    fn numbers(backend: &B, x: &B::Counts) -> B::Real {
        backend.scale(x, 1.0)
    }
}

/// Currents add up to membranes.
pub(super) struct Membrane;

impl<B: Backend> Shortcut<B> for Membrane {
    type Stream = B::Real;
    type Read = B::Spikes;

    fn start(
        _pass: &mut Pass<'_, B>,
        _neurons: &NeuronLayer<B>,
        _spikes: &B::Spikes,
        current: &B::Real,
    ) -> B::Real {
        current.clone()
    }

    fn enter(pass: &mut Pass<'_, B>, neurons: &NeuronLayer<B>, x: &B::Real) -> B::Spikes {
        neurons.forward(pass, x)
    }

    fn add(
        pass: &mut Pass<'_, B>,
        _neurons: &NeuronLayer<B>,
        x: &B::Real,
        current: &B::Real,
    ) -> B::Real {
        pass.backend.add_real(x, current)
    }

    fn plain(backend: &B, spikes: &B::Spikes) -> (B::Real, B::Spikes) {
        (backend.scale(&backend.widen(spikes), 1.0), spikes.clone())
    }

    fn numbers(_backend: &B, x: &B::Real) -> B::Real {
        x.clone()
    }
}

pub(super) struct Block<B: Backend, S> {
    attention: LocalAttention<B>,
    fc1: (Synapse<B>, NeuronLayer<B>),
    fc2: Synapse<B>,
    neurons: NeuronLayer<B>,
    shortcut: std::marker::PhantomData<S>,
}

/// A linear map over tokens called `name`, with its norm.
fn linear<B: Backend>(
    from: &Builder<'_, B>,
    name: &str,
    [inputs, outputs]: [usize; 2],
) -> Result<Synapse<B>, LoadError> {
    from.synapse(Stage::linear(name, inputs, outputs).norm(&format!("{name}_norm")))
}

impl<B: Attend, S: Shortcut<B>> Block<B, S> {
    pub(super) fn new(
        cfg: &Config,
        width: usize,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let (mlp, hidden) = (from.sub("mlp"), width * cfg.mlp_ratio);
        let fc1 = linear(&mlp, "fc1", [width, hidden])?;
        Ok(Self {
            attention: LocalAttention::new(cfg, width, &from.sub("attention"))?,
            fc1: (fc1, mlp.neuron("fc1_neurons", Neuron::lif(2.0))?),
            fc2: linear(&mlp, "fc2", [hidden, width])?,
            neurons: mlp.neuron("neurons", Neuron::lif(2.0))?,
            shortcut: std::marker::PhantomData,
        })
    }

    /// A stream `[T, B, H, W, C]` in and out.
    pub(super) fn forward(&self, pass: &mut Pass<'_, B>, x: &S::Stream) -> S::Stream {
        let entered = S::enter(pass, &self.attention.neurons, x);
        let current = self.attention.forward(pass, &entered);
        let x = S::add(pass, &self.attention.neurons, x, &current);
        let entered = S::enter(pass, &self.neurons, &x);
        let current = self.fc1.0.forward(pass, &entered);
        let hidden = self.fc1.1.forward(pass, &current);
        let current = self.fc2.forward(pass, &hidden);
        S::add(pass, &self.neurons, &x, &current)
    }
}

/// Local structure-aware spiking self-attention (LS-SSA), or the global one that it replaces.
struct LocalAttention<B: Backend> {
    name: String,
    heads: usize,
    scale: f64,
    kind: Attention,
    windows: DilatedWindows,
    qkv: [(Synapse<B>, NeuronLayer<B>); 3],
    attn: NeuronLayer<B>,
    out: Synapse<B>,
    neurons: NeuronLayer<B>,
}

impl<B: Attend> LocalAttention<B> {
    fn new(cfg: &Config, width: usize, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let layer = |name: &str| -> Result<_, LoadError> {
            let neurons = from.neuron(&format!("{name}_neurons"), Neuron::lif(2.0))?;
            Ok((linear(from, name, [width; 2])?, neurons))
        };
        Ok(Self {
            name: from.path().to_owned(),
            heads: cfg.heads,
            scale: cfg.scale,
            kind: cfg.attention,
            windows: cfg.windows(),
            qkv: [layer("q")?, layer("k")?, layer("v")?],
            attn: from.neuron("attn_neurons", Neuron::lif(2.0).with_threshold(0.5))?,
            out: linear(from, "out", [width; 2])?,
            neurons: from.neuron("neurons", Neuron::lif(2.0))?,
        })
    }

    fn forward(&self, pass: &mut Pass<'_, B>, x: &impl Signal<B>) -> B::Real {
        let [q, k, v] = &self.qkv.each_ref().map(|(synapse, neurons)| {
            let current = synapse.forward(pass, x);
            neurons.forward(pass, &current)
        });
        let (name, heads) = (&self.name, self.heads);
        pass.observe(Event::Attention { name, q: q.input(), k: k.input(), heads });
        let [a, b, c] = [q, k, v].map(|x| pass.backend.widen(x));
        let current = match self.kind {
            Attention::Window => {
                // A spike of a query meets its channel in the keys of a window, and a spike of a
                // value is passed on to as many queries.
                let met = self.met(&q.shape());
                product(pass, name, "qk", q, met);
                product(pass, name, "qkv", v, met);
                pass.backend.window_attention([&a, &b, &c], heads, self.scale, &self.windows)
            }
            Attention::Global => {
                account(pass, name, q, k, v, heads);
                pass.backend.ssa(&a, &b, &c, heads, self.scale)
            }
        };
        let spikes = self.attn.forward(pass, &current);
        self.out.forward(pass, &spikes)
    }

    /// Keys that a query meets, the mean over queries and heads, rounded up.
    fn met(&self, shape: &[usize]) -> usize {
        let positions = &shape[2..shape.len() - 1];
        let pairs = |head| -> usize {
            self.windows.seen([head, self.heads], positions).iter().map(Vec::len).sum()
        };
        let queries = positions.iter().product::<usize>() * self.heads;
        (0..self.heads).map(pairs).sum::<usize>().div_ceil(queries)
    }
}
