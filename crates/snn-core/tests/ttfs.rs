//! Laws of time-to-first-spike codes and of the linear layer on them.

use ndarray::{Array2, ArrayD, Axis, arr1};
use proptest::{collection::vec, prelude::*};
use snn_core::{
    analog::Converter,
    encode::{
        Analog, direct,
        ttfs::{Histogram, MaskedTtfs, Quantizer, Times, TtfsError, TtfsLinear},
    },
};

fn quantizers() -> impl Strategy<Value = Quantizer> {
    let levels = prop_oneof![Just(2u32), Just(3), Just(16), 2u32..40];
    (levels, 0.01f32..4.0, -5i32..45).prop_map(|(levels, step, z)| {
        // A power of two now and then, so that numbers lie half way between levels.
        let step = if z % 2 == 0 { step } else { 0.5 };
        Quantizer::new(levels, step, z).unwrap()
    })
}

fn codes() -> impl Strategy<Value = MaskedTtfs> {
    (quantizers(), any::<prop::sample::Index>(), 0u32..5).prop_map(|(quantizer, mask, k)| {
        let mask = mask.index(quantizer.levels() as usize) as u32;
        MaskedTtfs::new(quantizer, mask, k).unwrap()
    })
}

/// Numbers on, between and beyond the levels of codes.
fn numbers() -> impl Strategy<Value = ArrayD<f32>> {
    let quarter = (-200i32..200).prop_map(|x| x as f32 / 4.0);
    vec(prop_oneof![quarter, -40.0f32..40.0, Just(0.0)], 1..60).prop_map(|x| arr1(&x).into_dyn())
}

fn levels(code: &MaskedTtfs) -> Vec<u32> {
    (0..code.quantizer().levels()).collect()
}

