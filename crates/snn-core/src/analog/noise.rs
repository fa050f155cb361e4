use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::AnalogError;
use crate::{Init, tensor::Real};

/// Two conductances whose difference is a weight: `w = plus - minus`, each from 0 on, and at
/// most one of them above it. Zero is both devices off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DifferentialPair {
    /// Adds to the current, in units of the weight.
    pub plus: f32,
    /// Takes from it.
    pub minus: f32,
}

impl DifferentialPair {
    /// The pair of a weight; what is beyond `greatest`, the conductance of a device that is fully
    /// on, is cut off.
    pub fn of(weight: f32, greatest: f32) -> Self {
        let weight = weight.clamp(-greatest, greatest);
        Self { plus: weight.max(0.0), minus: (-weight).max(0.0) }
    }

    /// The weight.
    pub fn weight(&self) -> f32 {
        self.plus - self.minus
    }
}

/// Standard deviations of what goes wrong in devices, all normal. Default: nothing does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Noise {
    /// Of a weight that was written, relative to it: drawn once.
    pub programming: f64,
    /// Of a current that is read, relative to the greatest weight of its row: drawn at every
    /// reading.
    pub read: f64,
    /// Of the threshold of a neuron, relative to it: drawn once.
    pub threshold: f64,
}

impl Noise {
    /// The strengths that our studies start from: 3 %, 1 %, 1 %.
    pub const TYPICAL: Self = Self { programming: 0.03, read: 0.01, threshold: 0.01 };

    /// Checks that every strength is finite and not below 0.
    ///
    /// # Errors
    /// [`AnalogError`] names the field.
    pub fn validate(&self) -> Result<(), AnalogError> {
        let Self { programming, read, threshold } = *self;
        let expected = "a finite number, at least 0";
        let mut fields = [("programming", programming), ("read", read), ("threshold", threshold)]
            .into_iter()
            .map(|(field, found)| AnalogError { field, found, expected });
        match fields.find(|e| !(e.found >= 0.0 && e.found.is_finite())) {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }

    /// Weights as devices hold them, `w (1 + sigma n)`: zero stays off. The same seed and name
    /// give the same devices.
    pub fn program(&self, weights: &ArrayD<f32>, seed: u64, name: &str) -> ArrayD<f32> {
        let draws = normal(self.programming, seed, &format!("{name}.programming"), weights.shape());
        weights + &(weights * &draws)
    }

    /// What reading adds to currents `[..., outputs]`: `sigma n` times the greatest weight of
    /// each row, `[outputs]`. `reading` counts the readings: each draws anew.
    ///
    /// # Panics
    /// If there are not as many rows as outputs.
    pub fn reading(
        &self,
        shape: &[usize],
        greatest: &[f32],
        (seed, reading): (u64, u64),
        name: &str,
    ) -> Real<f32> {
        assert_eq!(shape.last(), Some(&greatest.len()), "a greatest weight for each output");
        let name = format!("{name}.read.{reading}");
        normal(self.read, seed, &name, shape) * ndarray::ArrayView1::from(greatest)
    }

    /// What thresholds `[neurons]` are multiplied by, `1 + sigma n`, never below 0.
    pub fn thresholds(&self, neurons: usize, seed: u64, name: &str) -> Vec<f32> {
        let draws = normal(self.threshold, seed, &format!("{name}.threshold"), &[neurons]);
        draws.iter().map(|n| (1.0 + n).max(0.0)).collect()
    }
}

/// Normal numbers of mean 0.
fn normal(deviation: f64, seed: u64, name: &str, shape: &[usize]) -> ArrayD<f32> {
    if deviation == 0.0 {
        return ArrayD::zeros(shape);
    }
    Init::Normal(deviation).draw(seed, name, shape)
}
