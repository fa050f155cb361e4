use ndarray::{Array2, Axis};
use proptest::prelude::*;
use snn_attn::codes::{Bias, KernelHashAttention};

use crate::{Head, close, weighted};

/// `c_i . c_j` of codes of -1 and +1.
fn dots(head: &Head) -> Array2<f64> {
    let mut signs = [&head.queries, &head.keys].map(|codes| {
        let mut signs = Array2::<f64>::zeros((codes.len(), codes.bits()));
        codes.write_signs(signs.view_mut());
        signs
    });
    let keys = std::mem::take(&mut signs[1]);
    signs[0].dot(&keys.t())
}

proptest! {
    #[test]
    fn the_consistent_form_weighs_all_pairs(head in Head::any()) {
        let attention = KernelHashAttention { bias: Bias::Consistent };
        let found = attention.attend(&head.queries, &head.keys, head.values.view());
        let bits = head.keys.bits() as f64;
        let weights = dots(&head) + (bits + 1.0);
        prop_assert!(weights.iter().all(|w| (1.0..=2.0 * bits + 1.0).contains(w)));
        close(&found, &weighted(&weights, &head.values, usize::MAX, false), 1e-12);
        // A mean leaves no channel's range.
        for (found, values) in found.columns().into_iter().zip(head.values.columns()) {
            let (least, most) = values.iter().fold((8.0f64, -8.0f64), |(a, b), &v| (a.min(v), b.max(v)));
            prop_assert!(found.iter().all(|v| (least - 1e-9..=most + 1e-9).contains(v)));
        }
    }

    #[test]
    fn the_official_form_adds_the_own_value(head in Head::any()) {
        let attention = KernelHashAttention { bias: Bias::Official };
        let found = attention.attend(&head.keys, &head.keys, head.values.view());
        let head = Head { queries: head.keys.clone(), ..head };
        let t = head.keys.bits() as f64 + 1.0;
        let dots = dots(&head);
        let denominators = dots.sum_axis(Axis(1)) + head.keys.len() as f64 * t;
        prop_assert!(denominators.iter().all(|&d| d >= head.keys.len() as f64));
        let numerators = dots.dot(&head.values) + &head.values * t;
        close(&found, &(numerators / denominators.insert_axis(Axis(1))), 1e-12);
    }

    #[test]
    fn the_order_of_keys_is_free(head in Head::any(), turn in 0..70usize) {
        let m = head.keys.len();
        let order: Vec<usize> = (0..m).map(|j| (j + turn) % m).collect();
        let keys = snn_hash::BitCodes::from_fn(m, head.keys.bits(), |j, r| head.keys.get(order[j], r));
        let attention = KernelHashAttention { bias: Bias::Consistent };
        let found = attention.attend(&head.queries, &keys, head.values.select(Axis(0), &order).view());
        prop_assert_eq!(found, attention.attend(&head.queries, &head.keys, head.values.view()));
    }
}
