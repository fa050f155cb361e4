//! The operations on dense arrays, as one reads them in the definitions.

use ndarray::{
    Array1, Array2, Array3, Array4, ArrayD, ArrayView1, ArrayView2, ArrayView4, Axis, Dimension,
    Ix2, Ix3, concatenate, s,
};
use rayon::prelude::*;
use snn_core::{reference::Scalar, tensor::Spikes};
use snn_hash::{MultiBandwidth, Scale, softmax};

use super::{CodeSimilarity, HashFunctions, RelativeDelays};
use crate::codes::{Delays, PerBit};

/// An array of a known number of axes.
fn fixed<T: Clone, D: Dimension>(x: &ArrayD<T>) -> ndarray::Array<T, D> {
    match x.to_owned().into_dimensionality() {
        Ok(x) => x,
        Err(e) => panic!("an array of {:?} axes, found {:?} ({e})", D::NDIM, x.shape()),
    }
}

fn reshaped<T: Clone>(x: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
    match x.to_shape(shape) {
        Ok(x) => x.into_owned(),
        Err(e) => panic!("{:?} does not reshape to {shape:?} ({e})", x.shape()),
    }
}

/// `[T, B, positions..., C]` to `[T B, heads, N, C / heads]`.
pub(super) fn split<T: Clone>(x: &ArrayD<T>, heads: usize) -> Array4<T> {
    let shape = x.shape();
    let channels = shape[shape.len() - 1];
    assert!(channels.is_multiple_of(heads), "{heads} heads do not divide {channels} channels");
    let tokens = shape[2..shape.len() - 1].iter().product();
    let x = reshaped(x, &[shape[0] * shape[1], tokens, heads, channels / heads]);
    fixed(&x.permuted_axes(vec![0, 2, 1, 3]).as_standard_layout().into_owned())
}

/// Undoes [`split`] for the first axes of `like` `[T, B, positions..., any]`.
pub(super) fn merge<T: Clone>(x: Array4<T>, like: &[usize]) -> ArrayD<T> {
    let (_, heads, _, width) = x.dim();
    let x = x.permuted_axes([0, 2, 1, 3]).as_standard_layout().into_owned().into_dyn();
    reshaped(&x, &[&like[..like.len() - 1], &[heads * width]].concat())
}

/// See [`HashAttend::hash`](super::HashAttend::hash).
pub(super) fn hash<F: Scalar>(
    sides: &[&ArrayD<F>],
    functions: &HashFunctions<ArrayD<F>>,
) -> Vec<ArrayD<F>> {
    let (heads, points) = (functions.heads, functions.points);
    let scales = functions.scales.iter().map(|scale| Scale {
        multiplier: F::of(scale.bandwidth),
        centre: fixed::<F, Ix2>(&reshaped(&scale.centre, &[heads, points])),
        projection: fixed::<F, Ix3>(&reshaped(&scale.projection, &[heads, scale.bits, points])),
    });
    let width = functions.support.len() / (heads * points).max(1);
    let support = reshaped(&functions.support, &[heads, points, width]);
    let hash = MultiBandwidth::new(fixed::<F, Ix3>(&support), scales.collect());
    let hash = hash.unwrap_or_else(|e| panic!("{e}"));
    let tokens: Vec<Array4<F>> = sides.iter().map(|x| split(x, functions.heads)).collect();
    let views: Vec<ArrayView4<'_, F>> = tokens.iter().map(|x| x.view()).collect();
    let signs = hash.hash(&views).signs;
    let merged = |(y, x): (Vec<Array4<F>>, &&ArrayD<F>)| {
        let views: Vec<_> = y.iter().map(|y| y.view()).collect();
        match concatenate(Axis(3), &views) {
            Ok(y) => merge(y, x.shape()),
            Err(e) => unreachable!("scales of the same tokens: {e}"),
        }
    };
    signs.into_iter().zip(sides).map(merged).collect()
}

/// See [`HashAttend::latency`](super::HashAttend::latency).
pub(super) fn latency<F: Scalar>(y: &ArrayD<F>) -> Spikes {
    let steps = y.shape()[0];
    let mean = y.sum_axis(Axis(0)).mapv_into(|sum| sum / F::of(steps as f64));
    let mut spikes = Spikes::from_elem(y.raw_dim(), false);
    for (t, mut spikes) in spikes.axis_iter_mut(Axis(0)).enumerate() {
        spikes.zip_mut_with(&mean, |spike, &y| *spike = slot(y, steps) == Some(t));
    }
    spikes
}

/// The step at which a bit fires, if it is set.
fn slot<F: Scalar>(y: F, steps: usize) -> Option<usize> {
    let sure = y.abs().min(F::one());
    let last = F::of(steps.saturating_sub(1) as f64);
    (y > F::zero()).then(|| ((F::one() - sure) * last).floor().wide() as usize)
}

