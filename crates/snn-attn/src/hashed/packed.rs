use std::num::NonZeroUsize;

use ndarray::{Array2, Array4, ArrayD, ArrayView2, ArrayViewMut1, Axis, s};
use rayon::prelude::*;
use snn_core::{
    Backend, Input, Packed,
    packed::{Isa, Real, Spikes},
};
use snn_hash::BitCodes;

use super::{
    CodeSimilarity, HashAttend, HashFunctions,
    dense::{self, Late},
};
use crate::{
    codes::{Bias, KernelHashAttention, PerBit, Scores, Scratch, Sums, heaviest, means, ones},
    heads,
};

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
        let values = dense::split(&v.unpack(), heads).mapv(f64::from);
        let codes = [q, k].map(|x| scales(x, heads, &similarity.bits));
        let shares = dense::shares(similarity);
        let per_bit = similarity.measure.per_bit();
        let keep = similarity.keep.map(NonZeroUsize::get).filter(|&keep| keep < values.dim().2);
        let out = match &similarity.delays {
            None => each_head(&values, &codes, |_, queries, keys, values| match keep {
                None => all(queries, keys, values, &per_bit, &shares),
                Some(keep) => kept_only(queries, keys, values, &per_bit, (&shares, keep)),
            }),
            Some(delays) => {
                let late = Late::new(delays, heads, k.shape());
                let keys = &codes[1];
                let ones: Vec<Vec<u32>> = keys.iter().map(ones).collect();
                each_head(&values, &codes, |[sample, h], queries, _, values| {
                    let m = values.nrows();
                    let mut out = Array2::zeros((queries[0].len(), values.ncols()));
                    for (i, out) in out.outer_iter_mut().enumerate() {
                        let count = |s: usize, j: usize| {
                            let (queries, keys) = (&queries[s], &keys[s]);
                            let set = queries.overlap(i, queries, i);
                            let (of_key, differ) = match late.sample(sample, h, [i, j]) {
                                None => (0, set),
                                Some(sample) => {
                                    let key = (sample * heads + h) * m + j;
                                    (ones[s][key], queries.distance(i, keys, key))
                                }
                            };
                            per_bit.weigh(queries.bits() as u32, [set, of_key], differ)
                        };
                        let weigh =
                            |j| dense::weigh(&shares, (0..shares.len()).map(|s| count(s, j)));
                        let weights: Vec<f64> = (0..m).map(weigh).collect();
                        let kept = heaviest(&weights, keep.unwrap_or(m));
                        mean(&kept, &shares, count, values, out);
                    }
                    out
                })
            }
        };
        self.real_f64(dense::merge(out, q.shape()))
    }

    fn attend_hashed(&self, codes: &Spikes, v: &Real, heads: usize, bias: Bias) -> Real {
        let v = self.read(Input::Real(v));
        let values = dense::split(&v, heads);
        let codes = vec![heads::codes(codes, heads)];
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
fn scales(spikes: &Spikes, heads: usize, bits: &[usize]) -> Vec<BitCodes> {
    let all = heads::codes(spikes, heads);
    let mut start = 0;
    let scale = |&bits: &usize| {
        start += bits;
        all.columns(start - bits..start)
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
    let (n, width) = (queries[0].len(), values.ncols());
    let selected: Vec<_> =
        keys.iter().map(|keys| Sums::new(keys, values).seen_by(per_bit)).collect();
    means(n, width, |i, all| {
        let mut sums = Array2::zeros((shares.len(), width + 1));
        for ((queries, selected), mut sums) in
            queries.iter().zip(&selected).zip(sums.outer_iter_mut())
        {
            if let Some(sums) = sums.as_slice_mut() {
                selected.add(queries, i, sums);
            }
        }
        for (c, sum) in all.iter_mut().enumerate() {
            *sum = dense::weigh(shares, sums.column(c).iter().copied());
        }
    })
}

/// Only the `keep` heaviest keys count.
fn kept_only(
    queries: &[BitCodes],
    keys: &[BitCodes],
    values: ArrayView2<'_, f64>,
    per_bit: &PerBit<f64>,
    (shares, keep): (&[f64], usize),
) -> Array2<f64> {
    let scales = keys.iter().zip(shares);
    let scores = Scores::new(Isa::best(), scales.map(|(keys, &share)| (keys, *per_bit, share)));
    let of_keys: Vec<Vec<u32>> = keys.iter().map(ones).collect();
    let of_queries: Vec<Vec<u32>> = queries.iter().map(ones).collect();
    let mut scratch = Scratch::default();
    let mut out = Array2::zeros((queries[0].len(), values.ncols()));
    for (i, out) in out.outer_iter_mut().enumerate() {
        let count = |s: usize, j: usize| {
            let differ = queries[s].distance(i, &keys[s], j);
            per_bit.weigh(keys[s].bits() as u32, [of_queries[s][i], of_keys[s][j]], differ)
        };
        let weigh = |j| dense::weigh(shares, (0..shares.len()).map(|s| count(s, j)));
        let codes: Vec<&[u64]> = queries.iter().map(|queries| queries.code(i)).collect();
        let (kept, _) = scores.heaviest(&codes, (values.nrows(), keep), weigh, &mut scratch);
        mean(kept, shares, count, values, out);
    }
    out
}

/// The mean of the values of the keys that are kept; `count(s, j)` is what the query and key `j`
/// have in common in scale `s`.
fn mean(
    kept: &[u32],
    shares: &[f64],
    count: impl Fn(usize, usize) -> f64,
    values: ArrayView2<'_, f64>,
    mut out: ArrayViewMut1<'_, f64>,
) {
    // For each scale the sum of its counts, alone and with the spikes of each channel.
    let mut sums = Array2::zeros((shares.len(), out.len() + 1));
    for &j in kept {
        let value = values.row(j as usize);
        for (s, mut sums) in sums.outer_iter_mut().enumerate() {
            let count = count(s, j as usize);
            sums[out.len()] += count;
            let spiking = sums.iter_mut().zip(value).filter(|(_, value)| **value > 0.0);
            spiking.for_each(|(sum, _)| *sum += count);
        }
    }
    let at = |c| dense::weigh(shares, sums.column(c).iter().copied());
    let denominator = at(out.len());
    if denominator > 0.0 {
        out.iter_mut().enumerate().for_each(|(c, out)| *out = at(c) / denominator);
    }
}
