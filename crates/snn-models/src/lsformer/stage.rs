//! Stages: a convolution, a pool, and blocks.

use snn_attn::Attend;
use snn_core::{
    Activation, Backend, Builder, Init, LoadError, Neuron, Pass, Response, Window,
    layer::{NeuronLayer, Synapse},
};

use super::{
    Config, Pool,
    block::{Block, Shortcut},
};
use crate::network::Frames;

/// What a stage reads.
pub(super) enum Input<'a, B: Backend, R> {
    /// The input of the network, for so many time steps.
    Frames(&'a Frames<B>, usize),
    /// What the stage before gave.
    Stage(R),
}

/// What a stage gives: the stream itself, and what the next stage, if there is one, reads of it.
pub(super) struct Output<S, R> {
    pub(super) stream: S,
    pub(super) read: Option<R>,
}

pub(super) struct Stage<B: Backend, S> {
    conv: Synapse<B>,
    neurons: NeuronLayer<B>,
    pool: Option<Pooled<B>>,
    body: Option<Body<B, S>>,
}

/// The blocks of a stage, what their stream starts from, and how it is left.
struct Body<B: Backend, S> {
    position: Synapse<B>,
    position_neurons: NeuronLayer<B>,
    blocks: Vec<Block<B, S>>,
    leave: Option<NeuronLayer<B>>,
}

impl<B: Attend, S: Shortcut<B>> Stage<B, S> {
    pub(super) fn new(
        cfg: &Config,
        stage: usize,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let width = cfg.width(stage);
        let inputs = if stage == 0 { cfg.in_channels } else { cfg.width(stage - 1) };
        let conv = |name: &str, inputs| {
            let norm = format!("{name}_norm");
            from.synapse(snn_core::Stage::conv2d(name, inputs, width, Window::SAME3).norm(&norm))
        };
        let lif = |name: &str| from.neuron(name, Neuron::lif(2.0));
        let body = || -> Result<_, LoadError> {
            let blocks = from.sub("blocks");
            let block = |i: usize| Block::new(cfg, width, &blocks.sub(i));
            Ok(Body {
                position: conv("position", width)?,
                position_neurons: lif("position_neurons")?,
                blocks: (0..cfg.depths[stage]).map(block).collect::<Result<_, _>>()?,
                leave: (stage < 3).then(|| lif("leave_neurons")).transpose()?,
            })
        };
        let pools = cfg.pooling.0[stage];
        Ok(Self {
            conv: conv("conv", inputs)?,
            neurons: lif("neurons")?,
            pool: pools.then(|| Pooled::new(cfg, width, &from.sub("pool"))).transpose()?,
            body: (cfg.depths[stage] > 0).then(body).transpose()?,
        })
    }

    /// `[T, B, H, W, C]` in and out.
    pub(super) fn forward(
        &self,
        pass: &mut Pass<'_, B>,
        x: &Input<'_, B, S::Read>,
    ) -> Output<S::Stream, S::Read> {
        let current = match x {
            Input::Frames(frames, steps) => frames.current(pass, &self.conv, *steps),
            Input::Stage(x) => self.conv.forward(pass, x),
        };
        let spikes = match &self.pool {
            None => self.neurons.forward(pass, &current),
            Some(pool) => pool.forward(pass, &self.neurons, &current),
        };
        let Some(Body { position, position_neurons, blocks, leave }) = &self.body else {
            let (stream, read) = S::plain(pass.backend, &spikes);
            return Output { stream, read: Some(read) };
        };
        let current = position.forward(pass, &spikes);
        let start = S::start(pass, position_neurons, &spikes, &current);
        let stream = blocks.iter().fold(start, |x, block| block.forward(pass, &x));
        let read = leave.as_ref().map(|neurons| S::enter(pass, neurons, &stream));
        Output { stream, read }
    }
}

/// A pool that halves both sides, beside the neurons of its stage.
enum Pooled<B: Backend> {
    /// One spike of a window is enough.
    Max(Window),
    /// The mean current of a window.
    Current(Window),
    /// Spiking response pooling (SPooling): the spikes of a window charge a neuron.
    Response {
        window: Window,
        response: Response,
        /// Learned thresholds `v`, as `ln(exp(v) - 1)`, `[C]`. The current is divided by them: a
        /// membrane that starts at zero and is reset to it grows in proportion.
        thresholds: Option<B::Param>,
        neurons: NeuronLayer<B>,
    },
}

impl<B: Backend> Pooled<B> {
    fn new(cfg: &Config, width: usize, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let window = cfg.pooled();
        let (response, threshold) = match cfg.pool {
            Pool::Max => return Ok(Self::Max(window)),
            Pool::Current => return Ok(Self::Current(window)),
            // One cell of four never reaches it: it is the limit of that membrane.
            Pool::Mean => (Response::Mean, 0.25),
            Pool::Sum => (Response::Sum, 1.0f64),
        };
        // A hair lower, so that what meets the threshold exactly still fires after rounding.
        let learned = Init::Constant(((threshold * (1.0 - 1e-6)).exp() - 1.0).ln());
        let thresholds = cfg.learned_thresholds;
        let thresholds = thresholds.then(|| from.param("thresholds", &[width], learned));
        let threshold = if thresholds.is_some() { 1.0 } else { threshold };
        Ok(Self::Response {
            window,
            response,
            thresholds: thresholds.transpose()?,
            neurons: from.neuron("neurons", Neuron::lif(2.0).with_threshold(threshold))?,
        })
    }

    /// Currents `[T, B, H, W, C]` into the neurons of the stage; pooled spikes out.
    fn forward(
        &self,
        pass: &mut Pass<'_, B>,
        fire: &NeuronLayer<B>,
        current: &B::Real,
    ) -> B::Spikes {
        match self {
            Self::Max(window) => {
                let spikes = fire.forward(pass, current);
                pass.backend.max_pool(&spikes, *window)
            }
            Self::Current(window) => {
                let mean = pass.backend.response_pool(current, *window, Response::Mean);
                fire.forward(pass, &mean)
            }
            Self::Response { window, response, thresholds, neurons } => {
                let spikes = fire.forward(pass, current);
                let numbers = pass.backend.scale(&pass.backend.widen(&spikes), 1.0);
                let mut pooled = pass.backend.response_pool(&numbers, *window, *response);
                if let Some(thresholds) = thresholds {
                    let per = Activation::PerSoftplus;
                    pooled = pass.backend.scale_learned(&pooled, thresholds, per);
                }
                neurons.forward(pass, &pooled)
            }
        }
    }
}
