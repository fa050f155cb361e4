use ndarray::{ArrayD, Axis};

use super::{EncodeError, check};
use crate::tensor::Spikes;

/// Time to first spike (TTFS): one spike each, the earlier the greater the
/// intensity. Intensity 1 fires at the first step, 0 at the last. Source: the
/// latency encoder of SpikingJelly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Time steps T.
    pub steps: usize,
    /// How intensity becomes time.
    pub curve: LatencyCurve,
}

/// How intensity `x` becomes the time of a spike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyCurve {
    /// `(T - 1) (1 - x)`.
    Linear,
    /// `(T - 1) - ln(a x + 1)` with `a = e^(T-1) - 1`: finer among the weak.
    Logarithmic,
}

impl Latency {
    /// Spikes `[T, ...]` of intensities `[...]`; none if `steps` is 0.
    ///
    /// # Errors
    /// [`EncodeError`] for a number outside `[0, 1]`.
    pub fn encode(&self, x: &ArrayD<f32>) -> Result<Spikes, EncodeError> {
        check(x)?;
        let mut spikes = Spikes::from_elem([&[self.steps], x.shape()].concat(), false);
        let times = x.mapv(|x| self.time(x));
        for (t, mut step) in spikes.axis_iter_mut(Axis(0)).enumerate() {
            step.zip_mut_with(&times, |spike, &time| *spike = time == t);
        }
        Ok(spikes)
    }

    /// The step at which intensity `x`, in `[0, 1]`, fires.
    pub fn time(&self, x: f32) -> usize {
        let last = self.steps.saturating_sub(1) as f64;
        let x = f64::from(x);
        let time = match self.curve {
            LatencyCurve::Linear => last * (1.0 - x),
            LatencyCurve::Logarithmic => last - (last.exp_m1() * x).ln_1p(),
        };
        time.round_ties_even().max(0.0) as usize
    }
}
