use snn_core::{Mode, weights::BatchNorm};
use tch::Tensor;

use super::Torch;

/// Batch normalisation of rows `[N, C]`, with its running statistics.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    tracked: Tensor,
}

impl Norm {
    pub(super) fn new(backend: &Torch, norm: &BatchNorm) -> Self {
        let name = |part: &str| format!("{}.{part}", norm.name);
        Self {
            weight: backend.learn(&name("weight"), &norm.weight),
            bias: backend.learn(&name("bias"), &norm.bias),
            mean: backend.track(&name("running_mean"), &norm.mean),
            var: backend.track(&name("running_var"), &norm.var),
            tracked: backend.track(&name("num_batches_tracked"), &norm.tracked),
        }
    }

    /// Every row stands for `repeats` equal ones.
    pub(super) fn forward(&self, rows: &Tensor, repeats: usize, mode: Mode) -> Tensor {
        let normalise = |mean, var, training, momentum| {
            let (weight, bias) = (Some(&self.weight), Some(&self.bias));
            let (mean, var) = (Some(mean), Some(var));
            rows.batch_norm(weight, bias, mean, var, training, momentum, BatchNorm::EPS, true)
        };
        match mode {
            Mode::Eval => normalise(&self.mean, &self.var, false, 0.0),
            Mode::Train => {
                // With momentum 1 they receive the statistics of this batch.
                let (mean, var) = (self.mean.zeros_like(), self.var.zeros_like());
                let normalised = normalise(&mean, &var, true, 1.0);
                tch::no_grad(|| self.update(&mean, &var, rows.size()[0] as f64, repeats as f64));
                normalised
            }
        }
    }

    /// Moves the running statistics towards those of a batch of `rows`, each
    /// repeated `repeats` times; `var` is the unbiased variance of `rows`.
    fn update(&self, mean: &Tensor, var: &Tensor, rows: f64, repeats: f64) {
        let unbiased = (rows - 1.0) * repeats / (rows * repeats - 1.0);
        let new = BatchNorm::MOMENTUM;
        let towards = |old: &Tensor, batch: &Tensor, share: f64| {
            let _ = old.shallow_clone().g_mul_scalar_(1.0 - new).g_add_(&(batch * share));
        };
        towards(&self.mean, mean, new);
        towards(&self.var, var, new * unbiased);
        let _ = self.tracked.shallow_clone().g_add_scalar_(1);
    }

    /// What zero becomes under the running statistics, `[C]`; a constant.
    pub(super) fn of_zero(&self) -> Tensor {
        tch::no_grad(|| {
            &self.bias - &self.mean * &self.weight / (&self.var + BatchNorm::EPS).sqrt()
        })
    }
}
