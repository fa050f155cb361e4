//! What the packed engine does in its own way, against the reference.

use ndarray::{ArrayD, s};
use proptest::prelude::*;
use snn_attn::Attend;
use snn_core::{
    Backend, Neuron, Packed, Signal,
    neuron::{Charge, Reset},
    packed::{Isa, Precision},
};

use crate::{REFERENCE, Spikes};

/// Repeatable bits, `percent` of them set.
fn bits(shape: &[usize], seed: u64, percent: u64) -> Spikes {
    let mut state = seed | 1;
    ArrayD::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % 100 < percent
    })
}

/// Sums, masks and products of three spike tensors and of gates.
fn all<B: Attend>(
    backend: &B,
    [q, k, v]: [&Spikes; 3],
    [of_channels, of_heads]: [&Spikes; 2],
    heads: usize,
) -> Vec<ArrayD<f64>> {
    let spikes = |x: &Spikes| backend.spikes(x);
    let [q, k, v] = [q, k, v].map(spikes);
    let widened = [&q, &k, &v].map(|x| backend.widen(x));
    let [a, b, c] = &widened;
    vec![
        backend.read(backend.channel_sums(&q).input()),
        backend.read(backend.head_sums(&q, heads).input()),
        backend.read(backend.mask(&q, &k).input()),
        backend.read(backend.mask(&q, &spikes(of_channels)).input()),
        backend.read(backend.mask_heads(&q, &spikes(of_heads)).input()),
        backend.read(backend.ssa(a, b, c, heads, 0.125).input()),
    ]
}

/// An attention of spikes to spikes, by neurons that take to their currents in whole
/// numbers, in floats of 32 bits, or in those of 64.
fn fired<B: Attend>(backend: &B, [q, k, v]: [&Spikes; 3], heads: usize) -> Vec<ArrayD<f64>> {
    let lif = Neuron::lif(2.0).with_threshold(0.5);
    let neurons = [
        lif,
        Neuron { charge: Charge::Integrate, threshold: 3.7, ..lif },
        Neuron { reset: Reset::Soft, ..lif },
        Neuron { reset: Reset::Hard { to: -0.25 }, ..lif },
        Neuron::lif(3.0),
    ];
    let [q, k, v] = [q, k, v].map(|x| backend.widen(&backend.spikes(x)));
    let fired = |neuron| {
        let current = backend.ssa(&q, &k, &v, heads, 0.125);
        backend.read(backend.fire(neuron, None, &current, None).0.input())
    };
    neurons.iter().map(fired).collect()
}

/// Far more tokens than the laws draw, so that sums pass 16 bits.
#[test]
fn long_attentions_are_those_of_the_reference() {
    for percent in [30, 100] {
        let qkv = [1, 2, 3].map(|seed| bits(&[2, 1, 2100, 32], seed << 7, percent));
        are_those_of_the_reference(qkv.each_ref(), 1);
    }
}

/// The sums of one fit bytes, those of the other do not.
#[test]
fn heads_may_be_as_unlike_as_they_like() {
    let qkv = [1, 2, 3].map(|seed| {
        let mut spikes = bits(&[2, 2, 300, 32], seed << 7, 5);
        spikes.slice_mut(s![.., .., .., 16..]).fill(true);
        spikes
    });
    are_those_of_the_reference(qkv.each_ref(), 2);
}

fn are_those_of_the_reference(qkv: [&Spikes; 3], heads: usize) {
    let numbers = |backend: &Packed| {
        let [q, k, v] = qkv.map(|x| backend.widen(&backend.spikes(x)));
        backend.read(backend.ssa(&q, &k, &v, heads, 1.0).input())
    };
    let [q, k, v] = qkv.map(|x| REFERENCE.widen(x));
    let expected = REFERENCE.ssa(&q, &k, &v, heads, 1.0);
    let spikes = fired(&REFERENCE, qkv, heads);
    for isa in Isa::all() {
        let packed = Packed::with_isa(Precision::Exact, isa);
        assert_eq!(numbers(&packed), expected, "{}", isa.name());
        assert_eq!(fired(&packed, qkv, heads), spikes, "{}", isa.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sums_masks_and_products_are_those_of_the_reference(
        t in 1usize..6, b in 1usize..4, y in 1usize..14, x in 1usize..14, heads in 1usize..4,
        width in prop::sample::select(vec![3usize, 4, 8, 20, 32]),
        percent in prop::sample::select(vec![0u64, 15, 60, 100]), seed: u64,
    ) {
        let draw = |positions: [usize; 2], channels: usize, seed: u64| {
            bits(&[t, b, positions[0], positions[1], channels], seed, percent)
        };
        let qkv = [1, 2, 3].map(|i| draw([y, x], heads * width, seed.wrapping_mul(i)));
        let gates = [
            draw([1, 1], heads * width, seed ^ 5),
            draw([y, x], heads, seed ^ 9),
        ];
        let expected = all(&REFERENCE, qkv.each_ref(), gates.each_ref(), heads);
        let spikes = fired(&REFERENCE, qkv.each_ref(), heads);
        for isa in Isa::all() {
            let packed = Packed::with_isa(Precision::Exact, isa);
            let found = all(&packed, qkv.each_ref(), gates.each_ref(), heads);
            prop_assert_eq!(&found, &expected, "{}", isa.name());
            let found = fired(&packed, qkv.each_ref(), heads);
            prop_assert_eq!(&found, &spikes, "{}", isa.name());
        }
    }
}
