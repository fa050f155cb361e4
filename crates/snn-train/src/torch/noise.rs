use snn_core::analog::Noise;
use tch::Tensor;

use super::{
    convert::{length, shape, to_torch},
    operations::straight_through,
};

/// Devices that passes which train run on, each pass on new ones, so that weights are learned that
/// stand what is wrong with devices. Weights in a logarithmic code are those that devices hold, and
/// masked time-to-first-spike codes those whose thresholds are off; see
/// [`Torch::disturb`](super::Torch::disturb).
///
/// Forwards noise is added, backwards it passes straight through: the gradient is that of the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disturbance {
    /// How much is wrong.
    pub noise: Noise,
    /// Seed of every draw.
    pub seed: u64,
    /// Number of the pass: it draws what no other does.
    pub pass: u64,
}

impl Disturbance {
    fn name(&self, name: &str) -> String {
        format!("{name}.training.{}", self.pass)
    }

    /// Quantised weights as devices hold them.
    pub(super) fn program(&self, name: &str, weight: &Tensor) -> Tensor {
        if self.noise.programming == 0.0 {
            return weight.shallow_clone();
        }
        let ones = ndarray::ArrayD::ones(shape(weight));
        let factors = to_torch(&self.noise.program(&ones, self.seed, &self.name(name)));
        straight_through(&(weight * like(factors, weight)), weight)
    }

    /// Sums `[rows, outputs]` as they are read from lines with these weights `[outputs, ...]`.
    pub(super) fn read(&self, name: &str, weight: &Tensor, sums: &Tensor) -> Tensor {
        if self.noise.read == 0.0 {
            return sums.shallow_clone();
        }
        let ones = vec![1.0; shape(sums).last().copied().unwrap_or(0)];
        let name = self.name(name);
        let drawn = to_torch(&self.noise.reading(&shape(sums), &ones, (self.seed, 0), &name));
        let axes: Vec<i64> = (1..weight.dim() as i64).collect();
        let greatest = weight.detach().abs().amax(axes, false);
        sums + like(drawn, sums) * greatest
    }

    /// Membranes `[..., channels]` as thresholds that are off see them.
    pub(super) fn thresholds(&self, name: &str, x: &Tensor) -> Tensor {
        if self.noise.threshold == 0.0 {
            return x.shallow_clone();
        }
        let channels = shape(x).last().copied().unwrap_or(0);
        let thresholds = self.noise.thresholds(channels, self.seed, &self.name(name));
        // A staircase that is higher sees a membrane that is lower.
        let shares =
            Tensor::from_slice(&thresholds).clamp_min(f64::from(f32::EPSILON)).reciprocal();
        straight_through(&(x * like(shares.view(length(channels)), x)), x)
    }
}

fn like(drawn: Tensor, x: &Tensor) -> Tensor {
    drawn.to_kind(x.kind()).to_device(x.device())
}
