//! Spiking self-attention and STAtten.

use ndarray::{ArrayD, Axis};
use proptest::prelude::*;
use snn_attn::Attend;

use crate::{Axes, Counts, REFERENCE, counts};

/// `scale (Q K^T) V` number by number, where the steps of a chunk see each
/// other.
fn quadratic(axes: &Axes, [q, k, v]: &[Counts; 3], chunk: usize, scale: f64) -> ArrayD<f64> {
    let mut out = ArrayD::zeros(axes.shape());
    for (t, b, h) in axes.outer() {
        let first = t - t % chunk;
        for n in 0..axes.tokens() {
            for s in first..first + chunk {
                for m in 0..axes.tokens() {
                    let shared: u32 = (0..axes.width)
                        .map(|i| q[axes.at(t, b, h, n, i)] * k[axes.at(s, b, h, m, i)])
                        .sum();
                    for i in 0..axes.width {
                        let value = v[axes.at(s, b, h, m, i)];
                        out[axes.at(t, b, h, n, i)] += f64::from(shared * value) * scale;
                    }
                }
            }
        }
    }
    out
}

/// Number of steps, and a chunk that divides it.
fn with_chunk(t: usize) -> Vec<usize> {
    (1..=t).filter(|chunk| t.is_multiple_of(*chunk)).collect()
}

fn reversed_in_chunks(x: &Counts, chunk: usize) -> Counts {
    let steps: Vec<_> = (0..x.shape()[0])
        .map(|t| x.index_axis(Axis(0), t - t % chunk + (chunk - 1 - t % chunk)))
        .collect();
    ndarray::stack(Axis(0), &steps).unwrap()
}

proptest! {
    #[test]
    fn the_order_of_the_products_is_free((axes, qkv) in counts()) {
        let [q, k, v] = &qkv;
        let y = REFERENCE.ssa(q, k, v, axes.heads, 0.125);
        prop_assert_eq!(y, quadratic(&axes, &qkv, 1, 0.125));
    }

    #[test]
    fn keys_in_another_order_change_nothing((axes, [q, mut k, mut v]) in counts()) {
        let y = REFERENCE.ssa(&q, &k, &v, axes.heads, 1.0);
        for x in [&mut k, &mut v] {
            x.invert_axis(Axis(2));
            x.invert_axis(Axis(3));
            *x = x.as_standard_layout().into_owned();
        }
        prop_assert_eq!(y, REFERENCE.ssa(&q, &k, &v, axes.heads, 1.0));
    }

    #[test]
    fn steps_of_a_chunk_see_each_other((axes, qkv) in counts(), pick in any::<prop::sample::Index>()) {
        let [q, k, v] = &qkv;
        let chunk = *pick.get(&with_chunk(axes.t));
        let y = REFERENCE.statten(q, k, v, axes.heads, chunk, 0.25);
        prop_assert_eq!(y, quadratic(&axes, &qkv, chunk, 0.25));
    }

    #[test]
    fn a_chunk_of_one_step_is_self_attention((axes, [q, k, v]) in counts()) {
        let y = REFERENCE.statten(&q, &k, &v, axes.heads, 1, 0.125);
        prop_assert_eq!(y, REFERENCE.ssa(&q, &k, &v, axes.heads, 0.125));
    }

    #[test]
    fn a_chunk_has_no_order((axes, qkv) in counts(), pick in any::<prop::sample::Index>()) {
        let chunk = *pick.get(&with_chunk(axes.t));
        let [q, k, v] = &qkv;
        let [rq, rk, rv] = &qkv.each_ref().map(|x| reversed_in_chunks(x, chunk));
        // Keys and values alone: the same. Queries too: reversed.
        let y = REFERENCE.statten(q, k, v, axes.heads, chunk, 1.0);
        prop_assert_eq!(&y, &REFERENCE.statten(q, rk, rv, axes.heads, chunk, 1.0));
        let counts = |x: &ArrayD<f64>| x.mapv(|v| v as u32);
        let reversed = REFERENCE.statten(rq, rk, rv, axes.heads, chunk, 1.0);
        prop_assert_eq!(reversed_in_chunks(&counts(&y), chunk), counts(&reversed));
    }
}

#[test]
#[should_panic(expected = "chunks of 2 do not divide 3 steps")]
fn chunks_that_do_not_divide_the_steps_are_a_mistake() {
    let x = Counts::zeros(vec![3, 1, 2, 2]);
    REFERENCE.statten(&x, &x, &x, 1, 2, 1.0);
}
