//! Laws of learned hash functions.

use ndarray::{Array2, Array3, Array4};
use proptest::{collection::vec, prelude::*};
use snn_hash::{Fit, HashError, KernelHash, rbf::labels, straight_through};

/// Tokens `[B, H, N, D]` and functions that fit them.
fn hashed() -> impl Strategy<Value = (Array4<f64>, KernelHash<f64>)> {
    (1..=2usize, 1..=2usize, 2..=6usize, 2..=5usize, 1..=4usize, 1..=9usize).prop_flat_map(
        |(b, h, n, d, m, bits)| {
            let numbers = |count| vec(-2.0..2.0f64, count);
            let parts = (numbers(b * h * n * d), numbers(h * m * d), vec(0.0..1.0, h * m));
            (parts, numbers(h * bits * m)).prop_map(move |((x, p, c), a)| {
                let x = Array4::from_shape_vec((b, h, n, d), x).unwrap();
                let support = Array3::from_shape_vec((h, m, d), p).unwrap();
                let centre = Array2::from_shape_vec((h, m), c).unwrap();
                let projection = Array3::from_shape_vec((h, bits, m), a).unwrap();
                (x, KernelHash::new(support, centre, projection).unwrap())
            })
        },
    )
}

proptest! {
    #[test]
    fn the_length_of_a_token_is_free(
        (x, hash) in hashed(), powers in vec(-3..4i32, 12),
    ) {
        // Powers of two: lengths scale without rounding.
        let mut scaled = x.clone();
        for (mut token, &power) in scaled.rows_mut().into_iter().zip(powers.iter().cycle()) {
            token *= 2f64.powi(power);
        }
        prop_assert_eq!(hash.hash(scaled.view()).codes(), hash.hash(x.view()).codes());
    }

    #[test]
    fn bits_are_signs((x, hash) in hashed()) {
        let hashed = hash.hash(x.view());
        let codes = hashed.codes();
        for (i, row) in hashed.y.rows().into_iter().enumerate() {
            for (r, &y) in row.iter().enumerate() {
                prop_assert_eq!(codes.get(i, r), y > 0.0);
            }
        }
    }

    #[test]
    fn equal_tokens_get_equal_codes((mut x, hash) in hashed()) {
        let first = x.slice(ndarray::s![.., .., 0, ..]).to_owned();
        x.slice_mut(ndarray::s![.., .., 1, ..]).assign(&first);
        let y = hash.hash(x.view()).y;
        prop_assert_eq!(y.slice(ndarray::s![.., .., 0, ..]), y.slice(ndarray::s![.., .., 1, ..]));
    }

    #[test]
    fn gradients_are_finite_differences((x, hash) in hashed(), seed in any::<u32>()) {
        // Away from zero, where a direction has no gradient.
        prop_assume!(x.rows().into_iter().all(|token| token.dot(&token) > 0.1));
        let hashed = hash.hash(x.view());
        let upstream = Array4::from_shape_fn(hashed.y.dim(), |(b, h, n, r)| {
            f64::from((seed as usize + 7 * b + 5 * h + 3 * n + r) as u32 % 11) - 5.0
        });
        let found = hash.backward(&hashed, &upstream).x;
        let loss = |x: &Array4<f64>| (&hash.hash(x.view()).y * &upstream).sum();
        let step = 1e-5;
        for i in 0..x.len() {
            let moved = |by: f64| {
                let mut x = x.clone();
                x.as_slice_mut().unwrap()[i] += by;
                loss(&x)
            };
            let expected = (moved(step) - moved(-step)) / (2.0 * step);
            let found = found.as_slice().unwrap()[i];
            prop_assert!((found - expected).abs() <= 1e-4 * (1.0 + expected.abs()), "{found} {expected}");
        }
    }

    #[test]
    fn signs_pass_gradients_inside_the_unit_interval_only(y in vec(-3i8..=3, 1..20)) {
        let y = Array4::from_shape_fn((1, 1, 1, y.len()), |i| f64::from(y[i.3]) / 2.0);
        let passed = straight_through(&y, &Array4::from_elem(y.dim(), 7.0));
        prop_assert_eq!(passed, y.mapv(|y| if -1.0 < y && y < 1.0 { 7.0 } else { 0.0 }));
    }

    #[test]
    fn labels_are_the_ends_of_each_row((x, _) in hashed(), neighbours in 0..8usize) {
        let n = x.dim().2;
        for row in labels(&x, neighbours).rows() {
            let count = neighbours.min(n);
            let dissimilar = row.iter().filter(|&&label| label == -1).count();
            let similar = row.iter().filter(|&&label| label == 1).count();
            prop_assert_eq!(dissimilar, count);
            prop_assert_eq!(similar, count.min(n - count));
        }
    }

    #[test]
    fn the_seed_decides((x, _) in hashed(), seed in any::<u64>()) {
        let fit = Fit { neighbours: 1, rate: 0.5, ..Fit::default() };
        let learn = |seed| fit.learn(x.view(), 2, 4, seed).unwrap();
        prop_assert_eq!(learn(seed), learn(seed));
        prop_assert_ne!(learn(seed), learn(seed ^ 1));
    }
}

