//! Attention on the codes of tokens.

use snn_attn::{Attend, CodeSimilarity, HashFunctions, HashScale, RelativeDelays, codes::Measure};
use snn_core::{
    Activation, Backend, Builder, Event, Init, LoadError, Neuron, Pass, Signal, Stage,
    layer::{NeuronLayer, Synapse},
};

use super::{DelayMode, Fusion, Hashed, code::Code};
use crate::{attention::product, spikformer::Attention};

/// Queries and keys as codes, values as spikes.
pub(super) struct HashedAttention<B: Backend> {
    name: String,
    heads: usize,
    /// Projections of queries and keys, one if they share it.
    tokens: Vec<Synapse<B>>,
    functions: HashFunctions<B::Param>,
    codes: Vec<Code<B>>,
    similarity: CodeSimilarity<B::Param>,
    /// Of every bit, those of distances are part of the similarity; and whether
    /// none looks ahead.
    delays: Option<(B::Param, bool)>,
    v: (Synapse<B>, NeuronLayer<B>),
    /// What the mean of the values is multiplied by, in each head.
    gain: B::Param,
    attn_lif: NeuronLayer<B>,
    proj: (Synapse<B>, NeuronLayer<B>),
}

/// What the mean of the values starts being multiplied by: they are sparse, and
/// the neuron behind fires at 0.5.
pub(super) const GAIN: f64 = 4.0;

impl<B: Attend> HashedAttention<B> {
    pub fn new(
        config: &Hashed,
        dim: usize,
        heads: usize,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let sides: &[&str] = if config.shared { &["q"] } else { &["q", "k"] };
        let bits: usize = config.bits.iter().sum();
        let weighted = config.bits.len() > 1 && config.fusion == Fusion::Weighted;
        let scales = || from.param("scales", &[config.bits.len()], Init::Constant(0.0));
        let causal = config.delays == DelayMode::Causal;
        let delays = |each| from.param("delays", &[heads, each], Init::Constant(0.0));
        let (of_bits, of_distances) = match (config.delays, config.delay_window) {
            (DelayMode::Off, _) => (None, None),
            (_, None) => (Some((delays(bits)?, causal)), None),
            (_, Some(window)) => {
                let table = delays(2 * window + 1)?;
                (None, Some(RelativeDelays { window, table, causal }))
            }
        };
        let map = |name: &str| synapse(from, name, dim);
        let lif = |name: &str, neuron| from.neuron(name, neuron);
        Ok(Self {
            name: from.path().to_owned(),
            heads,
            tokens: sides.iter().map(|side| map(side)).collect::<Result<_, _>>()?,
            functions: functions(config, dim, heads, &from.sub("hash"))?,
            codes: sides
                .iter()
                .map(|side| Code::new(config, heads, side, from))
                .collect::<Result<_, _>>()?,
            similarity: CodeSimilarity {
                measure: config.measure,
                bits: config.bits.clone(),
                scales: weighted.then(scales).transpose()?,
                keep: config.keep,
                delays: of_distances,
            },
            delays: of_bits,
            v: (map("v")?, lif("v_lif", Neuron::lif(2.0))?),
            gain: from.param("gain", &[heads, 1], Init::Constant(GAIN))?,
            attn_lif: lif("attn_lif", Neuron::lif(2.0).with_threshold(0.5))?,
            proj: (map("proj")?, lif("proj_lif", Neuron::lif(2.0))?),
        })
    }

    /// Tells the probe what the hash, the counts and the sums cost.
    fn account(
        &self,
        pass: &mut Pass<'_, B>,
        signs: &[B::Real],
        x: [&B::Real; 2],
        [q, k, v]: [&B::Spikes; 3],
    ) {
        if !pass.is_watched() {
            return;
        }
        let name = &self.name;
        let [points, width] = [self.functions.points, v.shape()[v.shape().len() - 1] / self.heads];
        for (i, signs) in signs.iter().enumerate() {
            let side = ["q", "k"][i];
            product(pass, name, &format!("{side}_distances"), x[i], points);
            product(pass, name, &format!("{side}_signs"), signs, points);
        }
        match (self.similarity.keep, &self.similarity.delays) {
            // Sums over all keys come first: a spike adds a row.
            (None, None) => {
                product(pass, name, "kv", k, width + 1);
                product(pass, name, "qkv", q, width + 1);
                if matches!(self.similarity.measure, Measure::Match { .. }) {
                    for (part, silent) in [("silent_kv", k), ("silent_qkv", q)] {
                        product(pass, name, part, &pass.backend.complement(silent), width + 1);
                    }
                }
            }
            // Every score first, then the values of those that are kept.
            (keep, _) => {
                let shape = k.shape();
                let keys: usize = shape[2..shape.len() - 1].iter().product();
                product(pass, name, "scores", q, keys);
                product(pass, name, "values", v, keep.map_or(keys, |keep| keep.get().min(keys)));
            }
        }
    }
}

