//! The a-XNOR similarity.

use ndarray::{ArrayD, Axis, IxDyn, concatenate};
use proptest::{collection::vec, prelude::*};
use snn_attn::{Attend, Granularity, Similarity, ZeroWeight};
use snn_core::{Activation, Backend, Builder, Tensor, Weights};

use crate::{Axes, R, REFERENCE, Spikes, array, number, spikes};

/// Queries `[N, d]` and keys `[M, d]`.
fn pair() -> impl Strategy<Value = [Spikes; 2]> {
    // Widths below, at and past a machine word.
    let width = prop_oneof![1..=8usize, Just(63), Just(64), Just(65), 126..=130usize];
    (1..=4usize, 1..=4usize, width).prop_flat_map(|(n, m, d)| {
        vec(any::<bool>(), (n + m) * d).prop_map(move |bits| {
            let (q, k) = bits.split_at(n * d);
            [array(&[n, d], q), array(&[m, d], k)]
        })
    })
}

/// All similarities `[N, M]`: what attention gives for values that are the
/// identity.
fn similarities(q: &Spikes, k: &Spikes, a: &ZeroWeight<R>) -> ArrayD<f64> {
    let (n, m) = (q.shape()[0], k.shape()[0]);
    let tokens = |x: &Spikes| x.clone().insert_axis(Axis(0)).insert_axis(Axis(0));
    let identity = ArrayD::from_shape_fn(IxDyn(&[1, 1, m, m]), |i| u32::from(i[2] == i[3]));
    let y = REFERENCE.xnor(&tokens(q), &tokens(k), &identity, 1, 1.0, a);
    y.into_shape_with_order(vec![n, m]).unwrap()
}

fn fixed(q: &Spikes, k: &Spikes, a: f64) -> ArrayD<f64> {
    similarities(q, k, &ZeroWeight::Fixed(a))
}

/// Learned weights that stand for themselves.
fn learned(granularity: Granularity, heads: usize, values: &[f32]) -> ZeroWeight<R> {
    let raw = Tensor::F32(array(&[values.len()], values));
    let raw = REFERENCE.param("a_raw", &raw);
    ZeroWeight::Learned { raw, granularity, heads, activation: Activation::Clamp }
}

/// `scale (S V)` with the similarities `S` number by number; `a` by channel.
fn quadratic(axes: &Axes, [q, k, v]: &[Spikes; 3], a: &[f64], scale: f64) -> ArrayD<f64> {
    let mut out = ArrayD::zeros(axes.shape());
    for (t, b, h) in axes.outer() {
        for n in 0..axes.tokens() {
            for m in 0..axes.tokens() {
                let agree = |i| {
                    let [q, k] = [(q, n), (k, m)].map(|(x, n)| number(x[axes.at(t, b, h, n, i)]));
                    q * k + a[h * axes.width + i] * (1.0 - q) * (1.0 - k)
                };
                let similarity: f64 = (0..axes.width).map(agree).sum();
                for i in 0..axes.width {
                    let value = number(v[axes.at(t, b, h, m, i)]);
                    out[axes.at(t, b, h, n, i)] += similarity * value * scale;
                }
            }
        }
    }
    out
}

/// Weights in sixteenths: every product with them is exact.
fn dyadic(count: usize) -> impl Strategy<Value = Vec<f64>> {
    vec((0..=16u8).prop_map(|n| f64::from(n) / 16.0), count)
}

