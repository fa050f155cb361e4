use ndarray::ArrayD;
use num_traits::Float;

use super::{TtfsError, check};
use crate::tensor::{Counts, Real};

/// A uniform quantiser: level `q = clamp(round(x / s) + z, 0, L - 1)`, ties to even, worth
/// `s (q - z)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantizer {
    levels: u32,
    step: f32,
    zero_point: i32,
}

impl Quantizer {
    /// Most levels: every sum of a level and a zero point is exact in a float.
    pub const MOST_LEVELS: u32 = 1 << 16;

    /// `levels` L, at least 2; `step` s; `zero_point` z, the level of the number 0 (it may lie
    /// outside the levels).
    ///
    /// # Errors
    /// [`TtfsError`] for a number out of range.
    pub fn new(levels: u32, step: f32, zero_point: i32) -> Result<Self, TtfsError> {
        let most = Self::MOST_LEVELS;
        if !(2..=most).contains(&levels) {
            return Err(TtfsError::Levels { found: levels, most });
        }
        if !(step.is_finite() && step > 0.0) {
            return Err(TtfsError::Step { found: step });
        }
        let bound = most as i32;
        if !(-bound..=bound).contains(&zero_point) {
            return Err(TtfsError::ZeroPoint { found: zero_point, least: -bound, most: bound });
        }
        Ok(Self { levels, step, zero_point })
    }

    /// The finest quantiser of `levels` levels that clamps no number of `x` by more than half a
    /// step, and has 0 among its levels. Constant zeros get a step of 1. Our reading.
    ///
    /// # Errors
    /// [`TtfsError`] if there is no number, one that is not finite, or too few levels.
    pub fn covering(levels: u32, x: &ArrayD<f32>) -> Result<Self, TtfsError> {
        check(x)?;
        if x.is_empty() {
            return Err(TtfsError::Unseen);
        }
        let (low, high) = x
            .iter()
            .fold((0f64, 0f64), |(low, high), &x| (low.min(f64::from(x)), high.max(f64::from(x))));
        let greatest = f64::from(levels.max(2) - 1);
        let step = ((high - low) / greatest) as f32;
        let step = if step >= f32::MIN_POSITIVE { step } else { 1.0 };
        let zero_point = (-low / f64::from(step)).round_ties_even().min(greatest);
        Self::new(levels, step, zero_point as i32)
    }

    /// Levels L.
    pub const fn levels(&self) -> u32 {
        self.levels
    }

    /// The greatest level, `L - 1`.
    pub const fn greatest(&self) -> u32 {
        self.levels - 1
    }

    /// Step s.
    pub const fn step(&self) -> f32 {
        self.step
    }

    /// Zero point z.
    pub const fn zero_point(&self) -> i32 {
        self.zero_point
    }

    /// The level of a number that is finite, in its own precision; NaN has the level of 0.
    pub fn level<F: Float>(&self, x: F) -> u32 {
        let steps = x / F::from(self.step).unwrap_or_else(F::one);
        let steps = steps.to_f64().map_or(0.0, f64::round_ties_even);
        let steps = if steps.is_nan() { 0.0 } else { steps };
        (steps + f64::from(self.zero_point)).clamp(0.0, f64::from(self.greatest())) as u32
    }

    /// What a level is worth.
    pub fn value(&self, level: u32) -> f32 {
        (f64::from(self.step) * (f64::from(level) - f64::from(self.zero_point))) as f32
    }

    /// Levels of numbers of any shape.
    ///
    /// # Errors
    /// [`TtfsError::NotFinite`].
    pub fn quantize(&self, x: &ArrayD<f32>) -> Result<Counts, TtfsError> {
        check(x)?;
        Ok(x.mapv(|x| self.level(x)))
    }

    /// What levels are worth.
    pub fn dequantize(&self, levels: &Counts) -> Real<f32> {
        levels.mapv(|level| self.value(level))
    }
}