impl<B: Attend> Attention<B> for HashedAttention<B> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Counts) -> B::Spikes {
        let tokens: Vec<B::Real> = self.tokens.iter().map(|map| map.forward(pass, x)).collect();
        let signs = pass.backend.hash(&tokens.iter().collect::<Vec<_>>(), &self.functions);
        let (first, last) = (0, tokens.len() - 1);
        let of_bits = self.delays.as_ref();
        let of_distances = self.similarity.delays.as_ref();
        pass.observe(Event::Hash {
            name: &self.name,
            tokens: [&tokens[first], &tokens[last]],
            signs: [&signs[first], &signs[last]],
            heads: self.heads,
            bits: &self.similarity.bits,
            scales: self.similarity.scales.as_ref(),
            delays: of_bits.map(|(d, _)| d).or(of_distances.map(|d| &d.table)),
        });
        let codes: Vec<B::Spikes> =
            self.codes.iter().zip(&signs).map(|(code, y)| code.forward(pass, y)).collect();
        let q = &codes[first];
        let delayed = of_bits.map(|(d, causal)| pass.backend.delay(&codes[last], d, *causal));
        // Keys that each query sees differently are observed as they are.
        let k = delayed.as_ref().unwrap_or(&codes[last]);
        let current = self.v.0.forward(pass, x);
        let v = self.v.1.forward(pass, &current);

        let heads = self.heads;
        pass.observe(Event::Attention { name: &self.name, q: q.input(), k: k.input(), heads });
        self.account(pass, &signs, [&tokens[first], &tokens[last]], [q, k, &v]);
        let mean = pass.backend.attend_codes(q, k, &v, heads, &self.similarity);
        let current = by_head(pass.backend, &mean, heads, &self.gain);
        let spikes = self.attn_lif.forward(pass, &current);
        let current = self.proj.0.forward(pass, &spikes);
        self.proj.1.forward(pass, &current)
    }
}

/// `x` `[..., C]` times a factor of each head `[heads, 1]`.
pub(super) fn by_head<B: Backend>(
    backend: &B,
    x: &B::Real,
    heads: usize,
    factor: &B::Param,
) -> B::Real {
    let shape = x.shape();
    let (outer, channels) = (&shape[..shape.len() - 1], shape[shape.len() - 1]);
    let x = x.reshape(&[outer, &[heads, channels / heads]].concat());
    backend.scale_learned(&x, factor, Activation::Identity).reshape(&shape)
}

/// A linear layer over tokens with its BatchNorm.
pub(super) fn synapse<B: Backend>(
    from: &Builder<'_, B>,
    name: &str,
    dim: usize,
) -> Result<Synapse<B>, LoadError> {
    let norm = format!("{name}_bn");
    from.synapse(
        Stage::linear(format!("{name}_linear"), dim, dim).norm(&norm).init(Init::Normal(0.02)),
    )
}

fn functions<B: Backend>(
    config: &Hashed,
    dim: usize,
    heads: usize,
    from: &Builder<'_, B>,
) -> Result<HashFunctions<B::Param>, LoadError> {
    let (points, width) = (config.points, dim / heads);
    // Support points are about as long as the normalised tokens, and far from them; where tokens
    // are as far as the mean, the feature is exp(-1/2).
    let near = Init::Normal(1.0 / (width as f64).sqrt());
    let mean = Init::Constant((-0.5f64).exp());
    let scale = |(s, &bits): (usize, &usize)| -> Result<_, LoadError> {
        let part = from.sub(s);
        Ok(HashScale {
            bandwidth: config.bandwidth(s),
            bits,
            centre: part.param("centre", &[heads, points], mean)?,
            projection: part.param("projection", &[heads, bits, points], Init::Normal(1.0))?,
        })
    };
    Ok(HashFunctions {
        heads,
        points,
        support: from.param("support", &[heads, points, width], near)?,
        scales: config.bits.iter().enumerate().map(scale).collect::<Result<_, _>>()?,
    })
}
