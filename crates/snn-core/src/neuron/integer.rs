use num_traits::Float;
use serde::{Deserialize, Serialize};

/// An integer-valued neuron without memory: `round(clamp(gain x, 0, levels))`
/// levels, each worth `unit`.
///
/// Trained as it stands; at inference level `n` is `n` spikes over `levels`
/// virtual time steps (spike firing approximation). Sources: Yao et al.,
/// *E-SpikeFormer*, 2024 (SFA); Qiu et al., *QSD-Transformer*, ICLR 2025
/// (IE-LIF as released).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegerNeuron {
    /// Greatest level D.
    pub levels: u32,
    /// Factor before rounding.
    pub gain: f64,
    /// Worth of one level in what the published network passes on.
    pub unit: f64,
    /// What happens half way between two levels.
    pub rounding: Rounding,
}

/// Where a number half way between two levels goes, and whether the ends of
/// the range pass a gradient: the two come in these pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// To the even level; the gradient passes where `0 <= gain x <= levels`.
    HalfEven,
    /// To the upper level; the gradient passes where `0 < gain x < levels`.
    HalfUp,
}

impl IntegerNeuron {
    /// The normalised integer LIF neuron (NILIF) for one time step: `round(clamp(x, 0, D)) / D`, ties
    /// to even. Its membrane would matter from the second step on; published networks have one
    /// of `D` virtual steps. Source: Zhou et al., arXiv 2604.11321.
    pub fn nilif(levels: u32) -> Self {
        let unit = 1.0 / f64::from(levels.max(1));
        Self { levels, gain: 1.0, unit, rounding: Rounding::HalfEven }
    }

    /// The level of `x`, `0..=levels`. NaN is silent.
    pub fn level<F: Float>(&self, x: F) -> u32 {
        let top = F::from(self.levels).unwrap_or_else(F::max_value);
        let gain = F::from(self.gain).unwrap_or_else(F::one);
        let x = (x * gain).max(F::zero()).min(top);
        let half = F::one() / (F::one() + F::one());
        let level = match self.rounding {
            Rounding::HalfUp => (x + half).floor(),
            Rounding::HalfEven => {
                let below = x.floor();
                let rest = x - below;
                let odd = (below * half).fract() > F::zero();
                if rest > half || (rest == half && odd) { below + F::one() } else { below }
            }
        };
        level.to_u32().unwrap_or(0)
    }

    /// Derivative of the level by `x` in the backward pass: `gain` inside the
    /// range, 0 outside (straight-through).
    pub fn derivative<F: Float>(&self, x: F) -> F {
        let zero = F::zero();
        let (Some(top), Some(gain)) = (F::from(self.levels), F::from(self.gain)) else {
            return zero;
        };
        let y = x * gain;
        let inside = match self.rounding {
            Rounding::HalfEven => y >= zero && y <= top,
            Rounding::HalfUp => y > zero && y < top,
        };
        if inside { gain } else { zero }
    }
}
