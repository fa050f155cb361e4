//! The tensors of a golden file, for the tests of several crates.

use std::path::PathBuf;

use ndarray::{Array, ArrayD, Dimension};
use safetensors::{Dtype, SafeTensors};

/// The tensors of a file.
pub struct File(pub Vec<u8>);

impl File {
    /// `None`, with a printed reason, where it is absent.
    pub fn open(name: &str) -> Option<Self> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden");
        let folder = std::env::var_os("SNN_GOLDEN").map_or_else(|| beside.into(), PathBuf::from);
        let path = folder.join(name).with_extension("safetensors");
        if !path.is_file() {
            println!("skipped: no {}", path.display());
            return None;
        }
        Some(Self(std::fs::read(path).unwrap()))
    }

    /// Any tensor; all numbers of these files but packed words fit.
    pub fn get<D: Dimension>(&self, name: &str) -> Array<f64, D> {
        fn numbers<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            data.as_chunks().0.iter().map(|&word| number(word)).collect()
        }
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        let data = tensor.data();
        let numbers = match tensor.dtype() {
            Dtype::F64 => numbers(data, f64::from_le_bytes),
            Dtype::F32 => numbers(data, |word| f32::from_le_bytes(word).into()),
            Dtype::I32 => numbers(data, |word| i32::from_le_bytes(word).into()),
            Dtype::I8 => numbers(data, |word| i8::from_le_bytes(word).into()),
            Dtype::U8 => numbers(data, |word: [u8; 1]| word[0].into()),
            other => panic!("{other:?}"),
        };
        let array = ArrayD::from_shape_vec(tensor.shape(), numbers).unwrap();
        array.into_dimensionality().unwrap()
    }
}
