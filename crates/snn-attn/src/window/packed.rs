//! Windows on packed rows: scores are counts of bits, of the keys of the window alone.

use ndarray::{Array3, ArrayD, Axis, s};
use rayon::prelude::*;
use snn_core::packed::Isa;

use super::{DilatedWindows, frames, places, unframed};
use crate::{compiled::compiled, levels::Levels};

/// [`Attend::window_attention`](crate::Attend::window_attention) before its scale.
pub(crate) fn packed(
    isa: Isa,
    qkv: [&ArrayD<u32>; 3],
    heads: usize,
    windows: &DilatedWindows,
) -> ArrayD<u32> {
    let (positions, shape) = places(qkv, heads);
    let [q, k, v] = qkv.map(frames);
    let (width, value) = (q.dim().2 / heads, v.dim().2 / heads);
    let seen: Vec<_> = (0..heads).map(|head| windows.seen([head, heads], positions)).collect();
    let mut y = Array3::zeros(v.raw_dim());
    y.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(frame, mut y)| {
        for (head, seen) in seen.iter().enumerate() {
            let of_head = head * width..(head + 1) * width;
            let [queries, keys] = [&q, &k].map(|x| {
                let x = x.slice(s![frame, .., of_head.clone()]);
                let mut rows = Levels::new(width.max(1), x.iter().copied().max().unwrap_or(0));
                x.outer_iter().for_each(|row| rows.push(row.iter().copied()));
                rows
            });
            let of_head = head * value..(head + 1) * value;
            let values: Vec<u32> =
                v.slice(s![frame, .., of_head.clone()]).iter().copied().collect();
            let mut sums = vec![0; values.len()];
            attend(isa, [&queries, &keys], &values, seen, &mut sums);
            let mut y = y.slice_mut(s![.., of_head]);
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = sum);
        }
    });
    unframed(y, &shape)
}

compiled! {
    /// One head: rows of queries and keys, `values` and `out` `[N, width]`.
    fn attend(rows: [&Levels; 2], values: &[u32], seen: &[Vec<usize>], out: &mut [u32]) {
        let [queries, keys] = rows;
        let width = out.len() / seen.len().max(1);
        for (i, seen) in seen.iter().enumerate() {
            if queries.is_silent(i) {
                continue;
            }
            let out = &mut out[i * width..(i + 1) * width];
            for &j in seen {
                let score = queries.product(i, keys, j);
                if score > 0 {
                    let values = &values[j * width..(j + 1) * width];
                    out.iter_mut().zip(values).for_each(|(out, value)| *out += score * value);
                }
            }
        }
    }
}
