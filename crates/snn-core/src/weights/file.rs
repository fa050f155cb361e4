//! Weights as safetensors files.

use std::{collections::HashMap, fs, path::Path};

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{LoadError, Tensor, Weights};
use crate::files::write_atomic;

impl Weights {
    /// Reads a safetensors file. F16, BF16 and F64 become F32, integers I64.
    ///
    /// # Errors
    /// [`LoadError`] if the file cannot be read, is cut or damaged, or a tensor
    /// has a type that no weight has.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let format = |source| LoadError::Format { path: path.into(), source };
        let bytes = fs::read(path).map_err(|source| LoadError::Io { path: path.into(), source })?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(format)?;
        let file = SafeTensors::deserialize(&bytes).map_err(format)?;
        let mut weights = Self {
            metadata: header.metadata().iter().flatten().map(pair).collect(),
            ..Self::default()
        };
        for (name, view) in file.iter() {
            let tensor = decode(&view).ok_or_else(|| LoadError::Type {
                path: path.into(),
                name: name.to_owned(),
                found: format!("{:?}", view.dtype()),
            })?;
            weights.insert(name, tensor);
        }
        Ok(weights)
    }

    /// Writes a safetensors file, all or nothing.
    ///
    /// # Errors
    /// [`LoadError::Io`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), LoadError> {
        let encoded: Vec<(&String, Dtype, &[usize], Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| match tensor.as_ref() {
                Tensor::F32(x) => {
                    let bytes = x.iter().flat_map(|v| v.to_le_bytes()).collect();
                    (name, Dtype::F32, x.shape(), bytes)
                }
                Tensor::I64(x) => {
                    let bytes = x.iter().flat_map(|v| v.to_le_bytes()).collect();
                    (name, Dtype::I64, x.shape(), bytes)
                }
            })
            .collect();
        let io = |source| LoadError::Io { path: path.into(), source };
        let format = |source| LoadError::Format { path: path.into(), source };
        let views = encoded
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                TensorView::new(*dtype, shape.to_vec(), bytes).map(|view| (*name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(format)?;
        let metadata: HashMap<_, _> = self.metadata.iter().map(pair).collect();
        let bytes = safetensors::serialize(views, (!metadata.is_empty()).then_some(metadata))
            .map_err(format)?;
        write_atomic(path, &bytes).map_err(io)
    }
}

fn pair((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

fn decode(view: &TensorView<'_>) -> Option<Tensor> {
    fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
        bytes.as_chunks::<N>().0.iter().copied()
    }
    fn array<T>(shape: &[usize], values: Vec<T>) -> Option<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(shape), values).ok()
    }
    let (shape, data) = (view.shape(), view.data());
    let floats: Vec<f32> = match view.dtype() {
        Dtype::F32 => words(data).map(f32::from_le_bytes).collect(),
        Dtype::F64 => words(data).map(|w| f64::from_le_bytes(w) as f32).collect(),
        Dtype::F16 => words(data).map(|w| f16::from_le_bytes(w).to_f32()).collect(),
        Dtype::BF16 => words(data).map(|w| bf16::from_le_bytes(w).to_f32()).collect(),
        other => {
            let integers: Vec<i64> = match other {
                Dtype::I64 => words(data).map(i64::from_le_bytes).collect(),
                Dtype::I32 => words(data).map(|w| i32::from_le_bytes(w).into()).collect(),
                Dtype::I16 => words(data).map(|w| i16::from_le_bytes(w).into()).collect(),
                Dtype::I8 => words(data).map(|w| i8::from_le_bytes(w).into()).collect(),
                Dtype::U8 | Dtype::BOOL => data.iter().map(|&b| b.into()).collect(),
                _ => return None,
            };
            return array(shape, integers).map(Tensor::I64);
        }
    };
    array(shape, floats).map(Tensor::F32)
}
