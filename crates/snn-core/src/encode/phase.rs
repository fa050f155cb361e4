use ndarray::{ArrayD, Axis};

use super::{EncodeError, check};
use crate::tensor::{Real, Spikes};

/// Weighted phase coding: the bits of the intensity in binary, the heaviest
/// first. A spike at phase `k` weighs `2^-(k+1)`. Source: Kim et al., *Deep
/// neural networks with weighted spikes*, Neurocomputing 2018.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Phases K, the bits that are kept; at most 24, which a float holds.
    pub phases: u32,
    /// Periods; T is their number times K, each the same.
    pub periods: usize,
}

impl Phase {
    /// Spikes `[T, ...]` of intensities `[...]`, rounded down to a multiple of
    /// `2^-K`; 1 becomes the greatest, `1 - 2^-K`.
    ///
    /// # Errors
    /// [`EncodeError`] for a number outside `[0, 1]`.
    ///
    /// # Panics
    /// If there are more than 24 phases.
    pub fn encode(&self, x: &ArrayD<f32>) -> Result<Spikes, EncodeError> {
        assert!(self.phases <= 24, "a float has 24 bits, not {}", self.phases);
        check(x)?;
        let levels = 1u32 << self.phases;
        let codes = x.mapv(|x| ((f64::from(x) * f64::from(levels)) as u32).min(levels - 1));
        let steps = self.phases as usize * self.periods;
        let mut spikes = Spikes::from_elem([&[steps], x.shape()].concat(), false);
        for (t, mut step) in spikes.axis_iter_mut(Axis(0)).enumerate() {
            let bit = self.phases - 1 - (t as u32 % self.phases);
            step.zip_mut_with(&codes, |spike, &code| *spike = code >> bit & 1 == 1);
        }
        Ok(spikes)
    }

    /// The intensities that spikes `[T, ...]` stand for: the mean over periods
    /// of the weighted spikes.
    pub fn decode(&self, spikes: &Spikes) -> Real<f32> {
        let shape = spikes.shape().get(1..).unwrap_or_default();
        let mut sum = ArrayD::<u64>::zeros(shape);
        for (t, step) in spikes.axis_iter(Axis(0)).enumerate() {
            let bit = self.phases - 1 - (t as u32 % self.phases);
            sum.zip_mut_with(&step, |sum, &spike| *sum += u64::from(spike) << bit);
        }
        let one = f64::from(1u32 << self.phases) * self.periods.max(1) as f64;
        sum.mapv(|code| (code as f64 / one) as f32)
    }
}
