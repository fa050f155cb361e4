//! Looking along time.

use ndarray::{ArrayD, Axis};
use proptest::{collection::vec, prelude::*};
use snn_attn::{
    Attend, TemporalAttend, alpha, bidirectional_temporal_fusion, forward_kernel, token_attention,
    token_value_attention,
};
use snn_core::{Input, Packed, Signal, Unfolded};

use crate::{R, REFERENCE, array, counts, spikes};

/// Numbers `[T, B, N, C]`.
fn numbers() -> impl Strategy<Value = ArrayD<f64>> {
    (1usize..7, 1usize..3, 1usize..3, 1usize..4).prop_flat_map(|(t, b, n, c)| {
        vec(-2.0..2.0f64, t * b * n * c).prop_map(move |x| array(&[t, b, n, c], &x))
    })
}

fn theta(theta: f64) -> ArrayD<f64> {
    ndarray::arr0(theta).into_dyn()
}

fn is_near(a: &ArrayD<f64>, b: &ArrayD<f64>) -> bool {
    a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
}

proptest! {
    #[test]
    fn fusion_is_its_kernel_along_time(x in numbers(), raw in -30.0..30.0f64) {
        let steps = x.shape()[0];
        let alpha = alpha(raw);
        prop_assert!((0.5..=1.0).contains(&alpha));
        let kernel = forward_kernel(alpha, steps);
        for (i, row) in kernel.outer_iter().enumerate() {
            prop_assert!((row.sum() - 1.0).abs() < 1e-12);
            prop_assert!(row.iter().skip(i + 1).all(|&later| later == 0.0));
        }
        let fused = REFERENCE.fuse_forward(&x, &theta(raw));
        let row = |i: usize| {
            let parts = (0..steps).map(|j| &x.index_axis(Axis(0), j) * kernel[[i, j]]);
            parts.reduce(|a, b| a + b).unwrap()
        };
        for i in 0..steps {
            let found = fused.index_axis(Axis(0), i).to_owned();
            prop_assert!(is_near(&found, &row(i)));
        }
        prop_assert_eq!(fused.index_axis(Axis(0), 0), x.index_axis(Axis(0), 0));
    }

    #[test]
    fn what_is_constant_stays_and_all_of_now_is_no_fusion(
        x in numbers(), steps in 1usize..7, raw in -9.0..9.0f64,
    ) {
        let now = x.index_axis(Axis(0), 0).insert_axis(Axis(0));
        let constant = ndarray::concatenate(Axis(0), &vec![now.view(); steps]).unwrap();
        prop_assert!(is_near(&REFERENCE.fuse_forward(&constant, &theta(raw)), &constant));
        prop_assert_eq!(&REFERENCE.fuse_forward(&x, &theta(100.0)), &x);
    }

    #[test]
    fn steps_come_apart_and_together((_, [x]) in spikes::<1>(), y in numbers()) {
        let part = |t: usize| x.index_axis(Axis(0), t).insert_axis(Axis(0)).to_owned();
        let parts: Vec<_> = (0..x.shape()[0]).map(part).collect();
        prop_assert_eq!(&REFERENCE.join(&parts), &x);
        for t in 0..y.shape()[0] {
            let step = REFERENCE.step(&y, t);
            prop_assert_eq!(step.index_axis(Axis(0), 0), y.index_axis(Axis(0), t));
        }
    }

    #[test]
    fn a_blend_lies_between(gate in -9.0..9.0f64, a in numbers()) {
        let (gates, b) = (a.mapv(|_| gate), a.mapv(|x| x * x - 1.0));
        let blended = REFERENCE.blend(&gates, &a, &b);
        for ((&y, &a), &b) in blended.iter().zip(&a).zip(&b) {
            prop_assert!(y >= a.min(b) - 1e-12 && y <= a.max(b) + 1e-12);
        }
        prop_assert!(is_near(&REFERENCE.blend(&a.mapv(|_| 50.0), &a, &b), &a));
        prop_assert!(is_near(&REFERENCE.blend(&a.mapv(|_| -50.0), &a, &b), &b));
    }

    #[test]
    fn every_backend_gives_the_same(x in numbers(), raw in -9.0..9.0f32) {
        let x = x.mapv(|x| x as f32);
        let expected = all(&REFERENCE, &x, raw);
        prop_assert_eq!(&all(&Packed::default(), &x, raw), &expected);
        prop_assert_eq!(&all(&Unfolded::new(REFERENCE), &x, raw), &expected);
    }

    #[test]
    fn a_closed_gate_silences_a_token((axes, [q, k, v]) in spikes::<3>(), threshold in 0.5..4.0) {
        let fire = |current: &ArrayD<f64>| current.mapv(|x| x >= threshold);
        let y = token_value_attention(&REFERENCE, [&q, &k, &v], axes.heads, fire);
        let tokens = token_attention(&REFERENCE, &q, &k, axes.heads, fire);
        prop_assert_eq!(&y, &(&tokens & &v));
        let closed = |current: &ArrayD<f64>| current.mapv(|_| false);
        let silent = token_value_attention(&REFERENCE, [&q, &k, &v], axes.heads, closed);
        prop_assert!(silent.iter().all(|&spike| !spike));
    }

    /// With its gate open or closed, the fusion is an attention along time, causal or its mirror
    /// image; one step is no sequence.
    #[test]
    fn both_directions_look_along_time((axes, [q, k, v]) in counts::<3>()) {
        let qkv = [&q, &k, &v];
        let fuse = |open: f64| {
            let gate = |a: &ArrayD<f64>, _: &ArrayD<f64>| a.mapv(|_| open);
            bidirectional_temporal_fusion(&REFERENCE, qkv, axes.heads, 0.125, gate)
        };
        let direction = |past: bool| {
            let mut y = ArrayD::zeros(q.raw_dim());
            for (t, b, h) in axes.outer() {
                for n in 0..axes.tokens() {
                    for u in (0..axes.t).filter(|&u| if past { u <= t } else { u >= t }) {
                        let both = (0..axes.width)
                            .map(|i| q[axes.at(t, b, h, n, i)] * k[axes.at(u, b, h, n, i)])
                            .sum::<u32>();
                        for i in 0..axes.width {
                            let value = both * v[axes.at(u, b, h, n, i)];
                            y[axes.at(t, b, h, n, i)] += 0.125 * f64::from(value);
                        }
                    }
                }
            }
            y
        };
        prop_assert!(is_near(&fuse(60.0), &direction(true)));
        prop_assert!(is_near(&fuse(-60.0), &direction(false)));
        if axes.t == 1 {
            prop_assert!(is_near(&fuse(0.3), &direction(true)));
        }
    }
}

/// Everything that looks along time.
fn all<B: Attend>(backend: &B, x: &ArrayD<f32>, theta: f32) -> Vec<ArrayD<f64>> {
    let theta = snn_core::Tensor::F32(ndarray::arr0(theta).into_dyn());
    let theta = backend.param("theta", &theta);
    let y = backend.real(x);
    let gate = backend.scale_real(&y, -2.0);
    let spikes = backend.spikes(&x.mapv(|x| x > 0.0));
    vec![
        backend.read(backend.fuse_forward(&y, &theta).input()),
        backend.read(backend.blend(&gate, &y, &gate).input()),
        backend.read(backend.step(&y, x.shape()[0] - 1).input()),
        backend.read(Input::Spikes(&backend.join(&[spikes.clone(), spikes]))),
    ]
}

#[test]
#[should_panic(expected = "steps of other shapes")]
fn no_steps_make_no_time() {
    <R as TemporalAttend>::join(&REFERENCE, &[]);
}
