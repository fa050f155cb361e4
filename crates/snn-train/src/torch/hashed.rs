//! Attention on hashed tokens, with gradients.

use std::ops::RangeInclusive;

use snn_attn::{
    CodeSimilarity, HashAttend, HashFunctions, RelativeDelays,
    codes::{Bias, Delays, Measure},
};
use tch::{Kind, Tensor};

use super::{
    Torch,
    convert::length,
    operations::straight_through,
    signal::{Real, Spikes},
};

impl HashAttend for Torch {
    fn hash(&self, sides: &[&Real], functions: &HashFunctions<Tensor>) -> Vec<Real> {
        let [heads, points] = [functions.heads, functions.points].map(length);
        let support = functions.support.reshape([heads, points, -1]);
        let distances: Vec<Tensor> = sides
            .iter()
            .map(|x| {
                let tokens = split(&x.0, heads);
                let square = tokens.square().sum_dim_intlist(-1, true, None);
                let units = &tokens / square.clamp_min(1e-24).sqrt();
                squared_distances(&units, &support)
            })
            .collect();
        // Over tokens of all sides and support points: [T B, heads, 1, 1].
        let bandwidth = Tensor::cat(&distances, 2).mean_dim([2i64, 3].as_slice(), true, None);
        let signs = |distances: &Tensor| {
            let scale = |scale: &snn_attn::HashScale<Tensor>| {
                let centre = scale.centre.reshape([heads, 1, points]);
                let projection = scale.projection.reshape([heads, length(scale.bits), points]);
                let exponent = distances / (&bandwidth * (-2.0 * scale.bandwidth));
                (exponent.exp() - centre).matmul(&projection.transpose(1, 2))
            };
            Tensor::cat(&functions.scales.iter().map(scale).collect::<Vec<_>>(), 3)
        };
        let merged = |(d, x): (&Tensor, &&Real)| Real(merge(&signs(d), &x.0.size()));
        distances.iter().zip(sides).map(merged).collect()
    }

    fn latency(&self, y: &Real) -> Spikes {
        let steps = y.0.size()[0];
        let mean = y.0.mean_dim(0, true, None);
        let unsure: Tensor = 1.0 - mean.abs().clamp_max(1.0);
        let slot = (unsure * (steps - 1) as f64).floor();
        let mut shape = vec![1; y.0.dim()];
        shape[0] = steps;
        let times = Tensor::arange(steps, (y.0.kind(), self.device)).reshape(shape);
        let fires = times.eq_tensor(&slot).to_kind(y.0.kind()).detach();
        let set = mean.gt(0.0).to_kind(y.0.kind());
        // Half of the sign from -1 to +1.
        let sign = mean.clamp(-1.0, 1.0) * 0.5;
        Spikes(straight_through(&(&fires * set), &(fires * sign)))
    }

    fn delay(&self, x: &Spikes, delta: &Tensor, causal: bool) -> Spikes {
        let steps = x.0.size()[0];
        Spikes(Shifts::new(&delta.flatten(0, -1), steps, causal).sum(|n| shift(&x.0, n, steps)))
    }

