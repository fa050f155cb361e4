use ndarray::Array2;
use proptest::{collection::vec, prelude::*};
use snn_attn::codes::{Late, Side, SpikeWindow};
use snn_hash::BitCodes;

/// Counts over the steps that are held, bit by bit.
fn direct(
    steps: &[[BitCodes; 2]],
    capacity: usize,
    agree: impl Fn(bool, bool) -> bool,
) -> Array2<u32> {
    let held = &steps[steps.len().saturating_sub(capacity)..];
    let [queries, keys] = &steps[0];
    Array2::from_shape_fn((queries.len(), keys.len()), |(i, j)| {
        let of_step = |[q, k]: &[BitCodes; 2]| {
            (0..q.bits()).filter(|&r| agree(q.get(i, r), k.get(j, r))).count() as u32
        };
        held.iter().map(of_step).sum()
    })
}

proptest! {
    #[test]
    fn running_sums_are_direct_sums(
        capacity in 1..5usize,
        bits in prop_oneof![1..=6usize, 63..=66usize],
        raw in vec(any::<bool>(), 997),
        late in vec((0..12u64, any::<bool>(), 0..2usize, 0..200usize), 0..6),
    ) {
        let mut window = SpikeWindow::new(capacity, [2, 3], bits);
        let mut steps: Vec<[BitCodes; 2]> = Vec::new();
        let mut dropped = 0;
        for t in 0..8usize {
            let codes = |side: usize| {
                BitCodes::from_fn(2 + side, bits, |i, r| raw[(t * 601 + side * 307 + i * 101 + r) % 997])
            };
            let step = [codes(0), codes(1)];
            window.push(step[0].clone(), step[1].clone());
            steps.push(step);
            for &(at, key, i, r) in &late {
                let (side, r) = (if key { Side::Key } else { Side::Query }, r % bits);
                let found = window.late(at, side, i, r);
                let expected = if at > t as u64 {
                    Late::Early
                } else if t as u64 - at >= capacity as u64 {
                    dropped += 1;
                    Late::Dropped
                } else if steps[at as usize][usize::from(key)].get(i, r) {
                    Late::Known
                } else {
                    steps[at as usize][usize::from(key)].set(i, r, true);
                    Late::Counted
                };
                prop_assert_eq!(found, expected);
            }
            prop_assert_eq!(window.coincidence(), &direct(&steps, capacity, |q, k| q && k));
            prop_assert_eq!(window.matches(), direct(&steps, capacity, |q, k| q == k));
            prop_assert_eq!(window.len(), capacity.min(t + 1));
        }
        prop_assert_eq!(window.dropped(), dropped);
        window.reset();
        prop_assert_eq!(window, SpikeWindow::new(capacity, [2, 3], bits));
    }
}
