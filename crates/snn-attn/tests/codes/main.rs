//! Laws of attention on packed codes, and what plain evaluations of the definitions gave.

mod delays;
#[path = "../../../snn-hash/tests/common/file.rs"]
mod file;
mod golden;
mod hamming;
mod kernel_hash;
mod lsh;
mod multi_scale;
mod relative;
mod running;
mod window;

use ndarray::Array2;
use proptest::{collection::vec, prelude::*};
use snn_hash::BitCodes;

/// Queries, keys and values of small integers: sums of them are exact.
#[derive(Clone, Debug)]
struct Head {
    queries: BitCodes,
    keys: BitCodes,
    values: Array2<f64>,
}

impl Head {
    fn any() -> impl Strategy<Value = Self> {
        // Widths below, at and past a group of four and a word.
        let bits = prop_oneof![1..=9usize, Just(31), Just(32), 63..=66usize, 127..=130usize];
        (bits, 1..=5usize, 1..=70usize, 1..=3usize).prop_flat_map(|(bits, n, m, width)| {
            (vec(any::<bool>(), 256), any::<u64>(), vec(-8i8..=8, m * width)).prop_map(
                move |(seeds, salt, values)| {
                    let bit = |i: usize, r: usize| {
                        let at = (i as u64 * 131 + r as u64 * 31).wrapping_mul(salt | 1) >> 32;
                        seeds[at as usize % 256]
                    };
                    let values = values.iter().map(|&v| f64::from(v)).collect();
                    Self {
                        queries: BitCodes::from_fn(n, bits, |i, r| bit(i + 1000, r)),
                        keys: BitCodes::from_fn(m, bits, bit),
                        values: Array2::from_shape_vec((m, width), values).unwrap(),
                    }
                },
            )
        })
    }

    /// Bits set in both, and bits set in neither, counted one by one.
    fn agreements(&self, i: usize, j: usize) -> (f64, f64) {
        let pairs = (0..self.keys.bits()).map(|r| (self.queries.get(i, r), self.keys.get(j, r)));
        let count = |both| pairs.clone().filter(|&pair| pair == (both, both)).count() as f64;
        (count(true), count(false))
    }
}

/// `sum w v / sum w` with weights `[N, M]` of which each row keeps the `keep` greatest, ties by
/// lowest index, of the keys that it sees.
fn weighted(weights: &Array2<f64>, values: &Array2<f64>, keep: usize, causal: bool) -> Array2<f64> {
    let mut out = Array2::zeros((weights.nrows(), values.ncols()));
    for (i, mut out) in out.outer_iter_mut().enumerate() {
        let mut keys: Vec<usize> = (0..values.nrows()).filter(|&j| !causal || j <= i).collect();
        keys.sort_by(|&a, &b| weights[[i, b]].total_cmp(&weights[[i, a]]));
        keys.truncate(keep);
        let sum: f64 = keys.iter().map(|&j| weights[[i, j]]).sum();
        for (c, out) in out.iter_mut().enumerate() {
            let numerator: f64 = keys.iter().map(|&j| weights[[i, j]] * values[[j, c]]).sum();
            *out = if sum > 0.0 { numerator / sum } else { 0.0 };
        }
    }
    out
}

#[track_caller]
fn close(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64) {
    assert_eq!(found.dim(), expected.dim());
    for (found, expected) in found.iter().zip(expected) {
        // A NaN must not pass.
        let near = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(near, "{found} for {expected}");
    }
}
