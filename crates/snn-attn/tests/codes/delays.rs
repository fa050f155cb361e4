use ndarray::{Array2, Array5, array};
use proptest::{collection::vec, prelude::*};
use snn_attn::codes::{Delays, Synchrony};
use snn_hash::BitCodes;

/// Spikes `[T, B, H, N, b]` and delays `[H, b]` in quarters of steps.
fn trains() -> impl Strategy<Value = (Array5<f64>, Array2<f64>)> {
    (1..7usize, 1..3usize, 1..3usize, 1..3usize, 1..4usize).prop_flat_map(|(t, b, h, n, r)| {
        (vec(any::<bool>(), t * b * h * n * r), vec(-12..=12i8, h * r)).prop_map(
            move |(spikes, delta)| {
                let spikes = spikes.iter().map(|&s| f64::from(u8::from(s))).collect();
                let delta = delta.iter().map(|&d| f64::from(d) / 4.0).collect();
                (
                    Array5::from_shape_vec((t, b, h, n, r), spikes).unwrap(),
                    Array2::from_shape_vec((h, r), delta).unwrap(),
                )
            },
        )
    })
}

/// Codes of every step, a token after the other.
pub(crate) fn packed(spikes: &Array5<f64>) -> Vec<BitCodes> {
    let bits = spikes.dim().4;
    spikes
        .outer_iter()
        .map(|step| {
            let step = step.to_owned();
            let tokens = step.len() / bits;
            BitCodes::from_signs(step.into_shape_with_order((tokens, bits)).unwrap().view())
        })
        .collect()
}

fn count(steps: &[BitCodes]) -> u32 {
    steps.iter().flat_map(|step| step.words()).map(|word| word.count_ones()).sum()
}

