use snn_core::{
    backend::{Lsq, WeightQuantizer},
    quant::LogCode,
};
use tch::{Kind, Tensor};

use super::{Torch, operations::straight_through};

/// Quantises the weights of one stage.
#[derive(Debug)]
pub(super) enum Quantizer {
    /// Learned step size quantisation.
    Learned { alpha: Tensor, range: (f64, f64) },
    /// A logarithmic code.
    Log(LogCode),
}

impl Quantizer {
    pub(super) fn new(backend: &Torch, quantizer: &WeightQuantizer) -> Self {
        match quantizer {
            WeightQuantizer::Lsq(lsq) => Self::learned(backend, lsq),
            WeightQuantizer::Log(code) => Self::Log(*code),
        }
    }

    fn learned(backend: &Torch, lsq: &Lsq) -> Self {
        Self::Learned { alpha: backend.learn(&lsq.name, &lsq.alpha), range: lsq.range() }
    }

    /// `weight` (`[outputs, ...]`) as the map takes it. Backwards, rounding is passed straight
    /// through.
    pub(super) fn quantize(&self, weight: &Tensor) -> Tensor {
        match self {
            Self::Learned { alpha, range } => learned(weight, alpha, *range),
            Self::Log(code) => straight_through(&logarithmic(&weight.detach(), *code), weight),
        }
    }
}

/// On the grid of its steps; the gradient of the steps is scaled by
/// `1 / sqrt(weights * greatest level)`: Esser et al., section 2.2.
fn learned(weight: &Tensor, alpha: &Tensor, (low, high): (f64, f64)) -> Tensor {
    let gain = 1.0 / (weight.numel() as f64 * high).sqrt();
    let step = alpha.detach() + (alpha - alpha.detach()) * gain;
    let mut per_output = vec![1; weight.dim()];
    per_output[0] = -1;
    let step = step.view(per_output.as_slice());
    let level = (weight / &step).clamp(low, high);
    straight_through(&level.round(), &level) * step
}

/// As [`LogCode::quantize`] and back, in 64 bits as there.
fn logarithmic(weight: &Tensor, code: LogCode) -> Tensor {
    let wide = weight.to_kind(Kind::Double);
    let axes: Vec<i64> = (1..weight.dim() as i64).collect();
    let scale = wide.abs().amax(axes, true);
    let base = code.base().log2();
    let lowest = -f64::from(code.greatest()) + 1.0;
    // Of zero it is minus infinity, and of a row of zeros not a number.
    let exponent = ((wide.abs() / &scale).log2() / base).round();
    let there = exponent.ge(lowest).to_kind(Kind::Double);
    let magnitude = (exponent.nan_to_num(lowest, None, Some(lowest)) * base).exp2() * &scale;
    // Each magnitude is rounded to 32 bits, whatever the weights are computed in.
    let magnitude = magnitude.to_kind(Kind::Float).to_kind(Kind::Double);
    (magnitude * wide.sign() * there).to_kind(weight.kind())
}