proptest! {
    #[test]
    fn without_a_dead_zone_nothing_is_lost(code in codes(), x in numbers()) {
        let code = MaskedTtfs::new(*code.quantizer(), code.mask(), 0).unwrap();
        let all = arr1(&levels(&code)).into_dyn();
        prop_assert_eq!(&code.decode(&code.times_of(&all).unwrap()).unwrap(), &all);
        let q = code.quantizer().quantize(&x).unwrap();
        prop_assert_eq!(code.decode(&code.times(&x).unwrap()).unwrap(), q);
        let slots: std::collections::BTreeSet<_> =
            levels(&code).into_iter().filter_map(|q| code.slot(q)).collect();
        prop_assert!(slots.into_iter().eq(0..code.slots()), "every slot has its level");
        prop_assert_eq!(code.used_slots(), code.slots());
    }

    #[test]
    fn a_dead_zone_moves_no_level_further_than_itself(code in codes(), x in numbers()) {
        let q = code.quantizer().quantize(&x).unwrap();
        let decoded = code.decode(&code.times(&x).unwrap()).unwrap();
        for (&q, &d) in q.iter().zip(&decoded) {
            prop_assert!(q.abs_diff(d) <= code.dead_zone());
            prop_assert!(q == d || code.is_silent(q));
        }
    }

    #[test]
    fn spikes_are_single_and_those_of_who_is_not_silent(code in codes(), x in numbers()) {
        let spikes = code.encode(&x).unwrap();
        prop_assert_eq!(spikes.shape()[0], code.slots() as usize);
        let q = code.quantizer().quantize(&x).unwrap();
        for (i, &q) in q.iter().enumerate() {
            let count = spikes.index_axis(Axis(1), i).iter().filter(|s| **s).count();
            prop_assert_eq!(count, usize::from(!code.is_silent(q)));
        }
        let times = code.times_of_spikes(&spikes).unwrap();
        prop_assert_eq!(times, code.times(&x).unwrap());
    }

    #[test]
    fn greater_levels_spike_earlier(code in codes()) {
        let spiking: Vec<u32> = levels(&code).into_iter().filter_map(|q| code.slot(q)).collect();
        prop_assert!(spiking.windows(2).all(|pair| pair[0] > pair[1]), "{:?}", spiking);
    }

    #[test]
    fn every_slot_decodes_to_who_uses_it(code in codes(), slot in 0u32..50) {
        let user = levels(&code).into_iter().find(|&q| code.slot(q) == Some(slot));
        prop_assert_eq!(code.level(Some(slot)), user);
        prop_assert_eq!(code.level(None), Some(code.mask()));
    }

    #[test]
    fn mask_zero_is_plain_ttfs(quantizer in quantizers(), x in numbers()) {
        let plain = MaskedTtfs::plain(quantizer);
        prop_assert_eq!(plain, MaskedTtfs::new(quantizer, 0, 0).unwrap());
        for (&q, &time) in quantizer.quantize(&x).unwrap().iter().zip(&plain.times(&x).unwrap()) {
            prop_assert_eq!(time, (q > 0).then(|| quantizer.greatest() - q));
        }
    }

    #[test]
    fn the_mode_silences_most_and_a_dead_zone_more(quantizer in quantizers(), x in numbers()) {
        let histogram = Histogram::of(&quantizer, &x).unwrap();
        let mode = histogram.mode(&quantizer).unwrap();
        let share = |mask: u32, k: u32| {
            let code = MaskedTtfs::new(quantizer, mask, k).unwrap();
            let times = code.times(&x).unwrap();
            times.iter().filter(|t| t.is_none()).count() as f64 / times.len() as f64
        };
        for mask in 0..quantizer.levels() {
            prop_assert!(share(mode, 0) >= share(mask, 0));
            for k in 0..4 {
                prop_assert_eq!(share(mask, k), histogram.silent(mask, k));
                prop_assert!(share(mask, k) <= share(mask, k + 1));
            }
        }
    }

    #[test]
    fn the_neuron_on_its_staircase_gives_the_code(
        code in codes(), x in numbers(), layer in 0usize..3, halves in vec(-90i32..90, 8),
    ) {
        // Edges of the stairs too.
        let step = code.quantizer().step();
        let edges = halves.into_iter().map(|h| step * (h as f32 / 2.0));
        let slots = code.slots() as usize;
        for v in x.into_iter().chain(edges) {
            let slot = code.slot(code.quantizer().level(v)).map(|t| t as usize);
            prop_assert_eq!(code.fire(layer, v), slot.map(|t| layer * slots + t), "{}", v);
            // Away from the edges it is the first step at which the threshold is reached.
            let distance = (v / step - 0.5).fract().abs();
            if slot.is_some() && distance > 1e-3 && distance < 0.999 {
                let first = (0..4 * slots).find(|&t| v >= code.threshold(layer, t));
                prop_assert_eq!(first, code.fire(layer, v));
            }
        }
    }

    #[test]
    fn events_give_what_the_dense_layer_gives(
        code in codes(), rows in 0usize..4, inputs in 0usize..20, outputs in 0usize..6, seed: u64,
    ) {
        let draw = |i: usize| {
            (seed.wrapping_mul(i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32
        };
        let weight =
            Array2::from_shape_fn((outputs, inputs), |(o, i)| draw(o * 31 + i) as f32 / 8e6 - 1.0);
        let bias: Vec<f32> = (0..outputs).map(|o| draw(o + 999) as f32 / 1e7).collect();
        let linear = TtfsLinear::new(weight.view(), Some(&bias)).unwrap();
        let q = ArrayD::from_shape_fn(vec![rows, inputs], |i| {
            draw(i[0] * 57 + i[1] + 5000) % code.quantizer().levels()
        });
        let times = code.times_of(&q).unwrap();
        let decoded = code.decode(&times).unwrap();
        let events = linear.forward(&code, &times).unwrap();
        let dense = linear.forward_dense(&code, &decoded).unwrap();
        prop_assert_eq!(events.shape(), &[rows, outputs]);
        for (a, b) in events.iter().zip(&dense) {
            prop_assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{a} {b}");
        }
    }

    #[test]
    fn a_covering_quantiser_clamps_nothing(x in numbers(), bits in 1u32..9) {
        let quantizer = Quantizer::covering(1 << bits, &x).unwrap();
        let values = quantizer.dequantize(&quantizer.quantize(&x).unwrap());
        for (x, y) in x.iter().zip(&values) {
            prop_assert!((x - y).abs() <= 1.0001 * quantizer.step(), "{x} became {y}");
        }
        prop_assert_eq!(quantizer.value(quantizer.level(0.0)), 0.0);
    }

    #[test]
    fn an_ideal_analog_line_is_direct_coding(x in vec(0.0f32..=1.0, 1..30), steps in 0usize..4) {
        let x = arr1(&x).into_dyn();
        let converter = Converter::new(1.0, None).unwrap();
        let analog = Analog { steps, converter, noise: 0.0, seed: 1 };
        prop_assert_eq!(analog.encode(&x).unwrap(), direct(&x, steps));
        let noisy = Analog { noise: 0.1, ..analog };
        let longer = Analog { steps: steps + 2, ..noisy };
        let (short, long) = (noisy.encode(&x).unwrap(), longer.encode(&x).unwrap());
        prop_assert_eq!(short, long.slice_axis(Axis(0), (0..steps).into()).to_owned());
    }
}

#[test]
fn four_bits_have_fifteen_slots_and_two_levels_one() {
    let slots = |levels| MaskedTtfs::plain(Quantizer::new(levels, 1.0, 0).unwrap()).slots();
    assert_eq!((slots(16), slots(2)), (15, 1));
}

#[test]
fn equal_counts_go_to_the_level_near_zero_and_then_to_the_lower() {
    let quantizer = Quantizer::new(8, 1.0, 3).unwrap();
    let mode = |levels: &[u32]| {
        let mut histogram = Histogram::new(8);
        histogram.add(levels.iter().copied()).unwrap();
        histogram.mode(&quantizer).unwrap()
    };
    assert_eq!(mode(&[0, 0, 4, 4]), 4);
    assert_eq!(mode(&[2, 4]), 2);
    assert_eq!(mode(&[7, 7, 3]), 7);
}

#[test]
fn an_analog_line_is_as_noisy_as_it_says() {
    let x = ArrayD::from_elem(vec![4000], 0.5f32);
    let converter = Converter::new(1.0, Some(8)).unwrap();
    let noisy = Analog { steps: 5, converter, noise: 0.1, seed: 3 }.encode(&x).unwrap();
    let centre = converter.convert(0.5) as f32;
    let variance = noisy.mapv(|y| (y - centre).powi(2)).mean().unwrap();
    assert!((variance.sqrt() / 0.1 - 1.0).abs() < 0.03, "{variance}");
}

#[test]
fn what_makes_no_code_is_refused() {
    for (levels, step, z) in
        [(0, 1.0, 0), (1, 1.0, 0), (70_000, 1.0, 0), (4, 0.0, 0), (4, f32::NAN, 0), (4, -1.0, 0)]
    {
        assert!(Quantizer::new(levels, step, z).is_err(), "{levels} {step} {z}");
    }
    assert!(Quantizer::new(4, 1.0, i32::MIN).is_err());
    let quantizer = Quantizer::new(4, 1.0, 1).unwrap();
    let error = MaskedTtfs::new(quantizer, 4, 0).unwrap_err().to_string();
    assert_eq!(error, "mask level 4, expected 0 to 3, a level of the code");
    let code = MaskedTtfs::new(quantizer, 1, 1).unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = code.encode(&arr1(&[0.0, bad]).into_dyn()).unwrap_err();
        assert!(error.to_string().starts_with("element 1 is "), "{error}");
        assert!(Histogram::of(&quantizer, &arr1(&[bad]).into_dyn()).is_err());
        assert!(Quantizer::covering(4, &arr1(&[bad]).into_dyn()).is_err());
        assert!(TtfsLinear::new(ndarray::arr2(&[[bad]]).view(), None).is_err());
    }
    assert_eq!(Quantizer::covering(4, &ArrayD::zeros(vec![0])), Err(TtfsError::Unseen));
    assert_eq!(Histogram::new(4).mode(&quantizer), Err(TtfsError::Unseen));
    let times = |t: u32| Times::from_elem(vec![1], Some(t));
    // Levels 0, 1 and 2 are silent, level 3 has slot 0.
    assert!(code.decode(&times(0)).is_ok());
    for empty in [1, 2, 3, u32::MAX] {
        let error = code.decode(&times(empty)).unwrap_err();
        assert_eq!(error, TtfsError::Slot { index: 0, found: empty, slots: 3 });
    }
    assert!(code.times_of(&ArrayD::from_elem(vec![1], 4)).is_err());
    let twice = ArrayD::from_elem(vec![3, 2], true);
    let error = code.times_of_spikes(&twice).unwrap_err();
    assert_eq!(error, TtfsError::Spikes { index: 0, found: 3 });
    assert!(code.times_of_spikes(&ArrayD::from_elem(vec![4, 2], false)).is_err());
    assert!(code.times_of_spikes(&ArrayD::from_elem(vec![], false)).is_err());
    let linear = TtfsLinear::new(ndarray::arr2(&[[1.0, 2.0]]).view(), None).unwrap();
    assert!(linear.forward(&code, &times(0)).is_err(), "one channel instead of two");
    assert!(linear.forward(&code, &Times::from_elem(vec![2], Some(2))).is_err());
    assert!(linear.forward_dense(&code, &ArrayD::zeros(vec![])).is_err());
    let error = TtfsLinear::new(ndarray::arr2(&[[1.0, 2.0]]).view(), Some(&[])).unwrap_err();
    assert_eq!(error.to_string(), "a bias of 0, expected 1");
}
