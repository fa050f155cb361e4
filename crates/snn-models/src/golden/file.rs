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
        value.ok_or_else(|| GoldenError::Metadata {
            path: self.path.clone(),
            key,
            found: text.map_or("missing".into(), |text| format!("`{text}`")),
            expected: expected.into(),
        })
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
        let (expected, found) = (expected.to_vec(), tensor.shape().to_vec());
        Err(LoadError::Shape { name: name.into(), expected, found }.into())
    }

    /// The only number of a tensor `[1]`.
    pub fn number(&self, name: &str) -> Result<f32, GoldenError> {
        Ok(self.shaped(name, &[1])?[[0]])
    }

    /// The numbers of a tensor of this shape, which are bytes.
    pub fn bytes(&self, name: &str, expected: &[usize]) -> Result<ArrayD<u8>, GoldenError> {
        let values = self.shaped(name, expected)?;
        let is_whole = |x: f32| (0.0..=255.0).contains(&x) && x.fract() == 0.0;
        match values.iter().find(|&&x| !is_whole(x)) {
            Some(&found) => Err(GoldenError::Level { name: name.into(), found }),
            None => Ok(values.mapv(|x| x as u8)),
        }
    }

    /// How `found` differs from the tensor of that name.
    pub fn difference(&self, name: &str, found: &ArrayD<f64>) -> Result<Difference, GoldenError> {
        Ok(Difference::new(name, found, &self.tensor(name)?.to_f32()))
    }
}
