use ndarray::Array1;
use proptest::{collection::vec, prelude::*};
use snn_attn::codes::{HammingAttention, Measure, Running};

use crate::Head;

/// What happens to which token and bit.
fn events() -> impl Strategy<Value = Vec<(u8, usize, usize)>> {
    vec((0..3u8, any::<usize>(), any::<usize>()), 1..30)
}

proptest! {
    #[test]
    fn it_equals_the_dense_form_after_every_event(head in Head::any(), events in events()) {
        let (n, m, bits) = (head.queries.len(), head.keys.len(), head.keys.bits());
        let dense = HammingAttention { measure: Measure::Coincidence, keep: None, causal: false };
        let mut values = head.values;
        let mut running = Running::new(n, bits, values.view());
        // Some spikes to begin with.
        for i in 0..n {
            (0..bits).filter(|&r| head.queries.get(i, r)).for_each(|r| running.flip_query(i, r));
        }
        prop_assert_eq!(running.queries(), &head.queries);
        for (kind, token, bit) in events {
            match kind {
                0 => running.flip_key(token % m, bit % bits),
                1 => running.flip_query(token % n, bit % bits),
                _ => {
                    let value = Array1::from_elem(values.ncols(), (bit % 7) as f64 - 3.0);
                    values.row_mut(token % m).assign(&value);
                    running.set_value(token % m, value.view());
                }
            }
            let expected = dense.attend(running.queries(), running.keys(), values.view());
            prop_assert_eq!(running.output(), expected);
        }
    }

    #[test]
    fn two_flips_are_none(head in Head::any(), token in any::<usize>(), bit in any::<usize>()) {
        let (m, bits) = (head.keys.len(), head.keys.bits());
        let mut running = Running::new(head.queries.len(), bits, head.values.view());
        let before = running.clone();
        running.flip_key(token % m, bit % bits);
        prop_assert_ne!(&running, &before);
        running.flip_key(token % m, bit % bits);
        prop_assert_eq!(running, before);
    }
}
