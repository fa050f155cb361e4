use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use snn_core::{LoadError, Tensor, Weights};

use super::{Difference, GoldenError};

/// The tensors and metadata of a recording of a mechanism.
#[derive(Clone, Debug)]
pub(super) struct File {
    path: PathBuf,
    weights: Weights,
}

impl File {
    pub fn new(path: &Path, weights: Weights) -> Self {
        Self { path: path.into(), weights }
    }

    /// An entry of the metadata, which is written as JSON.
    pub fn metadata<T: serde::de::DeserializeOwned>(
        &self,
        key: &'static str,
        expected: &str,
    ) -> Result<T, GoldenError> {
        let text = self.weights.metadata.get(key);
        let value = text.and_then(|text| serde_json::from_str(text).ok());
        value.ok_or_else(|| self.unlike(key, expected))
    }

    /// Numbers in the metadata, written as Python prints a number, a list or a tuple.
    pub fn numbers(&self, key: &'static str, expected: &str) -> Result<Vec<f64>, GoldenError> {
        let text = self.weights.metadata.get(key).map(|x| x.trim_matches(['(', ')', '[', ']']));
        let numbers = text.and_then(|text| {
            text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<f64>>>()
        });
        numbers.ok_or_else(|| self.unlike(key, expected))
    }

    /// As [`File::numbers`], whole ones.
    pub fn sizes(&self, key: &'static str, expected: &str) -> Result<Vec<usize>, GoldenError> {
        let is_size = |x: &f64| x.fract() == 0.0 && (0.0..=1e9).contains(x);
        match self.numbers(key, expected)? {
            numbers if numbers.iter().all(is_size) => {
                Ok(numbers.into_iter().map(|x| x as usize).collect())
            }
            _ => Err(self.unlike(key, expected)),
        }
    }

    /// The error of an entry of the metadata that is something else.
    pub fn unlike(&self, key: &'static str, expected: &str) -> GoldenError {
        let text = self.weights.metadata.get(key);
        GoldenError::Metadata {
            path: self.path.clone(),
            key,
            found: text.map_or("missing".into(), |text| format!("`{text}`")),
            expected: expected.into(),
        }
    }

    /// Names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.weights.tensors.keys().map(String::as_str)
    }

    pub fn tensor(&self, name: &str) -> Result<&Tensor, GoldenError> {
        self.weights.get(name).ok_or_else(|| GoldenError::Missing { name: name.into() })
    }

    /// The numbers of a tensor of this shape.
    pub fn shaped(&self, name: &str, expected: &[usize]) -> Result<ArrayD<f32>, GoldenError> {
        let tensor = self.tensor(name)?;
        if tensor.shape() == expected {
            return Ok(tensor.to_f32());
        }
        Err(wrong(name, expected, tensor.shape()))
    }

    /// The only number of a tensor `[1]`.
    pub fn number(&self, name: &str) -> Result<f32, GoldenError> {
        Ok(self.shaped(name, &[1])?[[0]])
    }

    /// The numbers of a tensor of this shape, which are bytes.
    pub fn bytes(&self, name: &str, expected: &[usize]) -> Result<ArrayD<u8>, GoldenError> {
        self.levels(name, expected, u8::MAX)
    }

    /// The numbers of a tensor of this shape, which are spikes.
    pub fn spikes(&self, name: &str, expected: &[usize]) -> Result<ArrayD<bool>, GoldenError> {
        Ok(self.levels(name, expected, 1)?.mapv(|level| level == 1))
    }

    fn levels(
        &self,
        name: &str,
        expected: &[usize],
        greatest: u8,
    ) -> Result<ArrayD<u8>, GoldenError> {
        let values = self.shaped(name, expected)?;
        let is_level = |x: f32| (0.0..=f32::from(greatest)).contains(&x) && x.fract() == 0.0;
        match values.iter().find(|&&x| !is_level(x)) {
            Some(&found) => Err(GoldenError::Level { name: name.into(), found, greatest }),
            None => Ok(values.mapv(|x| x as u8)),
        }
    }

    /// How `found` differs from the tensor of that name.
    pub fn difference(&self, name: &str, found: &ArrayD<f64>) -> Result<Difference, GoldenError> {
        Ok(Difference::new(name, found, &self.tensor(name)?.to_f32()))
    }
}

/// The error of a tensor of another shape.
pub(super) fn wrong(name: &str, expected: &[usize], found: &[usize]) -> GoldenError {
    let (expected, found) = (expected.to_vec(), found.to_vec());
    LoadError::Shape { name: name.into(), expected, found }.into()
}