    fn attend_codes(
        &self,
        q: &Spikes,
        k: &Spikes,
        v: &Spikes,
        heads: usize,
        similarity: &CodeSimilarity<Tensor>,
    ) -> Real {
        let [codes, keys, values] = [q, k, v].map(|x| split(&x.0, length(heads)));
        let steps = k.0.size()[0];
        let mut counts = Vec::new();
        let mut start = 0;
        for &bits in &similarity.bits {
            let [q, k] = [&codes, &keys].map(|x| x.narrow(3, start, length(bits)));
            counts.push(match &similarity.delays {
                None => count(&q, &k, similarity.measure),
                Some(delays) => late_count([&q, &k], steps, delays, similarity.measure),
            });
            start += length(bits);
        }
        let shares: Vec<Tensor> = match &similarity.scales {
            None => counts.iter().map(|_| Tensor::ones([], (q.0.kind(), self.device))).collect(),
            Some(logits) => {
                let shares = logits.softmax(0, None::<Kind>).unbind(0);
                let bits = similarity.bits.iter().map(|&bits| bits as f64);
                shares.iter().zip(bits).map(|(share, bits)| share / bits).collect()
            }
        };
        let weighed = |counts: &mut dyn Iterator<Item = Tensor>| {
            let parts = counts.zip(&shares).map(|(count, share)| count * share);
            // In the order of the scales, as everywhere.
            parts.reduce(|sum, part| sum + part)
        };
        let tokens = keys.size()[2];
        if let Some(keep) = similarity.keep.map(|keep| length(keep.get())).filter(|&k| k < tokens) {
            let weights = weighed(&mut counts.iter().map(Tensor::detach));
            let mask = weights.map(|weights| heaviest(&weights, keep));
            if let Some(mask) = mask {
                counts.iter_mut().for_each(|count| *count = &*count * &mask);
            }
        }
        // Whole numbers first, so that every backend rounds alike.
        let numerator = weighed(&mut counts.iter().map(|count| count.matmul(&values)));
        let sum = |count: &Tensor| count.sum_dim_intlist(-1, true, None);
        let denominator = weighed(&mut counts.iter().map(sum));
        let (Some(numerator), Some(denominator)) = (numerator, denominator) else {
            unreachable!("there is a scale")
        };
        // A query that weighs no key gets zeros, and gives no gradient.
        let silent = denominator.le(0.0);
        let mean = numerator / denominator.masked_fill(&silent, 1.0);
        Real(merge(&mean.masked_fill(&silent, 0.0), &q.0.size()))
    }

    fn attend_hashed(&self, codes: &Spikes, v: &Real, heads: usize, bias: Bias) -> Real {
        let [codes, values] = [&codes.0, &v.0].map(|x| split(x, length(heads)));
        let codes = codes * 2.0 - 1.0;
        let size = codes.size();
        let (tokens, t) = (size[2] as f64, size[3] as f64 + 1.0);
        let context = codes.transpose(2, 3).matmul(&values);
        let sum = codes.sum_dim_intlist(2, true, None).transpose(2, 3);
        let constant = match bias {
            Bias::Official => &values * t,
            Bias::Consistent => values.sum_dim_intlist(2, true, None) * t,
        };
        let denominator = codes.matmul(&sum) + tokens * t;
        let mean = (codes.matmul(&context) + constant) / denominator;
        Real(merge(&mean, &v.0.size()))
    }

    fn attend_dense(&self, q: &Real, k: &Real, v: &Spikes, heads: usize, scale: f64) -> Real {
        let [queries, keys, values] = [&q.0, &k.0, &v.0].map(|x| split(x, length(heads)));
        let scores = queries.matmul(&keys.transpose(2, 3)) * scale;
        let mean = scores.softmax(-1, None::<Kind>).matmul(&values);
        Real(merge(&mean, &q.0.size()))
    }
}

/// `[T, B, positions..., C]` to `[T B, heads, N, C / heads]`.
fn split(x: &Tensor, heads: i64) -> Tensor {
    let size = x.size();
    let channels = size[size.len() - 1];
    x.reshape([size[0] * size[1], -1, heads, channels / heads]).transpose(1, 2)
}

/// Undoes [`split`] for the first axes of `like` `[T, B, positions..., any]`.
fn merge(x: &Tensor, like: &[i64]) -> Tensor {
    let channels = x.size()[1] * x.size()[3];
    x.transpose(1, 2).reshape([&like[..like.len() - 1], &[channels]].concat())
}

/// `[T B, heads, N, m]` of tokens `[T B, heads, N, d]` to points `[heads, m, d]`.
fn squared_distances(tokens: &Tensor, points: &Tensor) -> Tensor {
    let length = |x: &Tensor| x.square().sum_dim_intlist(-1, true, None);
    let products = tokens.matmul(&points.transpose(1, 2));
    length(tokens) + length(points).transpose(1, 2) - products * 2.0
}