proptest! {
    #[test]
    fn soft_and_hard_shifts_agree_at_whole_delays((spikes, delta) in trains()) {
        let delays = Delays::new(delta.mapv(f64::round));
        let soft = delays.soft(&spikes);
        prop_assert!(soft.iter().all(|&s| s == 0.0 || s == 1.0));
        prop_assert_eq!(delays.hard(&packed(&spikes), spikes.dim().3), packed(&soft));
    }

    #[test]
    fn no_shift_changes_nothing_and_no_shift_adds_spikes((spikes, delta) in trains()) {
        let (steps, tokens) = (packed(&spikes), spikes.dim().3);
        let none = Delays::new(Array2::<f64>::zeros(delta.dim()));
        prop_assert_eq!(&none.hard(&steps, tokens), &steps);
        prop_assert_eq!(none.soft(&spikes), &spikes);
        let shifted = Delays::new(delta);
        prop_assert!(count(&shifted.hard(&steps, tokens)) <= count(&steps));
        prop_assert!(shifted.soft(&spikes).sum() <= spikes.sum());
    }

    #[test]
    fn shifts_of_one_sign_add_up((spikes, _) in trains(), a in 0..4i8, b in 0..4i8, back in any::<bool>()) {
        let (_, _, h, tokens, r) = spikes.dim();
        let sign = if back { -1.0 } else { 1.0 };
        let by = |n: i8| Delays::new(Array2::from_elem((h, r), sign * f64::from(n)));
        let steps = packed(&spikes);
        let twice = by(b).hard(&by(a).hard(&steps, tokens), tokens);
        prop_assert_eq!(twice, by(a + b).hard(&steps, tokens));
    }

    #[test]
    fn gradients_are_finite_differences((spikes, delta) in trains(), salt in 1..50usize) {
        let upstream = Array5::from_shape_fn(spikes.dim(), |(t, b, h, n, r)| {
            ((t * 7 + b * 5 + h * 3 + n * 11 + r * 13) * salt % 9) as f64 - 4.0
        });
        let found = Delays::new(delta.clone()).backward(&spikes, &upstream);
        let loss = |delta: &Array2<f64>, spikes: &Array5<f64>| {
            (Delays::new(delta.clone()).soft(spikes) * &upstream).sum()
        };
        // The form is linear between whole delays; at one, to its right.
        let step = 0.125;
        for i in 0..delta.len() {
            let mut moved = delta.clone();
            moved.as_slice_mut().unwrap()[i] += step;
            let expected = (loss(&moved, &spikes) - loss(&delta, &spikes)) / step;
            prop_assert!((found.delta.as_slice().unwrap()[i] - expected).abs() < 1e-9);
        }
        let mut moved = spikes.clone();
        for i in 0..spikes.len() {
            moved.as_slice_mut().unwrap()[i] += 1.0;
            let expected = loss(&delta, &moved) - loss(&delta, &spikes);
            moved.as_slice_mut().unwrap()[i] -= 1.0;
            prop_assert!((found.spikes.as_slice().unwrap()[i] - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn clamped_delays_stay_in_reach((_, delta) in trains(), steps in 1..8usize, causal in any::<bool>()) {
        let clamped = Delays::new(delta * 4.0).clamped(steps, causal);
        let reach = 4.min(steps - 1) as f64;
        let least = if causal { 0.0 } else { -reach };
        prop_assert!(clamped.delta().iter().all(|d| (least..=reach).contains(d)));
    }

    #[test]
    fn synchrony_is_a_symmetric_rate((spikes, delta) in trains(), tolerance in 0..4usize) {
        let a = packed(&spikes);
        let b = Delays::new(delta).hard(&a, spikes.dim().3);
        let rate = |a: &[BitCodes], b: &[BitCodes]| {
            let mut synchrony = Synchrony::default();
            synchrony.add(a, b);
            let mut tolerant = Synchrony::default();
            tolerant.add_tolerant(a, b, tolerance);
            assert!(tolerant.coincident >= synchrony.coincident || tolerance > 0);
            assert_eq!(tolerant.spikes, synchrony.spikes);
            (synchrony.rate(), tolerant.rate())
        };
        let (exact, tolerant) = rate(&a, &b);
        prop_assert_eq!((exact, tolerant), rate(&b, &a));
        let inside = |rate: Option<f64>| rate.is_none_or(|rate| (0.0..=1.0).contains(&rate));
        prop_assert!(inside(exact) && inside(tolerant));
        let whole = (count(&a) > 0).then_some(1.0);
        prop_assert_eq!(rate(&a, &a), (whole, whole));
    }
}

#[test]
fn halves_round_to_even() {
    let delays = Delays::new(array![[0.5, 1.5, -0.5, 2.5, -1.5]]);
    assert_eq!(delays.steps(), array![[0, 2, 0, 2, -2]]);
}

#[test]
fn spikes_meet_within_tolerance_once() {
    let train = |times: &[usize]| -> Vec<BitCodes> {
        (0..10).map(|t| BitCodes::from_fn(1, 1, |_, _| times.contains(&t))).collect()
    };
    let meet = |a: &[usize], b: &[usize], tolerance| {
        let mut synchrony = Synchrony::default();
        synchrony.add_tolerant(&train(a), &train(b), tolerance);
        synchrony.coincident
    };
    assert_eq!(meet(&[2, 5], &[3, 8], 0), 0);
    assert_eq!(meet(&[2, 5], &[3, 8], 1), 1);
    assert_eq!(meet(&[2, 5], &[3, 8], 3), 2);
    // One spike cannot meet two.
    assert_eq!(meet(&[4], &[3, 5], 2), 1);
}

/// A delay that was planted is found by descent from none, on trains that a mean smooths.
#[test]
fn planted_delays_are_learned() {
    let smooth = |t: usize, late: usize| {
        let pulse = |t: i64| f64::from(u8::from(t == 4 || t == 11));
        (-3..=3)
            .map(|u| pulse(t as i64 - late as i64 + u) * (4 - u.abs()) as f64 / 16.0)
            .sum::<f64>()
    };
    let signal = |late| Array5::from_shape_fn((16, 1, 1, 1, 1), |(t, ..)| smooth(t, late));
    for planted in 0..=2usize {
        let (spikes, target) = (signal(0), signal(planted));
        let mut delta = array![[0.0]];
        for _ in 0..400 {
            let delays = Delays::new(delta.clone());
            let upstream = (delays.soft(&spikes) - &target) * 2.0;
            let gradient = delays.backward(&spikes, &upstream).delta;
            delta = Delays::new(delta - gradient * 0.5).clamped(16, false).delta().clone();
        }
        let error = (delta[[0, 0]] - planted as f64).abs();
        assert!(error < 0.5, "{planted} planted, {} found", delta[[0, 0]]);
    }
}
