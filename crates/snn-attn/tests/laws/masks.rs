//! SDSA-1 and Q-K attention.

use ndarray::ArrayD;
use proptest::prelude::*;
use snn_attn::{
    Agreement, ZeroWeight, channel_attention, pool_head_planes, sdsa1, token_attention,
};

use crate::{Axes, R, REFERENCE, Spikes, number, spikes};

/// A neuron without memory.
fn fires(threshold: f64) -> impl Fn(&ArrayD<f64>) -> Spikes {
    move |current| current.mapv(|x| x >= threshold)
}

/// The currents that a mechanism gives its neuron.
fn currents(mechanism: impl FnOnce(&dyn Fn(&ArrayD<f64>) -> Spikes)) -> ArrayD<f64> {
    let seen = std::cell::RefCell::new(None);
    mechanism(&|current: &ArrayD<f64>| {
        *seen.borrow_mut() = Some(current.clone());
        current.mapv(|_| false)
    });
    seen.into_inner().unwrap()
}

fn within(part: &Spikes, whole: &Spikes) -> bool {
    part.iter().zip(whole).all(|(&part, &whole)| whole || !part)
}

/// The greatest of each 3x3 window over tokens and channels of a head.
fn pooled(axes: &Axes, x: &Spikes) -> Spikes {
    let mut out = Spikes::from_elem(axes.shape(), false);
    let near = |i: usize, length: usize| i.saturating_sub(1)..(i + 2).min(length);
    for (t, b, h) in axes.outer() {
        for n in 0..axes.tokens() {
            for i in 0..axes.width {
                out[axes.at(t, b, h, n, i)] = near(n, axes.tokens())
                    .any(|m| near(i, axes.width).any(|j| x[axes.at(t, b, h, m, j)]));
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn a_channel_passes_where_keys_and_values_agree_often(
        (axes, [q, k, v]) in spikes(), threshold in 0.5..6.0,
    ) {
        let y = sdsa1(&REFERENCE, [&q, &k, &v], &Agreement::Dot, None, fires(threshold));
        for (t, b, h) in axes.outer() {
            for i in 0..axes.width {
                let agreed = (0..axes.tokens())
                    .filter(|&n| k[axes.at(t, b, h, n, i)] && v[axes.at(t, b, h, n, i)])
                    .count() as f64;
                for n in 0..axes.tokens() {
                    let at = axes.at(t, b, h, n, i);
                    prop_assert_eq!(y[at], q[at] && agreed >= threshold);
                }
            }
        }
    }

    #[test]
    fn keys_and_values_may_change_places((_, [q, k, v]) in spikes(), threshold in 0.5..6.0) {
        let y = sdsa1(&REFERENCE, [&q, &k, &v], &Agreement::Dot, None, fires(threshold));
        let other = sdsa1(&REFERENCE, [&q, &v, &k], &Agreement::Dot, None, fires(threshold));
        prop_assert_eq!(y, other);
    }

    #[test]
    fn pooled_planes_are_windows_over_tokens_and_channels((axes, [x]) in spikes()) {
        let y = pool_head_planes::<R>(&REFERENCE, &x, axes.heads);
        prop_assert!(within(&x, &y));
        prop_assert_eq!(y, pooled(&axes, &x));
    }

    #[test]
    fn pooled_masks_pool_the_agreement_and_the_output(
        (axes, [q, k, v]) in spikes(), threshold in 0.5..6.0,
    ) {
        let heads = Some(axes.heads);
        let y = sdsa1(&REFERENCE, [&q, &k, &v], &Agreement::Dot, heads, fires(threshold));
        // With every value firing, keys stand for the pooled agreement.
        let agreed = pooled(&axes, &(&k & &v));
        let all = Spikes::from_elem(axes.shape(), true);
        let masked = sdsa1(&REFERENCE, [&q, &agreed, &all], &Agreement::Dot, None, fires(threshold));
        prop_assert_eq!(y, pooled(&axes, &masked));
    }

    #[test]
    fn silence_weighs_nothing_at_zero(
        (axes, [q, k, v]) in spikes(), threshold in 0.5..6.0, planes in any::<bool>(),
    ) {
        let planes = planes.then_some(axes.heads);
        let y = sdsa1(&REFERENCE, [&q, &k, &v], &Agreement::Dot, planes, fires(threshold));
        let a = Agreement::Xnor(ZeroWeight::Fixed(0.0));
        prop_assert_eq!(y, sdsa1(&REFERENCE, [&q, &k, &v], &a, planes, fires(threshold)));
    }

    #[test]
    fn silence_counts_fully_at_one((axes, [q, k, v]) in spikes()) {
        let a = Agreement::Xnor(ZeroWeight::Fixed(1.0));
        let current = currents(|fire| {
            sdsa1(&REFERENCE, [&q, &k, &v], &a, None, fire);
        });
        for (t, b, h) in axes.outer() {
            for i in 0..axes.width {
                let hamming = (0..axes.tokens())
                    .filter(|&n| k[axes.at(t, b, h, n, i)] != v[axes.at(t, b, h, n, i)])
                    .count();
                let expected = (axes.tokens() - hamming) as f64;
                prop_assert_eq!(current[[t, b, 0, 0, h * axes.width + i]], expected);
            }
        }
    }

    #[test]
    fn pooled_silence_counts_where_no_spike_is_near((axes, [q, k, v]) in spikes()) {
        let a = Agreement::Xnor(ZeroWeight::Fixed(0.25));
        let current = currents(|fire| {
            sdsa1(&REFERENCE, [&q, &k, &v], &a, Some(axes.heads), fire);
        });
        let both = pooled(&axes, &(&k & &v));
        let silent = pooled(&axes, &(&k | &v).mapv(|spike| !spike));
        for (t, b, h) in axes.outer() {
            for i in 0..axes.width {
                let value = |n| {
                    let at = axes.at(t, b, h, n, i);
                    if both[at] { 1.0 } else { 0.25 * number(silent[at]) }
                };
                let expected: f64 = (0..axes.tokens()).map(value).sum();
                prop_assert_eq!(current[[t, b, 0, 0, h * axes.width + i]], expected);
            }
        }
    }

    #[test]
    fn a_token_passes_where_its_query_spikes_often(
        (axes, [q, k]) in spikes(), threshold in 0.5..4.0,
    ) {
        let y = token_attention(&REFERENCE, &q, &k, axes.heads, fires(threshold));
        for (t, b, h) in axes.outer() {
            for n in 0..axes.tokens() {
                let row = (0..axes.width).filter(|&i| q[axes.at(t, b, h, n, i)]).count() as f64;
                for i in 0..axes.width {
                    let at = axes.at(t, b, h, n, i);
                    prop_assert_eq!(y[at], k[at] && row >= threshold);
                }
            }
        }
    }

    #[test]
    fn a_channel_passes_where_its_queries_spike_often(
        (axes, [q, k]) in spikes(), threshold in 0.5..6.0,
    ) {
        let y = channel_attention(&REFERENCE, &q, &k, fires(threshold));
        // It is SDSA-1 where every value fires and keys play the queries.
        let all = Spikes::from_elem(axes.shape(), true);
        let mask = sdsa1(&REFERENCE, [&k, &q, &all], &Agreement::Dot, None, fires(threshold));
        prop_assert_eq!(y, mask);
    }

    #[test]
    fn masks_add_no_spike((axes, [q, k, v]) in spikes(), threshold in -1.0..6.0) {
        let fires = || fires(threshold);
        let masked = sdsa1(&REFERENCE, [&q, &k, &v], &Agreement::Dot, None, fires());
        prop_assert!(within(&masked, &q));
        prop_assert!(within(&token_attention(&REFERENCE, &q, &k, axes.heads, fires()), &k));
        prop_assert!(within(&channel_attention(&REFERENCE, &q, &k, fires()), &k));
    }

    #[test]
    fn open_masks_let_everything_pass((axes, [q, k, v]) in spikes()) {
        let masked = sdsa1(&REFERENCE, [&q, &k, &v], &Agreement::Dot, None, fires(0.0));
        prop_assert_eq!(masked, q.clone());
        prop_assert_eq!(token_attention(&REFERENCE, &q, &k, axes.heads, fires(0.0)), k.clone());
        prop_assert_eq!(channel_attention(&REFERENCE, &q, &k, fires(0.0)), k);
    }
}
