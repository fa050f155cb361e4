use snn_core::{Backend, Builder, Init, LoadError, Mode, Pass, layer::Synapse};

use super::{Cells, Kind};

/// The mean over positions, a neuron, and a classifier; or two, the second to
/// learn from a teacher. Logits are means over time.
pub(crate) struct Head<B: Backend, K: Kind<B>> {
    neurons: K::Layer,
    class: Synapse<B>,
    distilled: Option<Synapse<B>>,
}

impl<B: Backend, K: Kind<B>> Head<B, K> {
    pub fn new(
        cells: &Cells<K>,
        from: &Builder<'_, B>,
        dim: usize,
        classes: usize,
        distilled: bool,
    ) -> Result<Self, LoadError> {
        let linear = |name: &str| {
            let stage = cells.pointwise(from, name, [dim, classes], 0)?;
            let stage = stage.init(Init::Normal(0.02)).bias(Init::Constant(0.0));
            from.synapse_reading(cells.head.reads(), stage)
        };
        Ok(Self {
            neurons: cells.head.layer(from, cells.word)?,
            class: linear("head")?,
            distilled: distilled.then(|| linear("head_kd")).transpose()?,
        })
    }

    /// Membranes `[T, B, positions..., C]` to logits `[B, classes]` of each
    /// classifier.
    pub fn forward(&self, pass: &mut Pass<'_, B>, x: &B::Real) -> (B::Real, Option<B::Real>) {
        let sent = K::fire(&self.neurons, pass, &pass.backend.mean_positions(x));
        let mut logits = |synapse: &Synapse<B>| {
            let steps = synapse.forward(pass, &sent);
            pass.backend.mean_time(&steps)
        };
        (logits(&self.class), self.distilled.as_ref().map(logits))
    }
}

/// What a network with a classifier to be distilled into answers: in training
/// its first classifier, whose loss is that of the labels, in evaluation the
/// mean of both.
pub(crate) fn mean_of_heads<B: Backend>(
    pass: &Pass<'_, B>,
    (logits, distilled): (B::Real, Option<B::Real>),
) -> B::Real {
    match (pass.mode, distilled) {
        (Mode::Eval, Some(distilled)) => {
            pass.backend.scale_real(&pass.backend.add_real(&logits, &distilled), 0.5)
        }
        _ => logits,
    }
}
