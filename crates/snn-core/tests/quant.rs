//! Laws of quantised weights.

use ndarray::{ArrayD, arr2};
use proptest::{collection::vec, prelude::*};
use snn_core::quant::{
    Base, Log1pWeights, LogCode, NF4, Nested, Nf4, QuantError, pack, signed_dynamic_map, unpack,
};

fn weights() -> impl Strategy<Value = Vec<f32>> {
    let one = prop_oneof![4 => -3.0f32..3.0, 1 => Just(0.0f32), 1 => -1e-3f32..1e-3];
    vec(one, 0..300)
}

fn matrices() -> impl Strategy<Value = ArrayD<f32>> {
    (0usize..5, 0usize..20).prop_flat_map(|(rows, columns)| {
        let one = prop_oneof![5 => -3.0f32..3.0, 1 => Just(0.0f32), 1 => -1e-3f32..1e-3];
        vec(one, rows * columns)
            .prop_map(move |w| ArrayD::from_shape_vec(vec![rows, columns], w).unwrap())
    })
}

fn log_codes() -> impl Strategy<Value = LogCode> {
    (2u32..=8, prop_oneof![Just(Base::Two), Just(Base::RootTwo)])
        .prop_map(|(bits, base)| LogCode::new(bits, base).unwrap())
}

fn blocks() -> impl Strategy<Value = Nf4> {
    (5u32..=12).prop_map(|bits| Nf4::new(1 << bits).unwrap())
}