/// See [`HashAttend::delay`](super::HashAttend::delay).
pub(super) fn delay<F: Scalar>(x: &Spikes, delta: &ArrayD<F>, causal: bool) -> Spikes {
    let steps = x.shape()[0];
    let by = Delays::new(fixed::<F, Ix2>(delta)).clamped(steps, causal).steps();
    let bits = by.len();
    let channels = x.shape()[x.ndim() - 1];
    assert_eq!(channels, bits, "a delay for every bit");
    let by: Vec<i64> = by.into_iter().collect();
    Spikes::from_shape_fn(x.raw_dim(), |mut at| {
        let last = at.ndim() - 1;
        let from = usize::try_from(at[0] as i64 - by[at[last]]).ok().filter(|&t| t < steps);
        from.is_some_and(|t| {
            at[0] = t;
            x[at]
        })
    })
}

/// Delays of keys by distance, in whole steps.
pub(super) struct Late<'a, P> {
    delays: &'a RelativeDelays<P>,
    /// `[heads, 2 window + 1]`.
    steps: Array2<i64>,
    batch: usize,
    samples: usize,
}

impl<'a, F: Scalar> Late<'a, ArrayD<F>> {
    /// For keys `[T, B, ...]`.
    pub fn new(delays: &'a RelativeDelays<ArrayD<F>>, heads: usize, keys: &[usize]) -> Self {
        let table = reshaped(&delays.table, &[heads, 2 * delays.window + 1]);
        let held = Delays::new(fixed::<F, Ix2>(&table)).clamped(keys[0], delays.causal);
        Self { delays, steps: held.steps(), batch: keys[1], samples: keys[0] * keys[1] }
    }

    /// The sample of `T B` whose key `j` is the one that query `i` of `sample` sees; none is
    /// silence.
    pub fn sample(&self, sample: usize, h: usize, [i, j]: [usize; 2]) -> Option<usize> {
        let back = self.steps[[h, self.delays.column(i, j)]] * self.batch as i64;
        usize::try_from(sample as i64 - back).ok().filter(|&sample| sample < self.samples)
    }
}

/// What one count of each scale weighs.
pub(super) fn shares<F: Scalar>(similarity: &CodeSimilarity<ArrayD<F>>) -> Vec<F> {
    let Some(logits) = &similarity.scales else { return vec![F::one(); similarity.bits.len()] };
    let logits: Vec<f64> = logits.iter().map(|x| x.wide()).collect();
    let shares = softmax(&logits);
    shares.iter().zip(&similarity.bits).map(|(&share, &bits)| F::of(share / bits as f64)).collect()
}

/// See [`HashAttend::attend_codes`](super::HashAttend::attend_codes): weight by weight.
pub(super) fn attend_codes<F: Scalar>(
    q: &Spikes,
    k: &Spikes,
    v: &Spikes,
    heads: usize,
    similarity: &CodeSimilarity<ArrayD<F>>,
) -> ArrayD<F> {
    let (codes, keys, values) = (split(q, heads), split(k, heads), split(v, heads));
    let (samples, _, queries, _) = codes.dim();
    let mut out = Array4::zeros((samples, heads, queries, values.dim().3));
    let shares = shares(similarity);
    let late = similarity.delays.as_ref().map(|delays| Late::new(delays, heads, k.shape()));
    let silence = Array1::from_elem(keys.dim().3, false);
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(at, mut out)| {
        for (h, mut out) in out.outer_iter_mut().enumerate() {
            let [q, v] = [&codes, &values].map(|x| x.slice(s![at, h, .., ..]));
            let key = |i, j| {
                let seen = late.as_ref().map_or(Some(at), |late| late.sample(at, h, [i, j]));
                seen.map_or(silence.view(), |at| keys.slice(s![at, h, j, ..]))
            };
            let counts = counts(q, key, keys.dim().2, similarity);
            for (query, mut out) in out.outer_iter_mut().enumerate() {
                let counts = counts.slice(s![.., query, ..]);
                let weight = |j| weigh(&shares, counts.column(j).iter().copied());
                let weights: Vec<F> = (0..counts.ncols()).map(weight).collect();
                let kept = heaviest(&weights, similarity.keep.map_or(usize::MAX, |k| k.get()));
                let total =
                    |s: usize| kept.iter().map(|&j| counts[[s, j]]).fold(F::zero(), |a, b| a + b);
                let denominator = weigh(&shares, (0..shares.len()).map(total));
                if denominator > F::zero() {
                    for (c, out) in out.iter_mut().enumerate() {
                        let spiking = || kept.iter().filter(|&&j| v[[j, c]]);
                        let sum = |s: usize| {
                            spiking().map(|&j| counts[[s, j]]).fold(F::zero(), |a, b| a + b)
                        };
                        *out = weigh(&shares, (0..shares.len()).map(sum)) / denominator;
                    }
                }
            }
        }
    });
    merge(out, q.shape())
}

