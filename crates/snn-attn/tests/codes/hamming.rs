use std::num::NonZeroUsize;

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use snn_attn::codes::{HammingAttention, Measure, each_head};
use snn_hash::BitCodes;

use crate::{Head, close, weighted};

fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        Just(Measure::Coincidence),
        (0..5u32).prop_map(|offset| Measure::Match { offset }),
        // Sixteenths: sums are exact.
        (0..=16u8).prop_map(|a| Measure::Xnor { a: f64::from(a) / 16.0 }),
    ]
}

fn weights(head: &Head, measure: Measure) -> Array2<f64> {
    Array2::from_shape_fn((head.queries.len(), head.keys.len()), |(i, j)| {
        let (both, neither) = head.agreements(i, j);
        match measure {
            Measure::Coincidence => both,
            Measure::Match { offset } => both + neither + f64::from(offset),
            Measure::Xnor { a } => both + a * neither,
        }
    })
}

proptest! {
    #[test]
    fn it_is_the_mean_of_the_heaviest(
        head in Head::any(), measure in measure(), keep in 1..80usize, causal in any::<bool>(),
    ) {
        let attention = HammingAttention { measure, keep: NonZeroUsize::new(keep), causal };
        let found = attention.attend(&head.queries, &head.keys, head.values.view());
        let expected = weighted(&weights(&head, measure), &head.values, keep, causal);
        close(&found, &expected, 1e-12);
    }

    #[test]
    fn without_a_limit_all_keys_count(
        head in Head::any(), measure in measure(), causal in any::<bool>(),
    ) {
        let attention = HammingAttention { measure, keep: None, causal };
        let found = attention.attend(&head.queries, &head.keys, head.values.view());
        let expected = weighted(&weights(&head, measure), &head.values, usize::MAX, causal);
        close(&found, &expected, 1e-12);
        let narrow = head.values.mapv(|v| v as f32);
        let narrow = attention.attend(&head.queries, &head.keys, narrow.view());
        close(&narrow.mapv(f64::from), &expected, 1e-4);
    }

    #[test]
    fn a_query_that_is_a_key_finds_it(head in Head::any()) {
        let attention = HammingAttention {
            measure: Measure::Match { offset: 0 },
            keep: NonZeroUsize::new(1),
            causal: false,
        };
        let found = attention.attend(&head.keys, &head.keys, head.values.view());
        let first = |j: usize| (0..=j).find(|&i| head.keys.code(i) == head.keys.code(j)).unwrap();
        for (j, row) in found.outer_iter().enumerate() {
            prop_assert_eq!(row, head.values.row(first(j)));
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit(
        head in Head::any(), measure in measure(), keep in 0..80usize,
    ) {
        // Thirds: their sums are rounded.
        let values = head.values.mapv(|v| v / 3.0);
        let attention = HammingAttention { measure, keep: NonZeroUsize::new(keep), causal: false };
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| attention.attend(&head.queries, &head.keys, values.view()))
        };
        prop_assert_eq!(on(1), on(3));
    }

    #[test]
    fn every_head_is_alone(a in Head::any()) {
        let b = BitCodes::from_fn(a.keys.len(), a.keys.bits(), |i, r| a.keys.get(i, r) ^ (r % 3 == 0));
        let attention = HammingAttention { measure: Measure::Coincidence, keep: None, causal: false };
        let both = {
            let words = [a.keys.words(), b.words()].concat();
            BitCodes::from_words(b.bits(), words).unwrap()
        };
        let values = ndarray::stack(Axis(0), &[a.values.view(), a.values.view()]).unwrap();
        let found = each_head(&both, &both, values.view(), |q, k, v| attention.attend(q, k, v));
        for (found, keys) in found.outer_iter().zip([&a.keys, &b]) {
            prop_assert_eq!(found, attention.attend(keys, keys, a.values.view()));
        }
    }
}

#[test]
fn silence_gives_zeros() {
    let keys = BitCodes::zeros(3, 70);
    let values = Array2::from_elem((3, 2), 5.0);
    for keep in [None, NonZeroUsize::new(2)] {
        let attention = HammingAttention { measure: Measure::Coincidence, keep, causal: false };
        assert_eq!(attention.attend(&keys, &keys, values.view()), Array2::<f64>::zeros((3, 2)));
    }
}

#[test]
fn many_keys_sum_in_one_order() {
    let n = 9000;
    let keys = BitCodes::from_fn(n, 10, |i, r| i >> (r % 7) & 1 == 1);
    let values = Array2::from_shape_fn((n, 1), |(i, _)| (i % 5) as f64);
    let attention =
        HammingAttention { measure: Measure::Match { offset: 1 }, keep: None, causal: false };
    let query = keys.rows(77..78);
    let weight = |j| f64::from(11 - query.distance(0, &keys, j));
    let sums = (0..n).fold((0.0, 0.0), |(a, b), j| (a + weight(j) * values[[j, 0]], b + weight(j)));
    let found = attention.attend(&query, &keys, values.view());
    assert!((found[[0, 0]] - sums.0 / sums.1).abs() < 1e-12);
}

#[test]
fn configurations_read_as_they_are_written_and_zero_keys_are_refused() {
    let attention = HammingAttention {
        measure: Measure::Xnor { a: 0.25 },
        keep: NonZeroUsize::new(8),
        causal: true,
    };
    let text = serde_json::to_string(&attention).unwrap();
    assert_eq!(text, r#"{"measure":{"kind":"xnor","a":0.25},"keep":8,"causal":true}"#);
    assert_eq!(serde_json::from_str::<HammingAttention>(&text).unwrap(), attention);
    let none = text.replace(":8,", ":0,");
    assert!(serde_json::from_str::<HammingAttention>(&none).is_err());
}
