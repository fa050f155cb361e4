//! Laws of the encoders.

use ndarray::{ArrayD, Axis};
use proptest::prelude::*;
use snn_core::encode::{Latency, LatencyCurve, Phase, Poisson, direct};

fn intensities() -> impl Strategy<Value = ArrayD<f32>> {
    prop::collection::vec(0.0f32..=1.0, 1..40)
        .prop_map(|x| ArrayD::from_shape_vec(vec![x.len()], x).unwrap())
}

proptest! {
    #[test]
    fn direct_repeats(x in intensities(), steps in 0usize..5) {
        let coded = direct(&x, steps);
        prop_assert_eq!(coded.shape()[0], steps);
        for step in coded.axis_iter(Axis(0)) {
            prop_assert_eq!(&step, &x.view());
        }
    }

    #[test]
    fn poisson_repeats_with_its_seed(x in intensities(), seed: u64, steps in 1usize..6) {
        let spikes = Poisson { steps, seed }.encode(&x).unwrap();
        let longer = Poisson { steps: steps + 2, seed }.encode(&x).unwrap();
        for (a, b) in spikes.axis_iter(Axis(0)).zip(longer.axis_iter(Axis(0))) {
            prop_assert_eq!(a, b);
        }
    }

    #[test]
    fn latency_fires_once_and_the_strong_fire_first(x in intensities(), steps in 1usize..20) {
        for curve in [LatencyCurve::Linear, LatencyCurve::Logarithmic] {
            let latency = Latency { steps, curve };
            let spikes = latency.encode(&x).unwrap();
            for (i, &a) in x.iter().enumerate() {
                let of_one = spikes.index_axis(Axis(1), i);
                prop_assert_eq!(of_one.iter().filter(|s| **s).count(), 1);
                for &b in &x {
                    prop_assert!(a < b || latency.time(a) <= latency.time(b));
                }
            }
            prop_assert_eq!((latency.time(1.0), latency.time(0.0)), (0, steps - 1));
        }
    }

    #[test]
    fn phase_decodes_to_what_its_bits_hold(
        x in intensities(), phases in 1u32..=24, periods in 1usize..3,
    ) {
        let phase = Phase { phases, periods };
        let decoded = phase.decode(&phase.encode(&x).unwrap());
        for (&x, &y) in x.iter().zip(&decoded) {
            prop_assert!(y <= x && x - y <= 0.5f32.powi(phases as i32), "{x} became {y}");
        }
    }
}

#[test]
fn poisson_rates_are_the_intensities() {
    let x = ArrayD::from_shape_fn(vec![5, 4000], |i| i[0] as f32 / 4.0);
    let spikes = Poisson { steps: 5, seed: 3 }.encode(&x).unwrap();
    for (i, p) in [0.0, 0.25, 0.5, 0.75, 1.0].into_iter().enumerate() {
        let of_row = spikes.index_axis(Axis(1), i);
        let rate = of_row.iter().filter(|s| **s).count() as f64 / 20_000.0;
        let four_sigma = 4.0 * (p * (1.0 - p) / 20_000f64).sqrt();
        assert!((rate - p).abs() <= four_sigma, "{p} fired at {rate}");
    }
}

#[test]
fn what_is_no_intensity_is_refused() {
    for bad in [-0.1, 1.5, f32::NAN, f32::INFINITY] {
        let x = ArrayD::from_shape_vec(vec![2], vec![0.5, bad]).unwrap();
        let error = Poisson { steps: 1, seed: 0 }.encode(&x).unwrap_err();
        assert_eq!(error.index, 1);
        assert!(Latency { steps: 1, curve: LatencyCurve::Linear }.encode(&x).is_err());
        let error = Phase { phases: 1, periods: 1 }.encode(&x).unwrap_err().to_string();
        assert!(error.starts_with("element 1 is "), "{error}");
    }
}
