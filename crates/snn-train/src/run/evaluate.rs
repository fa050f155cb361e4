//! How good a network is while it trains.

use snn_core::{Backend, Pass, probe::Rates};
use snn_data::{Batch, DataError, Loader};
use snn_models::{Frames, Network, mean_logits};
use tch::{Kind, Tensor};

use crate::{
    loss,
    torch::{Real, Torch},
};

/// What a network does on the test images.
pub(super) struct Tested {
    /// Mean cross entropy.
    pub loss: f64,
    /// Share that is classified right.
    pub accuracy: f64,
    /// Spikes per neuron and time step.
    pub firing_rate: f64,
}

pub(super) fn evaluate(
    backend: &Torch,
    network: &dyn Network<Torch>,
    test: &Loader,
) -> Result<Tested, DataError> {
    let mut rates = Rates::new();
    let (mut images, mut loss_sum, mut right_sum) = (0.0, 0.0, 0.0);
    for batch in test.epoch(0) {
        let batch = batch?;
        tch::no_grad(|| {
            let input = Frames::new(backend, &batch.inputs);
            let logits = network.forward(&mut Pass::new(backend).with_probe(&mut rates), &input);
            let mean = mean_logits(backend, &logits);
            let loss = loss::cross_entropy(mean.tensor(), &targets(backend, &batch), 0.0);
            loss_sum += loss.double_value(&[]) * batch.len() as f64;
            right_sum += right(backend, &logits, &batch);
        });
        images += batch.len() as f64;
    }
    let firing_rate = rates.mean();
    Ok(Tested { loss: loss_sum / images, accuracy: right_sum / images, firing_rate })
}

/// Targets `[B, K]` of a batch.
pub(super) fn targets(backend: &Torch, batch: &Batch) -> Tensor {
    backend.real(&batch.targets.clone().into_dyn()).tensor().shallow_clone()
}

/// Images of the batch whose greatest logit is that of their class.
pub(super) fn right(backend: &Torch, logits: &Real, batch: &Batch) -> f64 {
    let labels: Vec<i64> = batch.labels.iter().map(|&label| label as i64).collect();
    let labels = Tensor::from_slice(&labels).to_device(backend.device());
    let chosen = mean_logits(backend, logits).tensor().argmax(-1, false);
    chosen.eq_tensor(&labels).sum(Kind::Int64).double_value(&[])
}