/// `[T, ...]` later by `n` steps.
fn shift(x: &Tensor, n: i64, steps: i64) -> Tensor {
    let (kept, lost) = ((steps - n.abs()).max(0), n.abs().min(steps));
    let silence = x.narrow(0, 0, lost).zeros_like();
    match n {
        0.. => Tensor::cat(&[silence, x.narrow(0, 0, kept)], 0),
        _ => Tensor::cat(&[x.narrow(0, lost, kept), silence], 0),
    }
}

/// What is counted in queries and keys: `[T B, heads, N, M]`.
fn count(q: &Tensor, k: &Tensor, measure: Measure) -> Tensor {
    let both = q.matmul(&k.transpose(2, 3));
    let neither = || {
        let (q, k): (Tensor, Tensor) = (1.0 - q, 1.0 - k);
        q.matmul(&k.transpose(2, 3))
    };
    match measure {
        Measure::Coincidence => both,
        Measure::Match { offset } => both + neither() + f64::from(offset),
        Measure::Xnor { a } => both + neither() * a,
    }
}

/// As [`count`], of keys as late as each query sees them.
fn late_count(
    [q, k]: [&Tensor; 2],
    steps: i64,
    delays: &RelativeDelays<Tensor>,
    measure: Measure,
) -> Tensor {
    let (heads, n, m) = (q.size()[1], q.size()[2], k.size()[2]);
    let pairs = (0..n).flat_map(|i| (0..m).map(move |j| (i, j)));
    let columns: Vec<i64> =
        pairs.map(|(i, j)| delays.column(i as usize, j as usize) as i64).collect();
    let columns = Tensor::from_slice(&columns).to_device(q.device());
    let table = delays.table.reshape([heads, -1]).index_select(1, &columns);
    let shifts = Shifts::new(&table.reshape([heads, n, m]), steps, delays.causal);
    let of_time = k.reshape([steps, -1]);
    shifts.sum(|n| count(q, &shift(&of_time, n, steps).view_as(k), measure))
}

/// Delays between whole steps.
struct Shifts {
    range: RangeInclusive<i64>,
    hard: Tensor,
    whole: Tensor,
    fraction: Tensor,
}

impl Shifts {
    fn new(delta: &Tensor, steps: i64, causal: bool) -> Self {
        let (least, most) = Delays::<f64>::range(steps as usize, causal);
        let delta = delta.clamp(least, most);
        let whole = delta.detach().floor();
        Self {
            range: least as i64..=most as i64 + 1,
            hard: delta.detach().round(),
            fraction: &delta - &whole,
            whole,
        }
    }

    /// What is late, if `moved(n)` is it late by `n` steps: hard, and backwards soft.
    fn sum(&self, moved: impl Fn(i64) -> Tensor) -> Tensor {
        let at = |by: &Tensor, n: i64| by.eq(n as f64).to_kind(self.fraction.kind());
        let nothing = (Tensor::from(0.0), Tensor::from(0.0));
        let (hard, soft) = self.range.clone().fold(nothing, |(hard, soft), n| {
            let moved = moved(n);
            let share = at(&self.whole, n) * (1.0 - &self.fraction)
                + at(&self.whole, n - 1) * &self.fraction;
            (hard + moved.detach() * at(&self.hard, n), soft + moved * share)
        });
        straight_through(&hard, &soft)
    }
}

/// 1 at the `keep` greatest of each row, ties by lowest index, else 0.
fn heaviest(weights: &Tensor, keep: i64) -> Tensor {
    let (_, order) = weights.sort_stable(true, -1, true);
    let kept = order.narrow(-1, 0, keep);
    weights.zeros_like().scatter_value(-1, &kept, 1.0)
}
