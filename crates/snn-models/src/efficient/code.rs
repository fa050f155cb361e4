//! From the signs of a hash to the spikes of a code.

use ndarray::ArrayD;
use snn_attn::HashAttend;
use snn_core::{
    Activation, Backend, Builder, Event, Init, LoadError, Neuron, Pass, Signal, layer::NeuronLayer,
    neuron::SIGN,
};

use super::{Coding, Hashed};

/// The neurons of one side's codes.
pub(super) struct Code<B: Backend> {
    name: String,
    coding: Coding,
    heads: usize,
    /// Bits by rate, `[1, 1, ..., heads bits]` after the axes of positions; what
    /// a hybrid code needs.
    by_rate: Vec<bool>,
    /// What a set bit is multiplied by: the inverse of a threshold of each head.
    gain: Option<B::Param>,
    lif: Option<NeuronLayer<B>>,
}

/// Current of a set bit: with `tau` 2 it fires at its first step.
const CURRENT: f64 = 2.0;

impl<B: HashAttend> Code<B> {
    /// `side` is `q` or `k`.
    pub fn new(
        config: &Hashed,
        heads: usize,
        side: &str,
        from: &Builder<'_, B>,
    ) -> Result<Self, LoadError> {
        let name = format!("{side}_code");
        let neurons = config.coding != Coding::Latency;
        let of_head = || config.bits.iter().flat_map(|&bits| (0..bits).map(move |r| 2 * r < bits));
        let gain = || from.param(&format!("{name}.gain"), &[heads, 1], Init::Constant(1.0));
        Ok(Self {
            name: from.name(&name),
            coding: config.coding,
            heads,
            by_rate: (0..heads).flat_map(|_| of_head()).collect(),
            gain: neurons.then(gain).transpose()?,
            lif: neurons.then(|| from.neuron(&name, Neuron::plif(2.0))).transpose()?,
        })
    }

    /// Signs `[T, B, positions..., heads bits]` in, spikes out.
    pub fn forward(&self, pass: &mut Pass<'_, B>, signs: &B::Real) -> B::Spikes {
        let spikes = match self.coding {
            Coding::Rate => self.rate(pass, signs),
            Coding::Latency => pass.backend.latency(signs),
            Coding::Hybrid => {
                let (rate, latency) = (self.rate(pass, signs), pass.backend.latency(signs));
                let mut shape = vec![1; signs.shape().len()];
                shape[signs.shape().len() - 1] = self.by_rate.len();
                let chosen = |by_rate: bool| {
                    let mask = self.by_rate.iter().map(|&bit| bit == by_rate).collect();
                    let mask = ArrayD::from_shape_vec(shape.clone(), mask);
                    pass.backend.spikes(&mask.unwrap_or_else(|e| unreachable!("one axis: {e}")))
                };
                let either = [
                    pass.backend.mask(&rate, &chosen(true)),
                    pass.backend.mask(&latency, &chosen(false)),
                ];
                let neither = either.map(|x| pass.backend.complement(&x));
                pass.backend.complement(&pass.backend.mask(&neither[0], &neither[1]))
            }
        };
        pass.observe(Event::Neuron { name: &self.name, output: spikes.input(), unit: 1.0 });
        spikes
    }

    fn rate(&self, pass: &mut Pass<'_, B>, signs: &B::Real) -> B::Spikes {
        let (Some(gain), Some(lif)) = (&self.gain, &self.lif) else {
            unreachable!("bits by rate have neurons")
        };
        let bits = pass.backend.fire(&SIGN, None, signs, None).0;
        let current = pass.backend.scale(&pass.backend.widen(&bits), CURRENT);
        let shape = current.shape();
        let (outer, channels) = (&shape[..shape.len() - 1], shape[shape.len() - 1]);
        let by_head = current.reshape(&[outer, &[self.heads, channels / self.heads]].concat());
        let current = pass.backend.scale_learned(&by_head, gain, Activation::Identity);
        lif.fire(pass, &current.reshape(&shape))
    }
}
