use snn_core::{Backend, Builder, Init, LoadError, Map, Pass, Stage, Window, layer::Synapse};

use super::{Cells, Kind, Module};

/// A layer of neurons and the synapse that reads it.
pub(crate) struct Firing<B: Backend, K: Kind<B>> {
    pub neurons: K::Layer,
    pub synapse: Synapse<B>,
}

impl<B: Backend, K: Kind<B>> Firing<B, K> {
    /// `cells` neurons called `name`, and the synapse of `stage`.
    pub fn new(
        cells: &Cells<K>,
        from: &Builder<'_, B>,
        name: &str,
        stage: Stage<'_>,
    ) -> Result<Self, LoadError> {
        let neurons = cells.neuron.layer(from, name)?;
        Ok(Self { neurons, synapse: cells.synapse(from, stage)? })
    }
}

impl<B: Backend, K: Kind<B>> Module<B> for Firing<B, K> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let sent = K::fire(&self.neurons, pass, x);
        self.synapse.forward(pass, &sent)
    }
}

/// Several layers, one after the other.
pub(crate) struct Sequence<B: Backend, K: Kind<B>> {
    pub first: Firing<B, K>,
    pub others: Vec<Firing<B, K>>,
}

impl<B: Backend, K: Kind<B>> Module<B> for Sequence<B, K> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let x = self.first.forward(pass, x);
        self.others.iter().fold(x, |x, layer| layer.forward(pass, &x))
    }
}

/// The channel branch of a convolution block: two 3x3 convolutions,
/// `C -> ratio C -> C`.
pub(crate) fn channel_conv<B: Backend, K: Kind<B>>(
    cells: &Cells<K>,
    from: &Builder<'_, B>,
    dim: usize,
    ratio: usize,
) -> Result<Sequence<B, K>, LoadError> {
    let layer = |n: usize, inputs, outputs| {
        let (conv, norm) = (format!("conv{n}"), format!("bn{n}"));
        let stage = cells.stage(from, &conv, Map::conv2d(inputs, outputs, Window::SAME3))?;
        Firing::new(cells, from, &format!("{}{n}", cells.word), stage.norm(&norm))
    };
    Ok(Sequence { first: layer(1, dim, ratio * dim)?, others: vec![layer(2, ratio * dim, dim)?] })
}

/// The MLP of an attention block, `C -> ratio C -> C` at every position.
pub(crate) fn mlp<B: Backend, K: Kind<B>>(
    cells: &Cells<K>,
    from: &Builder<'_, B>,
    dim: usize,
    ratio: usize,
) -> Result<Sequence<B, K>, LoadError> {
    let layer = |name: &str, inputs, outputs| {
        let (conv, norm) = (format!("{name}_conv"), format!("{name}_bn"));
        let stage = cells.pointwise(from, &conv, [inputs, outputs], 1)?;
        let stage = stage.bias(Init::FanIn(inputs)).norm(&norm);
        Firing::new(cells, from, &format!("{name}_{}", cells.word), stage)
    };
    Ok(Sequence {
        first: layer("fc1", dim, ratio * dim)?,
        others: vec![layer("fc2", ratio * dim, dim)?],
    })
}
