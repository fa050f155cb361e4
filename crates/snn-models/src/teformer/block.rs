//! Blocks: those of the early stages look along time, those of the last one over the image.

use snn_attn::{Attend, Similarity, bidirectional_temporal_fusion, token_value_attention};
use snn_core::{
    Backend, Builder, Event, Init, LoadError, Map, Neuron, Pass, Signal, Stage,
    layer::{NeuronLayer, Synapse},
};

use super::{Fusion, mlp::BackwardMlp};
use crate::{
    attention::product,
    qkformer::{
        Layer,
        block::{Mlp, SpikingSelfAttention},
    },
};

/// Adds spikes to a stream of counts.
pub(crate) struct TemporalBlock<B: Backend> {
    attention: TemporalAttention<B>,
    mlp: BackwardMlp<B>,
}

impl<B: Attend> TemporalBlock<B> {
    /// Of so many channels, heads and hidden channels; `threshold` is that of the last neurons of
    /// the attention.
    pub(crate) fn new(
        width: usize,
        heads: usize,
        hidden: usize,
        threshold: f64,
        fusion: Fusion,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let tssa = from.sub("tssa");
        Ok(Self {
            attention: TemporalAttention::new(width, heads, threshold, fusion, &tssa)?,
            mlp: BackwardMlp::new([width, hidden], &from.sub("mlp"))?,
        })
    }

    /// Counts `[T, B, positions..., C]` in and out, greater by up to 2.
    pub(crate) fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Counts {
        let spikes = self.attention.forward(pass, x);
        let x = pass.backend.add(x, &spikes);
        let spikes = self.mlp.forward(pass, &x);
        pass.backend.add(&x, &spikes)
    }
}

/// A block as in QKFormer, but for the names, and with samples that do not feel each other.
pub(super) struct SpatialBlock<B: Backend> {
    attention: SpikingSelfAttention<B>,
    mlp: Mlp<B>,
}

impl<B: Attend> SpatialBlock<B> {
    pub(super) fn new(
        width: usize,
        heads: usize,
        hidden: usize,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let (ssa, dot) = (from.sub("ssa"), Similarity::Dot);
        Ok(Self {
            attention: SpikingSelfAttention::new(width, heads, &dot, false, &ssa)?,
            mlp: Mlp::new(["fc_#1", "fc_#2"], [width, hidden], &from.sub("mlp"))?,
        })
    }

    /// Counts `[T, B, H, W, C]` in and out, greater by up to 2.
    pub(super) fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Counts {
        let spikes = self.attention.forward(pass, x);
        let x = pass.backend.add(x, &spikes);
        let spikes = self.mlp.forward(pass, &x);
        pass.backend.add(&x, &spikes)
    }
}

/// Attention that looks along time.
struct TemporalAttention<B: Backend> {
    name: String,
    heads: usize,
    q: Layer<B>,
    k: Layer<B>,
    /// Values of three neighbours in the row-major order of tokens: the end of one row of an image
    /// meets the start of the next, as in the authors' code.
    v: Layer<B>,
    time: Time<B>,
    attn_lif: NeuronLayer<B>,
    proj: Layer<B>,
}

enum Time<B: Backend> {
    /// The learned number of the moving average.
    Forward(B::Param),
    /// What past and future are made a gate of.
    Bidirectional([Synapse<B>; 2]),
}

impl<B: Attend> TemporalAttention<B> {
    /// As SSA has it.
    const SCALE: f64 = 0.125;

    fn new(
        width: usize,
        heads: usize,
        threshold: f64,
        fusion: Fusion,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let layer = |name, biased| Layer::pointwise(from, name, 1, [width; 2], biased);
        let values = Stage::new("v_conv", Map::Conv1d { inputs: width, outputs: width, size: 3 });
        let gate = |name: &str| Stage::linear(name, width, width);
        Ok(Self {
            name: from.path().to_owned(),
            heads,
            q: layer("q_#", false)?,
            k: layer("k_#", false)?,
            v: Layer::new(from, "v_#", values)?.with_threshold(from, "v_lif", 0.5)?,
            time: match fusion {
                Fusion::Forward => {
                    Time::Forward(from.sub("TIMv2").param("theta", &[], Init::Constant(0.0))?)
                }
                Fusion::Bidirectional => Time::Bidirectional([
                    from.synapse(gate("past").bias(Init::Constant(0.0)))?,
                    from.synapse(gate("future"))?,
                ]),
            },
            attn_lif: from.neuron("attn_lif", Neuron::lif(2.0).with_threshold(0.5))?,
            proj: layer("proj_#", true)?.with_threshold(from, "proj_lif", threshold)?,
        })
    }

    /// Counts `[T, B, positions..., C]` in, spikes out.
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes {
        let Self { name, heads, q, k, v, time, attn_lif, proj } = self;
        let (q, k) = (q.forward(pass, x), k.forward(pass, x));
        let current = v.synapse.forward(pass, x);
        pass.output(&format!("{name}.v_bn"), &current);
        let backend = pass.backend;
        let spikes = match time {
            Time::Forward(theta) => {
                let fused = backend.fuse_forward(&current, theta);
                pass.output(&format!("{name}.TIMv2"), &fused);
                let v = v.lif.forward(pass, &fused);
                product(pass, name, "sum_q", &q, 1);
                token_value_attention(backend, [&q, &k, &v], *heads, |current| {
                    attn_lif.forward(pass, current)
                })
            }
            Time::Bidirectional([past, future]) => {
                let v = v.lif.forward(pass, &current);
                let (input, keys) = (q.input(), k.input());
                pass.observe(Event::Attention { name, q: input, k: keys, heads: *heads });
                // Every step meets every other, and itself twice.
                let met = q.shape()[0] + 1;
                product(pass, name, "qk", &q, met);
                product(pass, name, "qkv", &v, met);
                let [q, k, v] = &[q, k, v].map(|x| backend.widen(&x));
                let gate = |before: &B::Real, after: &B::Real| {
                    let before = past.forward(pass, before);
                    backend.add_real(&before, &future.forward(pass, after))
                };
                let qkv = [q, k, v];
                let current =
                    bidirectional_temporal_fusion(backend, qkv, *heads, Self::SCALE, gate);
                attn_lif.forward(pass, &current)
            }
        };
        proj.forward(pass, &spikes)
    }
}