/// `sum_s share_s x_s`, in this order everywhere, so that equal counts weigh the same to the bit.
pub(super) fn weigh<F: Scalar>(shares: &[F], counts: impl Iterator<Item = F>) -> F {
    shares.iter().zip(counts).fold(F::zero(), |sum, (&share, count)| sum + share * count)
}

/// The `keep` greatest, ties by lowest index, in the order of the indices.
fn heaviest<F: Scalar>(weights: &[F], keep: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    // Stable: of equal weights the first stays first.
    order.sort_by(|&a, &b| weights[b].wide().total_cmp(&weights[a].wide()));
    order.truncate(keep);
    order.sort_unstable();
    order
}

/// What is counted in every scale, query and key: `[scales, N, M]`; `key(i, j)` is the code of
/// key `j` as query `i` sees it.
fn counts<'a, F: Scalar, P>(
    q: ArrayView2<'_, bool>,
    key: impl Fn(usize, usize) -> ArrayView1<'a, bool>,
    keys: usize,
    similarity: &CodeSimilarity<P>,
) -> Array3<F> {
    let per_bit: PerBit<F> = similarity.measure.per_bit();
    let mut counts = Array3::zeros((similarity.bits.len(), q.nrows(), keys));
    let mut start = 0;
    for (mut counts, &bits) in counts.outer_iter_mut().zip(&similarity.bits) {
        for ((i, j), count) in counts.indexed_iter_mut() {
            let [q, k] = [q.row(i), key(i, j)].map(|x| x.slice_move(s![start..start + bits]));
            let set = [&q, &k].map(|x| x.iter().filter(|&&bit| bit).count() as u32);
            let differ = q.iter().zip(&k).filter(|(a, b)| a != b).count();
            *count = per_bit.weigh(bits as u32, set, differ as u32);
        }
        start += bits;
    }
    counts
}

/// See [`HashAttend::attend_hashed`](super::HashAttend::attend_hashed): token by token, with the
/// weights of the definition.
pub(super) fn attend_hashed<F: Scalar>(
    codes: &Spikes,
    v: &ArrayD<F>,
    heads: usize,
    bias: crate::codes::Bias,
) -> ArrayD<F> {
    let (c, values) = (split(codes, heads), split(v, heads));
    let signs = c.mapv(|bit| if bit { F::one() } else { -F::one() });
    let (_, _, tokens, bits) = c.dim();
    let t = F::of(bits as f64 + 1.0);
    let mut out = Array4::zeros(values.dim());
    for (i, mut out) in out.outer_iter_mut().enumerate() {
        for (h, mut out) in out.outer_iter_mut().enumerate() {
            let (c, v) = (signs.slice(s![i, h, .., ..]), values.slice(s![i, h, .., ..]));
            let dots: Array2<F> = c.dot(&c.t());
            let (numerators, denominators) = match bias {
                crate::codes::Bias::Official => {
                    let own = v.mapv(|v| v * t);
                    (dots.dot(&v) + own, dots.sum_axis(Axis(1)) + F::of(tokens as f64) * t)
                }
                crate::codes::Bias::Consistent => {
                    let weights = dots + t;
                    (weights.dot(&v), weights.sum_axis(Axis(1)))
                }
            };
            out.assign(&(numerators / denominators.insert_axis(Axis(1))));
        }
    }
    merge(out, v.shape())
}

/// See [`HashAttend::attend_dense`](super::HashAttend::softmax).
pub(super) fn attend_dense<F: Scalar>(
    q: &ArrayD<F>,
    k: &ArrayD<F>,
    v: &Spikes,
    heads: usize,
    scale: f64,
) -> ArrayD<F> {
    let (queries, keys, values) = (split(q, heads), split(k, heads), split(v, heads));
    let values = values.mapv(|v| if v { F::one() } else { F::zero() });
    let (samples, _, tokens, _) = queries.dim();
    let mut out = Array4::zeros((samples, heads, tokens, values.dim().3));
    for (i, mut out) in out.outer_iter_mut().enumerate() {
        for (h, mut out) in out.outer_iter_mut().enumerate() {
            let [q, k, v] = [&queries, &keys, &values].map(|x| x.slice(s![i, h, .., ..]));
            let mut weights = q.dot(&k.t()) * F::of(scale);
            for mut row in weights.outer_iter_mut() {
                let greatest = row.iter().fold(F::neg_infinity(), |a, &b| a.max(b));
                row.mapv_inplace(|x| (x - greatest).exp());
                let sum: F = row.iter().copied().sum();
                row.mapv_inplace(|x| x / sum);
            }
            out.assign(&weights.dot(&v));
        }
    }
    merge(out, q.shape())
}