proptest! {
    #[test]
    fn log_codes_of_what_they_gave_are_themselves(code in log_codes(), w in matrices()) {
        for once in [code.quantize(&w).unwrap(), code.search(&w).unwrap()] {
            let again = code.quantize(&once.dequantize()).unwrap();
            // The search may leave a row without its greatest code.
            for (a, b) in once.dequantize().iter().zip(&again.dequantize()) {
                prop_assert!((a - b).abs() <= 1e-6 * a.abs(), "{a} {b}");
            }
        }
    }

    #[test]
    fn log_codes_mirror_and_grow_with_the_weight(code in log_codes(), w in matrices()) {
        let quantized = code.quantize(&w).unwrap();
        let mirrored = code.quantize(&w.mapv(|w| -w)).unwrap();
        prop_assert_eq!(&quantized.codes.mapv(|c| -c), &mirrored.codes);
        for (row, codes) in w.outer_iter().zip(quantized.codes.outer_iter()) {
            let mut pairs: Vec<_> = row.iter().zip(codes).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(b.0));
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        }
    }

    #[test]
    fn log_codes_are_as_near_as_their_base(code in log_codes(), w in matrices()) {
        let quantized = code.quantize(&w).unwrap();
        let base = |bits: f64| match code {
            c if c == LogCode::new(c.bits(), Base::Two).unwrap() => bits,
            _ => bits / 2.0,
        };
        let bound = base(1.0).mul_add(0.5, 0.0).exp2() - 1.0 + 1e-6;
        let values = quantized.dequantize();
        for (i, row) in w.outer_iter().enumerate() {
            let s = quantized.scales[i];
            let greatest = row.iter().fold(0f32, |a, w| a.max(w.abs()));
            prop_assert_eq!(s, greatest);
            for (j, &w) in row.iter().enumerate() {
                let (value, c) = (values[[i, j]], quantized.codes[[i, j]]);
                if c == 0 {
                    let least = f64::from(s) * base(0.5 - f64::from(code.greatest())).exp2();
                    prop_assert!(f64::from(w.abs()) <= least * 1.000_001);
                    prop_assert_eq!(value, 0.0);
                } else {
                    prop_assert!(f64::from((value - w).abs()) <= bound * f64::from(w.abs()));
                }
                prop_assert!(w.abs() < greatest || value == w, "the greatest is exact");
            }
        }
    }

    #[test]
    fn a_searched_scale_is_no_worse(code in log_codes(), w in matrices()) {
        let error = |x: &ArrayD<f32>| (x - &w).mapv(|d| f64::from(d).powi(2)).sum();
        let plain = error(&code.quantize(&w).unwrap().dequantize());
        prop_assert!(error(&code.search(&w).unwrap().dequantize()) <= plain);
    }

    #[test]
    fn log_codes_survive_packing(base in prop_oneof![Just(Base::Two), Just(Base::RootTwo)], w in matrices()) {
        let code = LogCode::new(4, base).unwrap();
        let quantized = code.quantize(&w).unwrap();
        let bytes = quantized.packed().unwrap();
        prop_assert_eq!(bytes.len(), w.len().div_ceil(2));
        let back = code.unpack(&bytes, quantized.scales.clone(), w.shape()).unwrap();
        prop_assert_eq!(back, quantized);
    }

    #[test]
    fn shifts_give_the_product(w in matrices(), x in vec(-20i32..20, 20)) {
        let quantized = LogCode::new(4, Base::Two).unwrap().quantize(&w).unwrap();
        let x = &x[..w.shape()[1]];
        let sums = quantized.shift_sums(x).unwrap();
        for ((row, sum), s) in quantized.dequantize().outer_iter().zip(sums).zip(&quantized.scales) {
            let product: f64 = row.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
            let shifted = sum as f64 * f64::from(*s) / 64.0;
            prop_assert!((product - shifted).abs() <= 1e-4, "{product} {shifted}");
        }
    }

    #[test]
    fn log1p_keeps_signs_zeros_and_the_greatest(w in matrices()) {
        let quantized = Log1pWeights::quantize(&w, 4).unwrap();
        let values = quantized.dequantize();
        let greatest = w.iter().fold(0f32, |a, w| a.max(w.abs()));
        let step = f64::from(quantized.delta);
        for (&w, &value) in w.iter().zip(&values) {
            prop_assert!(value * w >= 0.0 && (w != 0.0 || value == 0.0));
            let off = f64::from(w.abs()).ln_1p() - f64::from(value.abs()).ln_1p();
            prop_assert!(off.abs() <= step * 0.500_01 + 1e-6);
            if w.abs() == greatest {
                prop_assert!((value - w).abs() <= 1e-5 * w.abs());
            }
        }
    }

    #[test]
    fn nibbles_come_back(codes in vec(0u8..16, 0..50), pad in 0u8..16) {
        let bytes = pack(&codes, pad);
        prop_assert_eq!(bytes.len(), codes.len().div_ceil(2));
        prop_assert_eq!(&unpack(&bytes, codes.len()).unwrap(), &codes);
        prop_assert!(codes.is_empty() || bytes[0] >> 4 == codes[0]);
    }

    #[test]
    fn nf4_of_what_it_gave_is_itself(nf4 in blocks(), w in weights()) {
        let once = nf4.quantize(&w).unwrap();
        prop_assert_eq!(nf4.quantize(&once.dequantize()).unwrap(), once);
    }

    #[test]
    fn nf4_is_monotone_near_and_exact_at_the_greatest(nf4 in blocks(), w in weights()) {
        let quantized = nf4.quantize(&w).unwrap();
        prop_assert_eq!(quantized.packed.len(), w.len().div_ceil(2));
        let (codes, values) = (quantized.codes(), quantized.dequantize());
        for (b, block) in w.chunks(nf4.block()).enumerate() {
            let at = b * nf4.block();
            let absmax = quantized.absmax[b];
            let mut pairs: Vec<_> = block.iter().zip(&codes[at..]).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(b.0));
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1));
            for (&w, &value) in block.iter().zip(&values[at..]) {
                prop_assert!((w - value).abs() <= 0.152 * absmax, "{w} became {value}");
                prop_assert!(w.abs() < absmax || value == w);
                prop_assert!(w != 0.0 || value == 0.0);
            }
        }
    }

    #[test]
    fn a_power_of_two_scales_blocks_and_keeps_codes(nf4 in blocks(), w in weights(), n in -20i32..20) {
        let scaled: Vec<f32> = w.iter().map(|w| w * 2f32.powi(n)).collect();
        let (a, b) = (nf4.quantize(&w).unwrap(), nf4.quantize(&scaled).unwrap());
        prop_assert_eq!(&a.packed, &b.packed);
        prop_assert!(a.absmax.iter().zip(&b.absmax).all(|(a, b)| a * 2f32.powi(n) == *b));
    }

    #[test]
    fn spikes_meet_the_weights_of_nf4(nf4 in blocks(), inputs in 1usize..40, w in weights(), seed: u64) {
        let w = &w[..w.len() / inputs * inputs];
        let quantized = nf4.quantize(w).unwrap();
        let spikes: Vec<bool> = (0..inputs).map(|i| seed >> (i % 64) & 1 == 1).collect();
        let found = quantized.spike_products(&spikes).unwrap();
        for (row, found) in quantized.dequantize().chunks(inputs).zip(found) {
            let dense: f64 =
                row.iter().zip(&spikes).filter(|(_, s)| **s).map(|(&w, _)| f64::from(w)).sum();
            prop_assert!((dense - f64::from(found)).abs() <= 1e-4, "{dense} {found}");
        }
    }

    #[test]
    fn nested_scales_come_back_nearly(scales in vec(0.0f32..5.0, 0..600)) {
        let nested = Nested::of(&scales);
        let restored = nested.restore().unwrap();
        prop_assert_eq!(restored.len(), scales.len());
        // The map is coarsest below 1 in 64 and at its ends: gaps of 1/64 and 1/14.
        let widest = nested.absmax.iter().fold(0f32, |a, s| a.max(*s));
        for (a, b) in scales.iter().zip(&restored) {
            prop_assert!((a - b).abs() <= 0.01 * widest + 1e-5, "{a} became {b}");
        }
    }

    #[test]
    fn zeros_stay_zeros_through_nested_scales(count in 1usize..200, others in weights()) {
        let nf4 = Nf4::new(64).unwrap();
        let mut w = vec![0.0; count.next_multiple_of(64)];
        w.extend(others);
        let quantized = nf4.quantize(&w).unwrap();
        let nested = quantized.with_scales(quantized.nested().restore().unwrap()).unwrap();
        prop_assert!(nested.dequantize()[..count].iter().all(|&w| w == 0.0));
    }
}

