//! Blocks: an attention and an MLP, whose spikes add to a stream of counts.

use snn_attn::{Agreement, Attend, Similarity, channel_attention, token_attention};
use snn_core::{Backend, Builder, Event, LoadError, Neuron, Pass, Signal, layer::NeuronLayer};

use super::{Config, Layer, QkAttention};
use crate::attention::{account, account_silence, product};

pub(super) struct Block<B: Backend> {
    attention: Attention<B>,
    mlp: Mlp<B>,
}

enum Attention<B: Backend> {
    Qk(QkMask<B>),
    Ssa(SpikingSelfAttention<B>),
}

impl<B: Attend> Block<B> {
    pub(super) fn new(
        cfg: &Config,
        stage: usize,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let (width, last) = (cfg.width(stage), stage + 1 == cfg.depths.len());
        let (ssa, names) = cfg.variant.names();
        let hidden = width * cfg.mlp_ratio;
        Ok(Self {
            attention: if last {
                let (heads, similarity) = (cfg.heads, &cfg.similarity);
                let (ssa, coupled) = (from.sub(ssa), cfg.batch_coupled);
                Attention::Ssa(SpikingSelfAttention::new(width, heads, similarity, coupled, &ssa)?)
            } else {
                Attention::Qk(QkMask::new(cfg, width, &from.sub("tssa"))?)
            },
            mlp: Mlp::new(names, [width, hidden], &from.sub("mlp"))?,
        })
    }

    /// Counts `[T, B, H, W, C]` in and out, greater by up to 2.
    pub(super) fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Counts {
        let attended = match &self.attention {
            Attention::Qk(attention) => attention.forward(pass, x),
            Attention::Ssa(attention) => attention.forward(pass, x),
        };
        let x = pass.backend.add(x, &attended);
        let spikes = self.mlp.forward(pass, &x);
        pass.backend.add(&x, &spikes)
    }
}

/// Two layers, the first one wider.
pub(crate) struct Mlp<B: Backend>([Layer<B>; 2]);

impl<B: Backend> Mlp<B> {
    /// The names of its layers have a `#` for what each part is.
    pub(crate) fn new(
        [first, second]: [&str; 2],
        [width, hidden]: [usize; 2],
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        Ok(Self([
            Layer::pointwise(from, first, 2, [width, hidden], true)?,
            Layer::pointwise(from, second, 2, [hidden, width], true)?,
        ]))
    }

    /// Counts `[T, B, H, W, C]` in, spikes out.
    pub(crate) fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes {
        let hidden = self.0[0].forward(pass, x);
        self.0[1].forward(pass, &hidden)
    }
}

/// Q-K attention.
struct QkMask<B: Backend> {
    name: String,
    kind: QkAttention,
    heads: usize,
    q: Layer<B>,
    k: Layer<B>,
    attn_lif: NeuronLayer<B>,
    proj: Layer<B>,
}

impl<B: Attend> QkMask<B> {
    fn new(cfg: &Config, width: usize, from: &Builder<'_, B>) -> Result<Self, LoadError> {
        let layer = |name, biased| Layer::pointwise(from, name, 1, [width; 2], biased);
        Ok(Self {
            name: from.path().to_owned(),
            kind: cfg.qk_attention,
            heads: cfg.heads,
            q: layer("q_#", false)?,
            k: layer("k_#", false)?,
            attn_lif: from.neuron("attn_lif", Neuron::lif(2.0).with_threshold(0.5))?,
            proj: layer("proj_#", true)?,
        })
    }

    /// Counts `[T, B, H, W, C]` in, spikes out.
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes {
        let (q, k) = (self.q.forward(pass, x), self.k.forward(pass, x));
        product(pass, &self.name, "sum_q", &q, 1);
        let (backend, heads) = (pass.backend, self.heads);
        let fire = |current: &B::Real| self.attn_lif.forward(pass, current);
        let masked = match self.kind {
            QkAttention::Token => token_attention(backend, &q, &k, heads, fire),
            QkAttention::Channel => channel_attention(backend, &q, &k, fire),
        };
        self.proj.forward(pass, &masked)
    }
}

/// Spiking self-attention (SSA), as in Spikformer.
pub(crate) struct SpikingSelfAttention<B: Backend> {
    name: String,
    heads: usize,
    agreement: Agreement<B>,
    qkv: [Layer<B>; 3],
    attn_lif: NeuronLayer<B>,
    proj: Layer<B>,
    batch_coupled: bool,
}

impl<B: Attend> SpikingSelfAttention<B> {
    const SCALE: f64 = 0.125;

    /// `batch_coupled` as [`Config::batch_coupled`].
    pub(crate) fn new(
        width: usize,
        heads: usize,
        similarity: &Similarity,
        batch_coupled: bool,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let layer = |name, biased| Layer::pointwise(from, name, 1, [width; 2], biased);
        Ok(Self {
            name: from.path().to_owned(),
            heads,
            agreement: similarity.build(from, width, heads)?,
            qkv: [layer("q_#", false)?, layer("k_#", false)?, layer("v_#", false)?],
            attn_lif: from.neuron("attn_lif", Neuron::lif(2.0).with_threshold(0.5))?,
            proj: layer("proj_#", true)?,
            batch_coupled,
        })
    }

    /// Counts `[T, B, H, W, C]` in, spikes out.
    pub(crate) fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes {
        let Self { name, heads, agreement, qkv, attn_lif, proj, batch_coupled } = self;
        let [q, k, v] = &qkv.each_ref().map(|layer| layer.forward(pass, x));
        pass.observe(Event::Attention { name, q: q.input(), k: k.input(), heads: *heads });
        account(pass, name, q, k, v, *heads);
        account_silence(pass, name, agreement, [q, k, v]);
        let current = agreement.attend(pass.backend, [q, k, v], *heads, Self::SCALE);
        let spikes = attn_lif.forward(pass, &current);
        let current = proj.synapse.forward(pass, &spikes);
        if *batch_coupled {
            proj.lif.forward_coupled(pass, &current)
        } else {
            proj.lif.forward(pass, &current)
        }
    }
}
