use ndarray::{Array1, Array2, Axis, array, s};
use proptest::{collection::vec, prelude::*};
use snn_attn::codes::{LshCache, LshConfig, Part};
use snn_hash::lsh::{Hyperplanes, bit_agreement, collide_twice};

/// `softmax(K q / sqrt(D)) V`.
fn full(keys: &Array2<f64>, values: &Array2<f64>, query: &Array1<f64>) -> Array1<f64> {
    let logits = keys.dot(query) / (query.len() as f64).sqrt();
    let weights = logits.mapv(f64::exp);
    weights.dot(values) / weights.sum()
}

fn tokens() -> impl Strategy<Value = (Array2<f64>, Array2<f64>, Array1<f64>)> {
    (1..40usize).prop_flat_map(|n| {
        (vec(-2.0..2.0f64, n * 4), vec(-2.0..2.0f64, n * 3), vec(-2.0..2.0f64, 4)).prop_map(
            move |(keys, values, query)| {
                let keys = Array2::from_shape_vec((n, 4), keys).unwrap();
                (keys, Array2::from_shape_vec((n, 3), values).unwrap(), query.into())
            },
        )
    })
}

fn near(a: &Array1<f64>, b: &Array1<f64>, tolerance: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

proptest! {
    #[test]
    fn short_prompts_are_dense((keys, values, query) in tokens(), seed in any::<u64>()) {
        let config = LshConfig { sink: 10, local: 30 };
        let planes = Hyperplanes::draw(4, 6, 8, seed);
        let mut cache = LshCache::prefill(config, planes, keys.view(), values.view());
        prop_assert!(cache.candidates(query.view()).is_empty());
        let found = cache.attend(query.view()).unwrap();
        prop_assert!(near(&found, &full(&keys, &values, &query), 1e-9));
        // So is what comes later.
        cache.push(query.view(), values.row(0));
        let keys = ndarray::concatenate(Axis(0), &[keys.view(), query.view().insert_axis(Axis(0))]).unwrap();
        let values = ndarray::concatenate(Axis(0), &[values.view(), values.slice(s![..1, ..])]).unwrap();
        prop_assert!(near(&cache.attend(query.view()).unwrap(), &full(&keys, &values, &query), 1e-9));
    }

    #[test]
    fn with_many_tables_it_is_full_attention((keys, values, query) in tokens(), seed in any::<u64>()) {
        let config = LshConfig { sink: 0, local: 0 };
        // One bit, 200 tables: only the opposite of the query is ever missed.
        let planes = Hyperplanes::draw(4, 1, 200, seed);
        let cache = LshCache::prefill(config, planes, keys.view(), values.view());
        if cache.candidates(query.view()).len() == keys.nrows() {
            let found = cache.attend(query.view()).unwrap();
            prop_assert!(near(&found, &full(&keys, &values, &query), 0.05));
        }
    }

    #[test]
    fn a_shift_of_all_keys_is_not_seen(
        (keys, values, query) in tokens(), shift in vec(-8..8i8, 4), seed in any::<u64>(),
    ) {
        // In sixteenths the mean of a power of two of keys is exact, and so are the codes.
        let middle = [32, 16, 8, 4, 2, 1].into_iter().find(|n| n + 2 <= keys.nrows()).unwrap_or(0);
        let keys = keys.slice(s![..keys.nrows().min(middle + 2), ..]).mapv(|k| (k * 16.0).round() / 16.0);
        let values = values.slice(s![..keys.nrows(), ..]);
        let shift: Array1<f64> = shift.into_iter().map(f64::from).collect();
        let config = LshConfig { sink: 1, local: 1 };
        let attend = |keys: &Array2<f64>| {
            let planes = Hyperplanes::draw(4, 2, 6, seed);
            LshCache::prefill(config, planes, keys.view(), values).attend(query.view()).unwrap()
        };
        prop_assert!(near(&attend(&keys), &attend(&(&keys + &shift)), 1e-9));
    }

    #[test]
    fn parts_merge_into_the_whole((keys, values, query) in tokens(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(keys.nrows() + 1);
        let logits = keys.dot(&query) * 20.0;
        let part = |from: usize, to: usize| {
            Part::new(logits.slice(s![from..to]), values.slice(s![from..to, ..]))
        };
        let whole = part(0, keys.nrows());
        let merged = part(0, cut).merge(part(cut, keys.nrows())).unwrap();
        prop_assert!(near(&merged.output, &whole.output, 1e-9));
        prop_assert!((merged.log_sum - whole.log_sum).abs() < 1e-9);
    }
}

#[test]
fn nothing_merges_with_nothing_into_nothing() {
    let empty = || Part::new(Array1::<f64>::zeros(0).view(), Array2::zeros((0, 2)).view());
    assert_eq!(empty().merge(empty()), None);
    let one = Part::new(array![3.0].view(), array![[1.0, 2.0]].view());
    assert_eq!(empty().merge(one.clone()), Some(one));
}

/// Sampling misses keys; divided by how likely it is to find each, what it finds is everything on
/// average over the hyperplanes.
#[test]
fn sampling_is_fair_on_average() {
    let n = 40;
    let noise = |i: usize, c: usize| ((i * 37 + c * 101) % 29) as f64 / 29.0 - 0.5;
    let keys = Array2::from_shape_fn((n, 6), |(i, c)| noise(i, c));
    let centred = &keys - &(keys.sum_axis(Axis(0)) / n as f64);
    let query: Array1<f64> = (0..6).map(|c| noise(7, c) * 3.0).collect();
    let length = |x: &Array1<f64>| x.dot(x).sqrt();
    let term = |j: usize| centred.row(j).dot(&query).exp() * (2.0 + noise(j, 50));
    let u = |j: usize| {
        let key = centred.row(j).to_owned();
        let cos = key.dot(&query) / length(&key) / length(&query);
        collide_twice(bit_agreement(cos), 3, 10)
    };
    // What is hardly ever found weighs too much for a mean of so many runs.
    let fair = |j: &usize| u(*j) > 0.05;
    let runs = 1500;
    let (mut mean, mut looked_at) = (0.0, 0);
    for seed in 0..runs {
        let planes = Hyperplanes::draw(6, 3, 10, seed);
        let config = LshConfig { sink: 0, local: 0 };
        let cache = LshCache::prefill(config, planes, keys.view(), keys.view());
        let candidates = cache.candidates(query.view());
        looked_at += candidates.len();
        mean +=
            candidates.into_iter().filter(fair).map(|j| term(j) / u(j)).sum::<f64>() / runs as f64;
    }
    let expected: f64 = (0..n).filter(fair).map(term).sum();
    let share = looked_at as f64 / (runs as usize * n) as f64;
    assert!((0..n).filter(fair).count() > n / 2);
    assert!((0.1..0.9).contains(&share), "{share} of the keys looked at");
    assert!((mean / expected - 1.0).abs() < 0.03, "{mean} for {expected}");
}
