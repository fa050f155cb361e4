//! Looking along time, with gradients.

use snn_attn::TemporalAttend;
use tch::{Kind, Tensor};

use super::{
    Torch,
    convert::length,
    signal::{Real, Spikes},
};

impl TemporalAttend for Torch {
    fn fuse_forward(&self, x: &Real, theta: &Tensor) -> Real {
        let size = x.0.size();
        let steps = size[0];
        let alpha: Tensor = theta.flatten(0, -1).sigmoid() * 0.5 + 0.5;
        let past: Tensor = 1.0 - &alpha;
        // Of step j in step i: alpha (1 - alpha)^(i - j), without alpha for the first one.
        let time = Tensor::arange(steps, (Kind::Double, self.device));
        let apart = time.view([-1, 1]) - time.view([1, -1]);
        let decay = past.pow(&apart.clamp_min(0.0).to_kind(x.0.kind()));
        let later = time.gt(0.0).to_kind(x.0.kind());
        let new: Tensor = &later * (alpha - 1.0) + 1.0;
        let kernel = (decay * new.view([1, -1])).tril(0);
        Real(kernel.matmul(&x.0.reshape([steps, -1])).reshape(size))
    }

    fn blend(&self, gate: &Real, open: &Real, closed: &Real) -> Real {
        let share = gate.0.sigmoid();
        let rest: Tensor = 1.0 - &share;
        Real(share * &open.0 + rest * &closed.0)
    }

    fn step(&self, x: &Real, t: usize) -> Real {
        Real(x.0.narrow(0, length(t), 1))
    }

    fn join(&self, steps: &[Spikes]) -> Spikes {
        let steps: Vec<&Tensor> = steps.iter().map(|step| &step.0).collect();
        Spikes(Tensor::cat(&steps, 0))
    }
}
