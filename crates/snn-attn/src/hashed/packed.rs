use std::num::NonZeroUsize;

use ndarray::{Array2, Array4, ArrayD, ArrayView2, Axis, s};
use rayon::prelude::*;
use snn_core::{
    Backend, Input, Packed,
    packed::{Real, Spikes},
    tensor,
};
use snn_hash::{BitCodes, Scan};

use super::{
    CodeSimilarity, HashAttend, HashFunctions,
    dense::{self, Late},
};
use crate::codes::{Bias, KernelHashAttention, PerBit, Sums, heaviest, ones};

/// Real numbers are those of the definition in 64-bit floats; codes are packed and counted.
impl HashAttend for Packed {
    fn hash(&self, sides: &[&Real], functions: &HashFunctions<ArrayD<f64>>) -> Vec<Real> {
        let numbers: Vec<ArrayD<f64>> = sides.iter().map(|&x| self.read(Input::Real(x))).collect();
        let signs = dense::hash(&numbers.iter().collect::<Vec<_>>(), functions);
        signs.into_iter().map(|y| self.real_f64(y)).collect()
    }

    fn latency(&self, y: &Real) -> Spikes {
        Spikes::pack(&dense::latency(&self.read(Input::Real(y))))
    }

    fn delay(&self, x: &Spikes, delta: &ArrayD<f64>, causal: bool) -> Spikes {
        Spikes::pack(&dense::delay(&x.unpack(), delta, causal))
    }

    fn attend_codes(
        &self,
        q: &Spikes,
        k: &Spikes,
        v: &Spikes,
        heads: usize,
        similarity: &CodeSimilarity<ArrayD<f64>>,
    ) -> Real {
        let (q, k) = (q.unpack(), k.unpack());
        let values = dense::split(&v.unpack(), heads).mapv(f64::from);
        let codes = [&q, &k].map(|x| scales(x, heads, &similarity.bits));
        let shares = dense::shares(similarity);
        let per_bit = similarity.measure.per_bit();
        let keep = similarity.keep.filter(|keep| keep.get() < values.dim().2);
        let out = match &similarity.delays {
            None => each_head(&values, &codes, |_, queries, keys, values| match keep {
                None => all(queries, keys, values, &per_bit, &shares),
                Some(_) => kept_only(queries, keys, values, &per_bit, (&shares, keep)),
            }),
            Some(delays) => {
                let late = Late::new(delays, heads, k.shape());
                let keys = &codes[1];
                let ones: Vec<Vec<u32>> = keys.iter().map(ones).collect();
                each_head(&values, &codes, |[sample, h], queries, _, values| {
                    let m = values.nrows();
                    let count = |i, s: usize, counts: &mut [f64]| {
                        let (queries, keys): (&BitCodes, &BitCodes) = (&queries[s], &keys[s]);
                        let (bits, set) = (queries.bits() as u32, queries.overlap(i, queries, i));
                        for (j, count) in counts.iter_mut().enumerate() {
                            let (of_key, differ) = match late.sample(sample, h, [i, j]) {
                                None => (0, set),
                                Some(sample) => {
                                    let key = (sample * heads + h) * m + j;
                                    (ones[s][key], queries.distance(i, keys, key))
                                }
                            };
                            *count = per_bit.weigh(bits, [set, of_key], differ);
                        }
                    };
                    means(queries[0].len(), values, (&shares, keep), count)
                })
            }
        };
        self.real_f64(dense::merge(out, q.shape()))
    }

    fn attend_hashed(&self, codes: &Spikes, v: &Real, heads: usize, bias: Bias) -> Real {
        let (codes, v) = (codes.unpack(), self.read(Input::Real(v)));
        let values = dense::split(&v, heads);
        let bits = codes.shape()[codes.ndim() - 1] / heads;
        let codes = scales(&codes, heads, &[bits]);
        let out = each_head(&values, &[codes.clone(), codes], |_, queries, keys, values| {
            KernelHashAttention { bias }.attend(&queries[0], &keys[0], values)
        });
        self.real_f64(dense::merge(out, v.shape()))
    }

    fn attend_dense(&self, q: &Real, k: &Real, v: &Spikes, heads: usize, scale: f64) -> Real {
        let [q, k] = [q, k].map(|x| self.read(Input::Real(x)));
        self.real_f64(dense::attend_dense(&q, &k, &v.unpack(), heads, scale))
    }
}

/// The codes of every scale, a token after the other as in `[T B, heads, N]`.
fn scales(spikes: &tensor::Spikes, heads: usize, bits: &[usize]) -> Vec<BitCodes> {
    let spikes = dense::split(spikes, heads);
    let (samples, heads, tokens, _) = spikes.dim();
    let mut start = 0;
    let scale = |&bits: &usize| {
        let bit = |i: usize, r: usize| {
            let (outer, token) = (i / tokens, i % tokens);
            spikes[[outer / heads, outer % heads, token, start + r]]
        };
        let codes = BitCodes::from_fn(samples * heads * tokens, bits, bit);
        start += bits;
        codes
    };
    bits.iter().map(scale).collect()
}