/// Two directions, tokens around each in turn.
fn clusters() -> Array4<f64> {
    Array4::from_shape_fn((1, 1, 40, 8), |(_, _, n, c)| {
        let noise = ((n * 31 + c * 17) % 13) as f64 / 13.0 - 0.5;
        f64::from(u8::from(c / 4 == n % 2)) + 0.3 * noise
    })
}

#[test]
fn what_is_similar_gets_near_codes() {
    let x = clusters();
    let fit = Fit { neighbours: 10, rate: 1.0, ..Fit::default() };
    let mut gap = 0.0;
    for seed in 0..5 {
        let codes = fit.learn(x.view(), 10, 16, seed).unwrap().hash(x.view()).codes();
        let mean = |same: bool| {
            let pairs = (0..40).flat_map(|i| (0..i).map(move |j| (i, j)));
            let pairs: Vec<_> = pairs.filter(|(i, j)| ((i + j) % 2 == 0) == same).collect();
            let sum: u32 = pairs.iter().map(|&(i, j)| codes.distance(i, &codes, j)).sum();
            f64::from(sum) / pairs.len() as f64
        };
        gap += mean(false) - mean(true);
    }
    // Of 16 bits, most tell the two apart.
    assert!(gap / 5.0 > 8.0, "{gap}");
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let new = |points: usize, centre: usize, projection: (usize, usize, usize)| {
        let support = Array3::<f32>::ones((2, points, 4));
        KernelHash::new(support, Array2::ones((2, centre)), Array3::ones(projection))
    };
    assert!(new(3, 3, (2, 8, 3)).is_ok());
    let refuse = |result: Result<KernelHash<f32>, HashError>, reason: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    refuse(new(0, 0, (2, 8, 0)), "`support`");
    refuse(new(3, 2, (2, 8, 3)), "`centre`");
    refuse(new(3, 3, (1, 8, 3)), "`projection`");
    refuse(new(3, 3, (2, 0, 3)), "b above 0");
    refuse(new(3, 3, (2, 8, 2)), "`projection`");
    let x = clusters().mapv(|v| v as f32);
    refuse(Fit::default().learn(x.view(), 41, 8, 0), "41 support points from 40 tokens");
    refuse(Fit::default().learn(x.mapv(|_| f32::NAN).view(), 4, 8, 0), "bit 0 diverged");
}

#[test]
fn a_token_of_zeros_is_hashed() {
    let mut x = clusters();
    x.slice_mut(ndarray::s![.., .., 0, ..]).fill(0.0);
    let hash = Fit::default().learn(x.view(), 5, 8, 3).unwrap();
    assert!(hash.hash(x.view()).y.iter().all(|y| y.is_finite()));
}