#[test]
fn nf4_is_not_symmetric_and_ties_go_down() {
    let codes = |w: &[f32]| Nf4::new(64).unwrap().quantize(w).unwrap().codes();
    assert_eq!(codes(&[1.0, 0.1, -0.1]), [15, 8, 6]);
    assert_ne!(NF4[8], -NF4[6]);
    for (i, pair) in NF4.windows(2).enumerate() {
        let middle = (pair[0] + pair[1]) / 2.0;
        assert_eq!(codes(&[middle, 1.0])[0], i as u8);
    }
    assert_eq!(codes(&[]), [0u8; 0]);
}

#[test]
fn the_signed_dynamic_map_has_its_ends() {
    let map = signed_dynamic_map();
    assert!(map.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!((map[255], map[127]), (1.0, 0.0));
    assert!((map[0] + 0.992_968_75).abs() < 1e-7, "no -1, but {}", map[0]);
}

#[test]
fn what_cannot_be_quantised_is_refused() {
    let nf4 = Nf4::new(64).unwrap();
    for bad in [f32::NAN, f32::INFINITY] {
        let error = nf4.quantize(&[0.0, bad]).unwrap_err().to_string();
        assert_eq!(error, format!("weight 1 is {bad}, expected a finite number"));
        let matrix = arr2(&[[0.0, bad]]).into_dyn();
        assert!(LogCode::new(4, Base::Two).unwrap().quantize(&matrix).is_err());
        assert!(Log1pWeights::quantize(&matrix, 4).is_err());
    }
    for block in [0, 16, 63, 100, 8192] {
        assert_eq!(Nf4::new(block), Err(QuantError::Block { found: block }));
    }
    for bits in [0, 1, 9] {
        assert_eq!(LogCode::new(bits, Base::Two), Err(QuantError::Bits { found: bits }));
    }
    assert!(nf4.read(vec![0; 3], vec![1.0], 7).is_err());
    assert!(nf4.read(vec![0; 4], vec![1.0, 1.0], 7).is_err());
    assert!(nf4.read(vec![0; 4], vec![f32::NAN], 7).is_err());
    assert!(nf4.quantize(&[1.0; 7]).unwrap().spike_products(&[true; 3]).is_err());
    let four = LogCode::new(4, Base::Two).unwrap();
    let unused = four.unpack(&[0x80], vec![1.0], &[1, 2]).unwrap_err();
    assert_eq!(unused.to_string(), "code -8 of weight 0, expected -7 to 7");
    assert!(four.unpack(&[0, 0], vec![1.0], &[1, 2]).is_err());
    assert!(four.unpack(&[0], vec![], &[1, 2]).is_err());
    let three = LogCode::new(3, Base::Two).unwrap();
    assert!(three.quantize(&arr2(&[[1.0]]).into_dyn()).unwrap().packed().is_err());
    let nested = Nested { codes: vec![0; 3], absmax: vec![], offset: 0.0 };
    assert!(nested.restore().is_err());
}