proptest! {
    #[test]
    fn zero_is_the_dot_product_and_one_counts_equal_bits([q, k] in pair()) {
        let (zero, one) = (fixed(&q, &k, 0.0), fixed(&q, &k, 1.0));
        for (n, q) in q.outer_iter().enumerate() {
            for (m, k) in k.outer_iter().enumerate() {
                let both = q.iter().zip(&k).filter(|(q, k)| **q && **k).count();
                let hamming = q.iter().zip(&k).filter(|(q, k)| q != k).count();
                prop_assert_eq!(zero[[n, m]], both as f64);
                prop_assert_eq!(one[[n, m]], (q.len() - hamming) as f64);
            }
        }
    }

    #[test]
    fn it_is_symmetric([q, k] in pair(), a in 0.0..=1.0) {
        prop_assert_eq!(fixed(&q, &k, a), fixed(&k, &q, a).reversed_axes());
    }

    #[test]
    fn it_grows_with_a([q, k] in pair(), a in 0.0..=1.0, b in 0.0..=1.0) {
        let (less, more) = (fixed(&q, &k, f64::min(a, b)), fixed(&q, &k, f64::max(a, b)));
        prop_assert!(less.iter().zip(&more).all(|(less, more)| less <= more));
    }

    #[test]
    fn a_query_agrees_with_itself_everywhere([q, _] in pair(), a in 0.0..=1.0) {
        let similarities = fixed(&q, &q, a);
        for (n, q) in q.outer_iter().enumerate() {
            let ones = q.iter().filter(|&&spike| spike).count() as f64;
            prop_assert_eq!(similarities[[n, n]], ones + a * (q.len() as f64 - ones));
        }
    }

    #[test]
    fn a_channel_that_is_always_silent_adds_a([q, k] in pair(), a in 0..=16u8) {
        let a = f64::from(a) / 16.0;
        let wider = |x: &Spikes| {
            let silent = Spikes::from_elem(vec![x.shape()[0], 1], false);
            concatenate(Axis(1), &[x.view(), silent.view()]).unwrap()
        };
        prop_assert_eq!(fixed(&wider(&q), &wider(&k), a), fixed(&q, &k, a) + a);
    }

    #[test]
    fn the_order_of_channels_is_free([q, k] in pair(), a in 0.0..=1.0, seed in any::<u64>()) {
        let d = q.shape()[1] as u64;
        let mut order: Vec<usize> = (0..q.shape()[1]).collect();
        order.sort_by_key(|&i| (i as u64 + seed % d).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let [p, l] = [&q, &k].map(|x| x.select(Axis(1), &order));
        prop_assert_eq!(fixed(&q, &k, a), fixed(&p, &l, a));
    }

    #[test]
    fn the_linear_form_is_the_quadratic_form(
        (axes, qkv, a) in spikes().prop_flat_map(|(axes, qkv)| {
            (Just(axes), Just(qkv), dyadic(axes.heads * axes.width))
        }),
    ) {
        let [q, k, v] = &qkv;
        let (heads, counts) = (axes.heads, REFERENCE.widen(v));
        let single = |x: f64| x as f32;
        let cases = [
            (ZeroWeight::Fixed(a[0]), vec![a[0]; a.len()]),
            (learned(Granularity::PerLayer, heads, &[single(a[0])]), vec![a[0]; a.len()]),
            (
                learned(Granularity::PerHead, heads, &a.iter().take(heads).copied().map(single).collect::<Vec<_>>()),
                (0..a.len()).map(|c| a[c / axes.width]).collect(),
            ),
            (
                learned(Granularity::PerChannel, heads, &a.iter().copied().map(single).collect::<Vec<_>>()),
                a.clone(),
            ),
        ];
        for (weight, by_channel) in cases {
            let y = REFERENCE.xnor(q, k, &counts, heads, 0.125, &weight);
            prop_assert_eq!(y, quadratic(&axes, &qkv, &by_channel, 0.125));
        }
    }

    #[test]
    fn without_silence_it_is_self_attention((axes, [q, k, v]) in spikes()) {
        let [cq, ck, cv] = [&q, &k, &v].map(|x| REFERENCE.widen(x));
        let y = REFERENCE.xnor(&q, &k, &cv, axes.heads, 0.125, &ZeroWeight::Fixed(0.0));
        prop_assert_eq!(y, REFERENCE.ssa(&cq, &ck, &cv, axes.heads, 0.125));
    }
}

/// What a similarity of six channels and three heads learns, and what it starts
/// from.
fn parameters(json: &str) -> Result<Weights, snn_core::LoadError> {
    let similarity: Similarity = serde_json::from_str(json).unwrap();
    let builder = Builder::draw(&REFERENCE, 0).sub("attn");
    similarity.build(&builder, 6, 3)?;
    builder.finish()
}

#[test]
fn learned_weights_start_at_a_tenth_one_a_head() {
    let weights = parameters(r#"{"kind": "learned-xnor"}"#).unwrap();
    let raw = weights.get("attn.a_raw").unwrap().to_f32();
    assert_eq!(raw.shape(), [3]);
    assert!(raw.iter().all(|r| (r + 2.1972).abs() < 1e-4));
}

#[test]
fn granularity_and_parameterisation_shape_the_parameter() {
    for (granularity, count) in [("per-layer", 1), ("per-head", 3), ("per-channel", 6)] {
        let json = format!(
            r#"{{"kind": "learned-xnor", "granularity": "{granularity}", "initial": 0.5,
                "parameterisation": "clamp"}}"#
        );
        let raw = parameters(&json).unwrap().get("attn.a_raw").unwrap().to_f32();
        assert_eq!(raw, ArrayD::from_elem(vec![count], 0.5));
    }
    assert_eq!(parameters(r#"{"kind": "dot"}"#).unwrap(), Weights::default());
    assert_eq!(parameters(r#"{"kind": "xnor", "a": 0.015625}"#).unwrap(), Weights::default());
}

#[test]
fn weights_of_silence_lie_between_0_and_1() {
    let messages = [
        (
            r#"{"kind": "xnor", "a": 1.5}"#,
            "configuration field `similarity.a` is 1.5, expected 0 to 1",
        ),
        (
            r#"{"kind": "learned-xnor", "initial": 0}"#,
            "configuration field `similarity.initial` is 0, expected between 0 and 1, as a sigmoid \
             gives it",
        ),
        (
            r#"{"kind": "learned-xnor", "parameterisation": "clamp", "initial": -0.1}"#,
            "configuration field `similarity.initial` is -0.1, expected 0 to 1",
        ),
    ];
    for (json, message) in messages {
        assert_eq!(parameters(json).unwrap_err().to_string(), message);
    }
    assert!(Similarity::Xnor { a: f64::NAN }.validate().is_err());
    assert_eq!(Similarity::default(), Similarity::Dot);
}

#[test]
fn clamped_weights_saturate() {
    let q = array(&[1, 4], &[false; 4]);
    let a = |raw: f32| similarities(&q, &q, &learned(Granularity::PerLayer, 1, &[raw]));
    assert_eq!((a(-3.0)[[0, 0]], a(0.5)[[0, 0]], a(7.0)[[0, 0]]), (0.0, 2.0, 4.0));
}
