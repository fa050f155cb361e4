use snn_core::{Backend, Builder, IntegerNeuron, LoadError, Map, Pass, Window, layer::Synapse};

use super::{Cells, Firing, Kind, Module};

/// Re-parameterisable convolution and the BatchNorm behind it: 1x1, BatchNorm,
/// depthwise 3x3, 1x1, two BatchNorms. Together they are one 3x3 convolution.
pub(crate) fn rep_conv<B: Backend, K: Kind<B>>(
    cells: &Cells<K>,
    from: &Builder<'_, B>,
    name: &str,
    dim: usize,
    reads: Option<IntegerNeuron>,
) -> Result<Synapse<B>, LoadError> {
    let from = from.sub(name);
    let spatial = Map::depthwise(dim, Window::same(3).padding(0));
    let stages = vec![
        cells.pointwise(&from, "0.body.0", [dim, dim], 2)?.norm("0.body.1.bn").border(1),
        cells.stage(&from, "0.body.2.0", spatial)?,
        cells.pointwise(&from, "0.body.2.1", [dim, dim], 2)?.norm("0.body.2.2").norm("1"),
    ];
    from.chain("0.body", Map::conv2d(dim, dim, Window::SAME3), reads, stages)
}

/// Separable convolution: 1x1 to twice the width, depthwise 7x7, 1x1 back. No
/// neuron fires between the last two, so the last reads real numbers.
pub(crate) struct SepConv<B: Backend, K: Kind<B>> {
    widen: Firing<B, K>,
    depthwise: Firing<B, K>,
    narrow: Synapse<B>,
}

impl<B: Backend, K: Kind<B>> SepConv<B, K> {
    pub fn new(cells: &Cells<K>, from: &Builder<'_, B>, dim: usize) -> Result<Self, LoadError> {
        let (wide, word) = (2 * dim, cells.word);
        let widen = cells.pointwise(from, "pwconv1", [dim, wide], 2)?.norm("bn1");
        let depthwise = cells.stage(from, "dwconv", Map::depthwise(wide, Window::same(7)))?;
        let narrow = cells.pointwise(from, "pwconv2", [wide, dim], 2)?.norm("bn2");
        Ok(Self {
            widen: Firing::new(cells, from, &format!("{word}1"), widen)?,
            depthwise: Firing::new(cells, from, &format!("{word}2"), depthwise)?,
            narrow: from.synapse(narrow)?,
        })
    }
}

impl<B: Backend, K: Kind<B>> Module<B> for SepConv<B, K> {
    fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> B::Real {
        let x = self.widen.forward(pass, x);
        let x = self.depthwise.forward(pass, &x);
        self.narrow.forward(pass, &x)
    }
}
