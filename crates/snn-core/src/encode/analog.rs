use ndarray::{ArrayD, Axis};

use super::{EncodeError, check};
use crate::{Init, analog::Converter, tensor::Real};

/// Analog coding: the intensity as a current at every step, as [`direct`](super::direct), but
/// through a converter to analog and with noise of the line. What an analog synapse array is
/// driven with instead of spikes. Our reading; see [`crate::analog`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Analog {
    /// Time steps T.
    pub steps: usize,
    /// Sets the currents: a limit below 1 saturates.
    pub converter: Converter,
    /// Standard deviation of the noise, in units of intensity; every current has its own.
    pub noise: f64,
    /// Seed of every draw; more steps begin with the same currents.
    pub seed: u64,
}

impl Analog {
    /// Currents `[T, ...]` of intensities `[...]`.
    ///
    /// # Errors
    /// [`EncodeError`] for a number outside `[0, 1]`.
    ///
    /// # Panics
    /// If `noise` is negative or not finite.
    pub fn encode(&self, x: &ArrayD<f32>) -> Result<Real<f32>, EncodeError> {
        let noise = self.noise;
        assert!(noise >= 0.0 && noise.is_finite(), "noise {noise} is a standard deviation");
        check(x)?;
        let clean = x.mapv(|x| self.converter.convert(f64::from(x)) as f32);
        let mut currents = super::direct(&clean, self.steps);
        if noise > 0.0 {
            for (t, mut step) in currents.axis_iter_mut(Axis(0)).enumerate() {
                let draws = Init::Normal(noise).draw(self.seed, &format!("step.{t}"), x.shape());
                step += &draws;
            }
        }
        Ok(currents)
    }
}
