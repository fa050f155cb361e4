use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis};
use snn_attn::{Attend, Granularity, ZeroWeight};
use snn_core::{Activation, LoadError, Signal, Tensor, Weights};

use super::{
    Comparison, Difference, GoldenError,
    heads::{five, in_heads, merged},
};

/// Recorded a-XNOR similarities: of queries `d*.r*.q` `[N, d]` and keys
/// `[M, d]`, for several `a`; an attention with them, `attn.*`, in heads
/// `[T, B, h, N, d]`; and derivatives of the sum of its similarities weighted
/// by `grad.upstream`.
#[derive(Clone, Debug)]
pub struct Similarities(BTreeMap<String, Tensor>);

impl Similarities {
    pub(super) fn new(file: Weights) -> Self {
        Self(file.tensors.into_iter().map(|(name, x)| (name, (*x).clone())).collect())
    }

    /// Computes all that was recorded, and compares. Similarity is linear in
    /// `a` and in each bit, so its derivatives are differences of similarities.
    ///
    /// # Errors
    /// [`GoldenError`] if a tensor is missing or does not fit the others.
    pub fn compare<B: Attend>(&self, backend: &B) -> Result<Comparison, GoldenError> {
        let mut differences = Vec::new();
        for (name, expected) in &self.0 {
            let Some((case, a)) = case(name) else { continue };
            let one_head = |x| self.spikes(&format!("{case}.{x}"), 2).map(one_head);
            let (q, k) = (one_head("q")?, one_head("k")?);
            let found = similarities(backend, &q, &k, &ZeroWeight::Fixed(a));
            let matrix = found.index_axis_move(Axis(0), 0);
            let matrix = matrix.index_axis_move(Axis(0), 0).index_axis_move(Axis(0), 0);
            differences.push(Difference::new(name, &matrix, &expected.to_f32()));
        }
        differences.extend(self.attention(backend)?);
        Ok(Comparison { backend: backend.name(), differences })
    }

    fn attention<B: Attend>(&self, backend: &B) -> Result<Vec<Difference>, GoldenError> {
        let [q, k, v] = ["attn.q", "attn.k", "attn.v"].map(|name| self.spikes(name, 5));
        let (q, k, v) = (q?, k?, v?);
        let heads = q.shape()[2];
        let a = ZeroWeight::Learned {
            raw: backend.param("attn.a_per_head", self.shaped("attn.a_per_head", &[heads])?),
            granularity: Granularity::PerHead,
            heads,
            activation: Activation::Clamp,
        };
        let [flat_q, flat_k, flat_v] = [&q, &k, &v].map(|x| backend.spikes(&merged(x)));
        let y = backend.xnor(&flat_q, &flat_k, &backend.widen(&flat_v), heads, 0.125, &a);
        let y = in_heads(backend.read(y.input()), heads);

        let upstream =
            self.shaped("grad.upstream", &[&q.shape()[..4], &k.shape()[3..4]].concat())?;
        let upstream = upstream.to_f32().mapv(f64::from);
        let weighed = |q: &_, k: &_, a: &_| similarities(backend, q, k, a) * &upstream;
        let mut by_a =
            weighed(&q, &k, &ZeroWeight::Fixed(1.0)) - weighed(&q, &k, &ZeroWeight::Fixed(0.0));
        for axis in [4, 3, 1, 0] {
            by_a = by_a.sum_axis(Axis(axis));
        }
        let channels = 0..q.shape()[4];
        let by_q = channels.clone().map(|i| {
            let at = |bit| weighed(&with_channel(&q, i, bit), &k, &a);
            (at(true) - at(false)).sum_axis(Axis(4))
        });
        let by_k = channels.map(|i| {
            let at = |bit| weighed(&q, &with_channel(&k, i, bit), &a);
            (at(true) - at(false)).sum_axis(Axis(3))
        });
        [
            ("attn.similarity", similarities(backend, &q, &k, &a)),
            ("attn.output_scaled_0p125", y),
            ("grad.a", by_a),
            ("grad.q", stacked(by_q)),
            ("grad.k", stacked(by_k)),
        ]
        .into_iter()
        .map(|(name, found)| Ok(Difference::new(name, &found, &self.tensor(name)?.to_f32())))
        .collect()
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, GoldenError> {
        self.0.get(name).ok_or_else(|| GoldenError::Missing { name: name.into() })
    }

    fn shaped(&self, name: &str, shape: &[usize]) -> Result<&Tensor, GoldenError> {
        let tensor = self.tensor(name)?;
        if tensor.shape() == shape {
            return Ok(tensor);
        }
        let (expected, found) = (shape.to_vec(), tensor.shape().to_vec());
        Err(LoadError::Shape { name: name.into(), expected, found }.into())
    }

    /// Zeros and ones with so many axes. Keys differ from their queries in how many there are at
    /// most, and there is a value for each key.
    fn spikes(&self, name: &str, axes: usize) -> Result<ArrayD<bool>, GoldenError> {
        let mut expected = self.tensor(name)?.shape().to_vec();
        if let Some((case, x @ ("k" | "v"))) = name.rsplit_once('.') {
            let tokens = expected.get(axes - 2).copied();
            expected = self.tensor(&format!("{case}.q"))?.shape().to_vec();
            let tokens = match x {
                "k" => tokens,
                _ => self.tensor(&format!("{case}.k"))?.shape().get(axes - 2).copied(),
            };
            if let (Some(length), Some(tokens)) = (expected.get_mut(axes - 2), tokens) {
                *length = tokens;
            }
        }
        expected.resize(axes, 0);
        Ok(self.shaped(name, &expected)?.to_f32().mapv(|bit| bit != 0.0))
    }
}

/// `d5.r0.a0.1` is case `d5.r0` with `a = 0.1`.
fn case(name: &str) -> Option<(&str, f64)> {
    let (case, a) = name.rsplit_once(".a")?;
    Some((case, a.parse().ok()?))
}

/// `[N, d]` to `[1, 1, 1, N, d]`.
fn one_head(x: ArrayD<bool>) -> ArrayD<bool> {
    x.insert_axis(Axis(0)).insert_axis(Axis(0)).insert_axis(Axis(0))
}

/// `[T, B, h, N, M]`: what attention gives for values that are the identity.
fn similarities<B: Attend>(
    backend: &B,
    q: &ArrayD<bool>,
    k: &ArrayD<bool>,
    a: &ZeroWeight<B>,
) -> ArrayD<f64> {
    let [t, b, heads, keys, _] = five(k);
    let identity =
        ArrayD::from_shape_fn(vec![t, b, keys, heads * keys], |i| u32::from(i[3] % keys == i[2]));
    let [q, k] = [q, k].map(|x| backend.spikes(&merged(x)));
    let y = backend.xnor(&q, &k, &backend.counts(&identity), heads, 1.0, a);
    in_heads(backend.read(y.input()), heads)
}

/// Channel `i` set to `bit` everywhere.
fn with_channel(x: &ArrayD<bool>, i: usize, bit: bool) -> ArrayD<bool> {
    let mut x = x.clone();
    x.index_axis_mut(Axis(4), i).fill(bit);
    x
}

/// `[T, B, h, N]` for each channel, side by side.
fn stacked(channels: impl Iterator<Item = ArrayD<f64>>) -> ArrayD<f64> {
    let channels: Vec<_> = channels.collect();
    let views: Vec<_> = channels.iter().map(|x| x.view()).collect();
    ndarray::stack(Axis(4), &views)
        .unwrap_or_else(|e| unreachable!("derivatives of equal shape stack: {e}"))
}