/// Runs over samples and heads; values are `[T B, heads, M, width]`. What `attend` gets first is
/// which of `T B` and which head it is.
fn each_head(
    values: &Array4<f64>,
    [queries, keys]: &[Vec<BitCodes>; 2],
    attend: impl Fn([usize; 2], &[BitCodes], &[BitCodes], ArrayView2<'_, f64>) -> Array2<f64> + Sync,
) -> Array4<f64> {
    let (samples, heads, m, width) = values.dim();
    let n = queries[0].len() / (samples * heads).max(1);
    let mut out = Array4::zeros((samples, heads, n, width));
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut out)| {
        for (h, mut out) in out.outer_iter_mut().enumerate() {
            let at = i * heads + h;
            let rows = |codes: &[BitCodes], n: usize| -> Vec<BitCodes> {
                codes.iter().map(|scale| scale.rows(at * n..(at + 1) * n)).collect()
            };
            let (queries, keys) = (rows(queries, n), rows(keys, m));
            out.assign(&attend([i, h], &queries, &keys, values.slice(s![i, h, .., ..])));
        }
    });
    out
}

/// Every key counts: no map of tokens by tokens. The sums of each scale are whole numbers, so they
/// are those of the definition in any order.
fn all(
    queries: &[BitCodes],
    keys: &[BitCodes],
    values: ArrayView2<'_, f64>,
    per_bit: &PerBit<f64>,
    shares: &[f64],
) -> Array2<f64> {
    let scales = queries.iter().zip(keys);
    let sums: Vec<Array2<f64>> =
        scales.map(|(queries, keys)| Sums::new(keys, values).attend(queries, per_bit)).collect();
    let width = values.ncols();
    Array2::from_shape_fn((sums[0].nrows(), width), |(i, c)| {
        let at = |c| dense::weigh(shares, sums.iter().map(|sums| sums[[i, c]]));
        let denominator = at(width);
        if denominator > 0.0 { at(c) / denominator } else { 0.0 }
    })
}

/// Only the heaviest keys count.
fn kept_only(
    queries: &[BitCodes],
    keys: &[BitCodes],
    values: ArrayView2<'_, f64>,
    per_bit: &PerBit<f64>,
    weights: (&[f64], Option<NonZeroUsize>),
) -> Array2<f64> {
    let scans: Vec<Scan> = keys.iter().map(Scan::new).collect();
    let of_keys: Vec<Vec<u32>> = keys.iter().map(ones).collect();
    let mut distances = vec![0; values.nrows()];
    means(queries[0].len(), values, weights, |i, s, counts| {
        scans[s].distances(queries[s].code(i), &mut distances);
        let bits = queries[s].bits() as u32;
        let of_query = queries[s].overlap(i, &queries[s], i);
        for ((count, &of_key), &distance) in counts.iter_mut().zip(&of_keys[s]).zip(&distances) {
            *count = per_bit.weigh(bits, [of_query, of_key], distance);
        }
    })
}

/// Means of the values of the heaviest keys, or of all, for `n` queries: `[n, width]`.
/// `count(i, s, counts)` writes what query `i` and each key have in common in scale `s`.
fn means(
    n: usize,
    values: ArrayView2<'_, f64>,
    (shares, keep): (&[f64], Option<NonZeroUsize>),
    mut count: impl FnMut(usize, usize, &mut [f64]),
) -> Array2<f64> {
    let (m, width) = values.dim();
    let mut out = Array2::zeros((n, width));
    let mut counts = vec![vec![0.0; m]; shares.len()];
    for (i, mut out) in out.outer_iter_mut().enumerate() {
        counts.iter_mut().enumerate().for_each(|(s, counts)| count(i, s, counts));
        let weight = |j| dense::weigh(shares, counts.iter().map(|counts| counts[j]));
        let kept = match keep {
            None => (0..m).collect(),
            Some(keep) => heaviest(&(0..m).map(weight).collect::<Vec<_>>(), keep),
        };
        let total = |counts: &Vec<f64>| kept.iter().map(|&j| counts[j]).sum();
        let denominator = dense::weigh(shares, counts.iter().map(total));
        if denominator > 0.0 {
            for (c, out) in out.iter_mut().enumerate() {
                let spiking = || kept.iter().filter(|&&j| values[[j, c]] > 0.0);
                let sum = |counts: &Vec<f64>| spiking().map(|&j| counts[j]).sum();
                *out = dense::weigh(shares, counts.iter().map(sum)) / denominator;
            }
        }
    }
    out
}
