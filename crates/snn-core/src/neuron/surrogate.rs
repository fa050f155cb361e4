use num_traits::Float;
use serde::{Deserialize, Serialize};

/// What stands for the derivative of the step function in the backward pass;
/// the forward pass never sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Surrogate {
    /// `alpha s (1 - s)` with `s = sigmoid(alpha x)`.
    Sigmoid {
        /// Steepness.
        alpha: f64,
    },
    /// `alpha / 2 / (1 + (pi / 2 alpha x)^2)`: Fang et al., ICCV 2021.
    Arctan {
        /// Steepness.
        alpha: f64,
    },
    /// `1 / width` where `|x| < width / 2`, else 0: Wu et al., *STBP*, 2018.
    Rectangle {
        /// Full width of the window.
        width: f64,
    },
    /// `1 / (1 + alpha |x|)^2`: Zenke and Ganguli, *SuperSpike*, 2018.
    FastSigmoid {
        /// Steepness.
        alpha: f64,
    },
    /// `max(0, 1 - |x| / width) / width`: Bellec et al., 2018.
    Triangle {
        /// Half of the base.
        width: f64,
    },
}

impl Surrogate {
    /// The derivative at `x`, the distance of the membrane from the threshold.
    pub fn derivative<F: Float>(&self, x: F) -> F {
        let f = |v: f64| F::from(v).unwrap_or_else(F::nan);
        let one = F::one();
        match *self {
            Self::Sigmoid { alpha } => {
                let s = one / (one + (-f(alpha) * x).exp());
                f(alpha) * s * (one - s)
            }
            Self::Arctan { alpha } => {
                let y = f(std::f64::consts::FRAC_PI_2 * alpha) * x;
                f(alpha / 2.0) / (one + y * y)
            }
            Self::Rectangle { width } => {
                if x.abs() < f(width / 2.0) {
                    f(1.0 / width)
                } else {
                    F::zero()
                }
            }
            Self::FastSigmoid { alpha } => {
                let y = one + f(alpha) * x.abs();
                one / (y * y)
            }
            Self::Triangle { width } => (one - x.abs() / f(width)).max(F::zero()) / f(width),
        }
    }

    /// Name and value of the one parameter.
    pub const fn parameter(&self) -> (&'static str, f64) {
        match *self {
            Self::Sigmoid { alpha } | Self::Arctan { alpha } | Self::FastSigmoid { alpha } => {
                ("surrogate.alpha", alpha)
            }
            Self::Rectangle { width } | Self::Triangle { width } => ("surrogate.width", width),
        }
    }
}
