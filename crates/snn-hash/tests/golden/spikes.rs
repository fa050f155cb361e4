//! Counts on spikes: a-XNOR, and the change in time.

use ndarray::{ArrayD, Ix2, IxDyn};
use snn_hash::{BitCodes, temporal_difference};

use crate::{File, close};

#[test]
fn a_xnor_from_packed_counts() {
    let Some(file) = File::open("a-xnor-a") else { return };
    for d in [1, 5, 32, 48, 64, 65, 96, 127, 128, 200] {
        for r in 0..3 {
            let [q, k] = ["q", "k"].map(|side| {
                let spikes = file.get::<Ix2>(&format!("d{d}.r{r}.{side}"));
                BitCodes::from_signs(spikes.view())
            });
            let ones = |codes: &BitCodes, i| codes.overlap(i, codes, i);
            for a in ["0", "0.1", "0.5", "1"] {
                let expected = file.get::<Ix2>(&format!("d{d}.r{r}.a{a}"));
                let a: f64 = a.parse().unwrap();
                let found = ndarray::Array2::from_shape_fn(expected.dim(), |(i, j)| {
                    let both = q.overlap(i, &k, j);
                    // Of the d bits, those that are set in neither.
                    let neither = (d + both) - ones(&q, i) - ones(&k, j);
                    assert_eq!(both + neither, d - q.distance(i, &k, j));
                    f64::from(both) + a * f64::from(neither)
                });
                close(&found, &expected, 1e-12);
            }
        }
    }
}

#[test]
fn changes_in_time() {
    let Some(file) = File::open("temporal-alignment-a") else { return };
    let expected: ArrayD<f64> = file.get::<IxDyn>("temporal_difference");
    assert_eq!(temporal_difference(file.get::<IxDyn>("q").view()), expected);
}
