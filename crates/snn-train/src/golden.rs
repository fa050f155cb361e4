//! Comparing gradients and running statistics with what the authors' own code gave.
//!
//! Golden files that were recorded in training hold `labels`, the `loss` (mean cross entropy),
//! `grad.*` of every parameter that has a gradient, and `after.*`, the statistics after the pass.

use ndarray::ArrayD;
use snn_core::{Pass, Tensor as Published};
use snn_models::{
    Frames,
    golden::{Golden, GoldenError},
    mean_logits,
};
use tch::{Kind, Tensor};

use crate::{Torch, loss};

/// Greatest errors that pass.
pub mod tolerance {
    /// Of a tensor, Euclidean, relative to the norm of the recorded one.
    pub const RELATIVE: f64 = 1e-3;
    /// Recorded norms up to this are noise, and have no relative error.
    pub const NOISE: f64 = 1e-6;
    /// Of the elements of such a tensor, absolute.
    pub const ABSOLUTE: f64 = 1e-5;
}

/// How far one tensor is from the recorded one.
#[derive(Clone, Debug, PartialEq)]
pub struct Deviation {
    /// Name in the golden file: `grad.*`, `after.*` or `loss`.
    pub name: String,
    /// Relative to the recorded norm, or absolute where that is noise; NaN if not comparable.
    pub error: f64,
    /// Greatest error that passes.
    pub allowed: f64,
}

impl Deviation {
    /// Of `found` from `expected`.
    fn new(name: String, found: Option<&ArrayD<f64>>, expected: &ArrayD<f32>) -> Self {
        let expected = expected.mapv(f64::from);
        let norm = |x: &ArrayD<f64>| x.mapv(|v| v * v).sum().sqrt();
        let size = norm(&expected);
        let noise = size <= tolerance::NOISE;
        let allowed = if noise { tolerance::ABSOLUTE } else { tolerance::RELATIVE };
        let found = found.filter(|found| found.shape() == expected.shape());
        let error = found.map_or(f64::NAN, |found| {
            let difference = found - &expected;
            // NaN stays, where `max` would pass over it.
            let greatest = |a: f64, b: &f64| if a.is_nan() || a >= b.abs() { a } else { b.abs() };
            if noise { difference.iter().fold(0.0, greatest) } else { norm(&difference) / size }
        });
        Self { name, error, allowed }
    }

    /// Whether it is close enough.
    pub fn passes(&self) -> bool {
        self.error <= self.allowed
    }
}

/// Trains the network of `golden` on the recorded input for one pass, on a `backend` that has no
/// network yet, and compares loss, gradients and statistics.
///
/// # Errors
/// [`GoldenError`] if the file was not recorded in training, or its weights do not fit.
pub fn compare(golden: &Golden, backend: &Torch) -> Result<Vec<Deviation>, GoldenError> {
    let network = golden.config.load(backend, &golden.weights)?;
    let labels = match golden.tensor("labels")? {
        Published::I64(labels) => labels.iter().copied().collect::<Vec<_>>(),
        Published::F32(labels) => labels.iter().map(|&label| label as i64).collect(),
    };
    let input = Frames::from_torch_layout(backend, &golden.tensor("input")?.to_f32());
    let logits = network.forward(&mut Pass::train(backend), &input);
    let logits = mean_logits(backend, &logits);
    let classes = golden.config.classes() as i64;
    let targets = Tensor::from_slice(&labels).one_hot(classes);
    let targets = targets.to_kind(logits.tensor().kind()).to_device(backend.device());
    let loss = loss::cross_entropy(logits.tensor(), &targets, 0.0);
    loss.backward();

    let mut deviations = vec![Deviation::new(
        "loss".into(),
        Some(&read(&loss.reshape([1]))),
        &golden.tensor("loss")?.to_f32(),
    )];
    for (name, parameter) in backend.parameters() {
        let gradient = parameter.grad();
        let found = gradient.defined().then(|| read(&gradient));
        let name = format!("grad.{name}");
        match golden.tensor(&name) {
            Ok(expected) => {
                deviations.push(Deviation::new(name, found.as_ref(), &expected.to_f32()));
            }
            // Recorded is every gradient that there is.
            Err(_) if found.is_some() => {
                deviations.push(Deviation { name, error: f64::NAN, allowed: 0.0 });
            }
            Err(_) => {}
        }
    }
    let weights = backend.weights();
    for (name, expected) in &golden.recorded {
        let Some(statistic) = name.strip_prefix("after.") else { continue };
        let found = weights.get(statistic).map(|found| found.to_f32().mapv(f64::from));
        deviations.push(Deviation::new(name.clone(), found.as_ref(), &expected.to_f32()));
    }
    Ok(deviations)
}

/// The numbers of `x`.
fn read(x: &Tensor) -> ArrayD<f64> {
    let shape: Vec<usize> = x.size().into_iter().map(|n| n as usize).collect();
    let mut values = vec![0.0; x.numel()];
    let count = values.len();
    x.detach().to_kind(Kind::Double).copy_data(&mut values, count);
    match ArrayD::from_shape_vec(shape, values) {
        Ok(array) => array,
        Err(e) => unreachable!("lengths are those of the tensor: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    fn deviation(found: &[f64], expected: &[f32]) -> Deviation {
        Deviation::new("grad.x".into(), Some(&arr1(found).into_dyn()), &arr1(expected).into_dyn())
    }

    #[test]
    fn errors_are_relative_above_the_noise() {
        let near = deviation(&[3.0, 4.0 + 4e-3], &[3.0, 4.0]);
        assert!((near.error - 8e-4).abs() < 1e-12 && near.passes());
        assert!(!deviation(&[3.0, 4.01], &[3.0, 4.0]).passes());
        let noise = deviation(&[-9e-6, 0.0], &[0.0, 1e-7]);
        assert!(noise.error == 9e-6 && noise.passes());
        assert!(!deviation(&[2e-5, 0.0], &[0.0, 1e-7]).passes());
    }

    #[test]
    fn what_cannot_be_compared_fails() {
        assert!(!deviation(&[f64::NAN, 0.0], &[1.0, 2.0]).passes());
        assert!(!deviation(&[0.0, f64::NAN, 0.0], &[0.0, 0.0, 0.0]).passes());
        assert!(!deviation(&[1.0], &[1.0, 2.0]).passes());
        assert!(!Deviation::new("grad.x".into(), None, &arr1(&[0.0f32]).into_dyn()).passes());
    }
}
