//! What the authors' own code, or a plain evaluation of the definitions, gave.
//!
//! The files are not part of this repository: `SNN_GOLDEN` names their folder, `../shared/golden`
//! beside the workspace is the default.

mod kernel;
mod lsh;
mod scales;
mod spikes;

use std::path::PathBuf;

use ndarray::{Array, ArrayD, Dimension};
use safetensors::{Dtype, SafeTensors};

/// The tensors of a file.
struct File(Vec<u8>);

impl File {
    /// `None`, with a printed reason, where it is absent.
    fn open(name: &str) -> Option<Self> {
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
    fn get<D: Dimension>(&self, name: &str) -> Array<f64, D> {
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

    /// Raw words.
    fn words(&self, name: &str) -> Vec<u64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let data = file.tensor(name).unwrap().data().to_vec();
        data.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect()
    }
}

/// Fails where two arrays differ by more than `tolerance`.
#[track_caller]
fn close<D: Dimension>(found: &Array<f64, D>, expected: &Array<f64, D>, tolerance: f64) {
    assert_eq!(found.shape(), expected.shape());
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // A NaN must not pass.
    let worst = worst.map(|d| if d.is_nan() { f64::INFINITY } else { d }).fold(0.0, f64::max);
    assert!(worst <= tolerance, "differs by {worst}, tolerance {tolerance}");
}
