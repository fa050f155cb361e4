//! Laws of analog devices.

use ndarray::ArrayD;
use proptest::prelude::*;
use snn_core::analog::{Converter, DifferentialPair, Noise};

proptest! {
    #[test]
    fn a_pair_is_its_weight(w in -3.0f32..3.0, greatest in 0.1f32..4.0) {
        let pair = DifferentialPair::of(w, greatest);
        prop_assert_eq!(pair.weight(), w.clamp(-greatest, greatest));
        prop_assert!(pair.plus.min(pair.minus) == 0.0 && pair.plus.max(pair.minus) <= greatest);
    }

    #[test]
    fn a_converter_is_odd_monotone_and_within_its_limits(
        a in -9.0f64..9.0, b in -9.0f64..9.0, limit in 0.1f64..5.0, bits in prop::option::of(2u32..12),
    ) {
        let converter = Converter::new(limit, bits).unwrap();
        prop_assert_eq!(converter.convert(-a), -converter.convert(a));
        prop_assert!(a > b || converter.convert(a) <= converter.convert(b));
        prop_assert!(converter.convert(a).abs() <= limit * (1.0 + 1e-12));
        let inside = a.clamp(-limit, limit);
        prop_assert!((converter.convert(a) - inside).abs() <= converter.step() / 2.0 + 1e-12);
        prop_assert_eq!(converter.convert(0.0), 0.0);
    }

    #[test]
    fn noise_repeats_with_its_seed(seed: u64, rows in 1usize..5, columns in 1usize..5) {
        let w = ArrayD::from_shape_fn(vec![rows, columns], |i| (i[0] + i[1]) as f32);
        let noise = Noise::TYPICAL;
        let programmed = noise.program(&w, seed, "w");
        prop_assert_eq!(&programmed, &noise.program(&w, seed, "w"));
        prop_assert_ne!(&programmed, &noise.program(&(&w + 1.0), seed, "v"));
        prop_assert!(w.iter().zip(&programmed).all(|(w, p)| *w != 0.0 || *p == 0.0), "off is off");
        let greatest = vec![1.0; columns];
        let read = |reading| noise.reading(&[rows, columns], &greatest, (seed, reading), "w");
        prop_assert_eq!(read(0), read(0));
        prop_assert_ne!(read(0), read(1));
    }

    #[test]
    fn without_noise_nothing_changes(seed: u64, w in prop::collection::vec(-2.0f32..2.0, 1..9)) {
        let w = ndarray::arr1(&w).into_dyn();
        let ideal = Noise::default();
        prop_assert_eq!(&ideal.program(&w, seed, "w"), &w);
        prop_assert!(ideal.thresholds(5, seed, "w").iter().all(|&t| t == 1.0));
        prop_assert!(ideal.reading(&[3, 2], &[1.0, 9.0], (seed, 4), "w").iter().all(|&x| x == 0.0));
    }
}

#[test]
fn noise_is_as_strong_as_it_says() {
    let noise = Noise { programming: 0.1, read: 0.2, threshold: 0.05 };
    let deviation = |x: &mut dyn Iterator<Item = f32>| {
        let x: Vec<f64> = x.map(f64::from).collect();
        (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt()
    };
    let ones = ArrayD::from_elem(vec![100, 100], 1.0f32);
    let programmed = deviation(&mut noise.program(&ones, 1, "w").iter().map(|w| w - 1.0));
    let read =
        noise.reading(&[5000, 2], &[1.0, 3.0], (1, 0), "w").index_axis_move(ndarray::Axis(1), 1);
    let thresholds = noise.thresholds(10_000, 1, "w");
    assert!((programmed / 0.1 - 1.0).abs() < 0.05, "{programmed}");
    assert!((deviation(&mut read.iter().copied()) / 0.6 - 1.0).abs() < 0.05);
    let found = deviation(&mut thresholds.iter().map(|t| t - 1.0));
    assert!((found / 0.05 - 1.0).abs() < 0.05, "{found}");
}

#[test]
fn devices_that_cannot_be_are_refused() {
    for (limit, bits) in [(0.0, None), (f64::NAN, None), (f64::INFINITY, None), (1.0, Some(1))] {
        assert!(Converter::new(limit, bits).is_err());
    }
    for bad in [-0.1, f64::NAN, f64::INFINITY] {
        let error = Noise { read: bad, ..Noise::TYPICAL }.validate().unwrap_err().to_string();
        assert!(error.starts_with("read is "), "{error}");
    }
    Noise::TYPICAL.validate().unwrap();
}
