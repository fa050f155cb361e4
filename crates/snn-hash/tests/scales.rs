//! Laws of several scales, resolutions and steps.

use ndarray::{Array3, Array4, Axis, array, s};
use proptest::{collection::vec, prelude::*};
use snn_hash::{
    BitCodes, Fit, Fusion, Grid, HashError, MultiBandwidth, MultiCodes, Scale, softmax,
    temporal_difference, window_mean,
};

/// Codes of some items at scales of ragged widths.
fn multi() -> impl Strategy<Value = MultiCodes> {
    let width = prop_oneof![Just(1usize), Just(63), Just(64), Just(65), Just(72), 2..=40usize];
    (vec(width, 1..4), 1..6usize).prop_flat_map(|(widths, items)| {
        vec(any::<bool>(), widths.iter().sum::<usize>() * items).prop_map(move |bits| {
            let mut bits = bits.iter().copied().cycle();
            let scale =
                |&width: &usize| BitCodes::from_fn(items, width, |_, _| bits.next().unwrap());
            MultiCodes::new(widths.iter().map(scale).collect())
        })
    })
}

proptest! {
    #[test]
    fn similarities_lie_between_minus_one_and_one(codes in multi(), logits in vec(-3.0..3.0, 3)) {
        let alpha = softmax(&logits[..codes.scales().len()]);
        for fusion in [Fusion::Weighted(alpha), Fusion::Concat, Fusion::Max] {
            let all = codes.similarities(&codes, &fusion);
            prop_assert!(all.iter().all(|s| (-1.0 - 1e-12..=1.0 + 1e-12).contains(s)));
            prop_assert!(all.diag().iter().all(|s| (s - 1.0).abs() < 1e-12));
            prop_assert_eq!(&all, all.t());
        }
    }

    #[test]
    fn one_long_code_weighs_scales_by_their_bits(codes in multi()) {
        let bits: Vec<f64> = codes.scales().iter().map(|scale| scale.bits() as f64).collect();
        let total: f64 = bits.iter().sum();
        let alpha = bits.iter().map(|bits| bits / total).collect();
        let weighted = codes.similarities(&codes, &Fusion::Weighted(alpha));
        let concat = codes.similarities(&codes, &Fusion::Concat);
        let long = MultiCodes::new(vec![codes.concat()]);
        prop_assert_eq!(&concat, &long.similarities(&long, &Fusion::Max));
        prop_assert!(weighted.iter().zip(&concat).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn the_order_of_scales_is_free(codes in multi(), logits in vec(-3.0..3.0, 3)) {
        let mut alpha = softmax(&logits[..codes.scales().len()]);
        let all = codes.similarities(&codes, &Fusion::Weighted(alpha.clone()));
        alpha.reverse();
        let turned = MultiCodes::new(codes.scales().iter().rev().cloned().collect());
        let turned = turned.similarities(&turned, &Fusion::Weighted(alpha));
        prop_assert!(all.iter().zip(&turned).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn identical_queries_and_keys_share_codes_at_any_bandwidth(
        x in vec(-1.0..1.0f64, 24), c in 0.1..8.0f64,
    ) {
        let x = Array4::from_shape_vec((1, 2, 4, 3), x).unwrap();
        let support = x.slice(s![0, .., ..2, ..]).to_owned();
        let projection = Array3::from_shape_fn((2, 5, 2), |(h, r, m)| ((h + 3 * r + 5 * m) % 7) as f64 - 3.0);
        let scale = Scale { multiplier: c, centre: array![[0.0, 0.0], [0.0, 0.0]], projection };
        let hash = MultiBandwidth::new(support, vec![scale]).unwrap();
        let hash = hash.centre_on(x.view(), x.view());
        let codes = hash.hash(&[x.view(), x.view()]).codes();
        prop_assert_eq!(&codes[0], &codes[1]);
        // A side that is both has the same bandwidth.
        prop_assert_eq!(hash.hash(&[x.view()]).codes(), &codes[..1]);
    }

    /// One scale at the bandwidth of the tokens is fitted as a hash of its own is.
    #[test]
    fn a_single_scale_is_fitted_as_one_hash(x in vec(-1.0..1.0f64, 48), bits in 1..5usize, seed: u64) {
        let x = Array4::from_shape_vec((2, 2, 6, 2), x).unwrap();
        let fit = Fit { neighbours: 2, iterations: 20, ..Fit::default() };
        let expected = fit.learn(x.view(), 3, bits, seed).unwrap();
        // Without iterations a fit gives the projections that it starts from.
        let start = Fit { iterations: 0, ..fit }.learn(x.view(), 3, bits, seed).unwrap();
        let scale = |multiplier| Scale {
            multiplier,
            centre: start.centre().clone(),
            projection: start.projection().clone(),
        };
        let hash = MultiBandwidth::new(Array3::zeros((2, 3, 2)), vec![scale(1.0), scale(0.25)]);
        let found = hash.unwrap().fitted(&fit, x.view(), seed).unwrap();
        prop_assert_eq!(found.support(), expected.support());
        prop_assert_eq!(&found.scales()[0].centre, expected.centre());
        prop_assert_eq!(&found.scales()[0].projection, expected.projection());
        // Finer: features are smaller.
        let mean = |s: usize| found.scales()[s].centre.sum();
        prop_assert!(mean(1) < mean(0));
        let few = found.fitted(&fit, x.slice(s![.., .., ..2, ..]), seed);
        let told = matches!(few, Err(HashError::Tokens { points: 3, tokens: 2 }));
        prop_assert!(told);
    }

    #[test]
    fn blocks_are_means_and_give_their_codes_back(
        rows in 1..6usize, columns in 1..6usize, side in 1..4usize, values in vec(-9i8..9, 2 * 36 * 2),
    ) {
        let grid = Grid { rows, columns };
        let mut values = values.iter().cycle();
        let x = Array4::from_shape_simple_fn((2, 1, grid.tokens(), 2), || f64::from(*values.next().unwrap()));
        let pooled = grid.pool(x.view(), side);
        let blocks = grid.blocks(side);
        prop_assert_eq!(pooled.dim(), (2, 1, blocks.tokens(), 2));
        let codes = BitCodes::from_signs(pooled.to_shape((2 * blocks.tokens(), 2)).unwrap().view());
        let spread = grid.spread(&codes, side);
        for b in 0..2 {
            for (y, x_at) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                let block = y / side * blocks.columns + x_at / side;
                let inside = |i: &usize| i / columns / side == y / side && i % columns / side == x_at / side;
                let members: Vec<usize> = (0..grid.tokens()).filter(inside).collect();
                for c in 0..2 {
                    let sum: f64 = members.iter().map(|&i| x[[b, 0, i, c]]).sum();
                    prop_assert_eq!(pooled[[b, 0, block, c]], sum / members.len() as f64);
                }
                let token = b * grid.tokens() + y * columns + x_at;
                prop_assert_eq!(spread.code(token), codes.code(b * blocks.tokens() + block));
            }
        }
    }

    #[test]
    fn windows_average_what_there_is(values in vec(-9i8..9, 1..9), window in 1..5usize) {
        let x = Array3::from_shape_fn((values.len(), 1, 1), |i| f64::from(values[i.0]));
        let mean = window_mean(x.view(), window);
        for t in 0..values.len() {
            let seen = &values[(t + 1).saturating_sub(window)..=t];
            let sum: f64 = seen.iter().map(|&v| f64::from(v)).sum();
            prop_assert_eq!(mean[[t, 0, 0]], sum / seen.len() as f64);
        }
    }

    #[test]
    fn changes_add_up_to_the_signal(values in vec(any::<bool>(), 12)) {
        let x = Array3::from_shape_fn((4, 1, 3), |(t, _, c)| i32::from(values[3 * t + c]));
        let both = temporal_difference(x.view());
        prop_assert_eq!(both.slice(s![.., .., ..3]), &x);
        let change = both.slice(s![.., .., 3..]);
        prop_assert!(change.iter().all(|v| (-1..=1).contains(v)));
        for t in 0..4 {
            prop_assert_eq!(change.slice(s![..=t, .., ..]).sum_axis(Axis(0)), x.index_axis(Axis(0), t));
        }
    }
}
