use snn_core::{
    Backend, Builder, IntegerNeuron, LoadError, Pass,
    layer::{Coded, CodedLayer, IntegerLayer, Synapse},
};

use super::Config;

/// What stands between membranes and a synapse.
pub(super) enum Neurons<B: Backend> {
    /// Integer neurons: levels over virtual steps.
    Levels(IntegerLayer, IntegerNeuron),
    /// A masked time-to-first-spike code of so many levels.
    Coded(CodedLayer<B>, u32),
}

/// What neurons send.
pub(super) enum Sent<B: Backend> {
    Levels(B::Counts),
    Coded(Coded<B>),
}

impl<B: Backend> Neurons<B> {
    pub(super) fn new(cfg: &Config, from: &Builder<'_, B>, name: &str) -> Result<Self, LoadError> {
        Ok(match &cfg.coding {
            None => {
                let neuron = IntegerNeuron::nilif(cfg.levels);
                Self::Levels(from.integer_neuron(name, neuron), neuron)
            }
            Some(coding) => {
                let config = coding.coder();
                Self::Coded(from.coded(name, config)?, config.levels)
            }
        })
    }

    /// The integer neuron that a synapse behind them reads, if it does.
    pub(super) const fn levels(&self) -> Option<IntegerNeuron> {
        match self {
            Self::Levels(_, neuron) => Some(*neuron),
            Self::Coded(..) => None,
        }
    }

    /// What one level counts where no norm follows: the greatest is 1.
    pub(super) fn unit(&self) -> f64 {
        match self {
            Self::Levels(_, neuron) => neuron.unit,
            Self::Coded(_, levels) => 1.0 / f64::from(levels - 1),
        }
    }

    pub(super) fn forward(&self, pass: &mut Pass<'_, B>, membrane: &B::Real) -> Sent<B> {
        match self {
            Self::Levels(layer, _) => Sent::Levels(layer.forward(pass, membrane)),
            Self::Coded(layer, _) => Sent::Coded(layer.forward(pass, membrane)),
        }
    }
}

impl<B: Backend> Sent<B> {
    /// The levels, whatever sends them.
    pub(super) const fn levels(&self) -> &B::Counts {
        match self {
            Self::Levels(levels) | Self::Coded(Coded { levels, .. }) => levels,
        }
    }

    /// The current that `synapse` makes of them.
    pub(super) fn meet(&self, pass: &mut Pass<'_, B>, synapse: &Synapse<B>) -> B::Real {
        match self {
            Self::Levels(levels) => synapse.forward(pass, levels),
            Self::Coded(coded) => synapse.forward_coded(pass, coded),
        }
    }
}
