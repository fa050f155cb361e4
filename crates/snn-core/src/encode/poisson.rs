use ndarray::{ArrayD, Axis, Zip};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{EncodeError, check};
use crate::tensor::Spikes;

/// Rate coding: at every step, a spike with the intensity as its probability,
/// independent of all others (a Bernoulli draw, which the field calls Poisson).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poisson {
    /// Time steps T.
    pub steps: usize,
    /// Seed of every draw; step `t` has a stream of its own, so more steps
    /// begin with the same spikes.
    pub seed: u64,
}

impl Poisson {
    /// Spikes `[T, ...]` of intensities `[...]`.
    ///
    /// # Errors
    /// [`EncodeError`] for a number outside `[0, 1]`.
    pub fn encode(&self, x: &ArrayD<f32>) -> Result<Spikes, EncodeError> {
        check(x)?;
        let mut spikes = Spikes::from_elem([&[self.steps], x.shape()].concat(), false);
        for (t, step) in spikes.axis_iter_mut(Axis(0)).enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(t as u64);
            // A fair draw from [0, 1) in steps of 2^-32: 0 never fires, 1 always does.
            Zip::from(step).and(x).for_each(|spike, &p| {
                *spike = f64::from(rng.next_u32()) < f64::from(p) * 2f64.powi(32);
            });
        }
        Ok(spikes)
    }
}
