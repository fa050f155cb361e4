//! What the authors' own code, or a plain evaluation of the definitions, gave.
//!
//! The files are not part of this repository: `SNN_GOLDEN` names their folder, `../shared/golden`
//! beside the workspace is the default.

#[path = "../common/file.rs"]
mod file;
mod kernel;
mod lsh;
mod scales;
mod spikes;

use file::File;
use ndarray::{Array, Dimension};
use safetensors::SafeTensors;

impl File {
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
