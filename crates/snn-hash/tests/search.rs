//! Exact search against a list that is sorted whole.

use proptest::{collection::vec, prelude::*};
use snn_hash::{BitCodes, Isa, MultiIndex, Neighbor, Scan, top_k};

/// Widths below, at and past a narrow lane and one and more words.
fn width() -> impl Strategy<Value = usize> {
    prop_oneof![1..=9usize, 31..=33usize, 63..=65usize, 127..=129usize, 190..=300usize]
}

/// Codes with near and equal ones among them: each is drawn anew, or is an earlier one with few
/// bits flipped.
fn codes(
    count: impl Into<proptest::collection::SizeRange>,
    bits: usize,
) -> impl Strategy<Value = BitCodes> {
    vec((vec(any::<bool>(), bits), any::<u8>(), vec(0..bits, 0..3)), count).prop_map(move |drawn| {
        let mut codes = BitCodes::zeros(drawn.len(), bits);
        for (i, (fresh, from, flips)) in drawn.iter().enumerate() {
            for (r, &fresh) in fresh.iter().enumerate() {
                let bit = match from % 4 {
                    0 => fresh,
                    _ if i == 0 => false,
                    _ => codes.get(usize::from(*from) % i, r),
                };
                codes.set(i, r, bit);
            }
            for &r in flips {
                codes.set(i, r, !codes.get(i, r));
            }
        }
        codes
    })
}

/// Queries, codes, `k`.
fn search() -> impl Strategy<Value = (BitCodes, BitCodes, usize)> {
    width().prop_flat_map(|bits| (codes(0..8, bits), codes(0..300, bits), 0..20usize))
}

/// Bit by bit, the whole list sorted.
fn sorted(queries: &BitCodes, codes: &BitCodes, k: usize) -> Vec<Vec<Neighbor>> {
    (0..queries.len())
        .map(|q| {
            let mut all: Vec<(u32, u32)> = (0..codes.len())
                .map(|i| {
                    let differ = |&r: &usize| queries.get(q, r) != codes.get(i, r);
                    ((0..codes.bits()).filter(differ).count() as u32, i as u32)
                })
                .collect();
            all.sort();
            all.into_iter().take(k).map(|(distance, index)| Neighbor { distance, index }).collect()
        })
        .collect()
}

fn rows(found: ndarray::Array2<Neighbor>) -> Vec<Vec<Neighbor>> {
    found.outer_iter().map(|row| row.to_vec()).collect()
}

proptest! {
    #[test]
    fn scans_find_what_sorting_finds((queries, codes, k) in search()) {
        let expected = sorted(&queries, &codes, k);
        for isa in Isa::all() {
            let found = Scan::with_isa(&codes, isa).search(&queries, k);
            prop_assert_eq!(rows(found), &expected[..], "{}", isa.name());
        }
        prop_assert_eq!(rows(top_k(&queries, &codes, k)), expected);
    }

    #[test]
    fn all_distances_are_those_of_the_pairs((queries, codes, _) in search()) {
        for isa in Isa::all() {
            let scan = Scan::with_isa(&codes, isa);
            let mut found = vec![0; codes.len()];
            for q in 0..queries.len() {
                scan.distances(queries.code(q), &mut found);
                let expected: Vec<u32> =
                    (0..codes.len()).map(|i| queries.distance(q, &codes, i)).collect();
                prop_assert_eq!(&found, &expected, "{}", isa.name());
            }
        }
    }

    #[test]
    fn tables_find_what_sorting_finds((queries, codes, k) in search(), spare in 0..4usize) {
        let bits = codes.bits();
        let parts = (bits.div_ceil(12) + spare).min(bits);
        let found = MultiIndex::new(codes.clone(), parts).unwrap().search(&queries, k);
        prop_assert_eq!(rows(found), sorted(&queries, &codes, k));
    }

    #[test]
    fn one_table_suffices_for_short_codes(
        (queries, codes, k) in (1..=12usize).prop_flat_map(|bits| {
            (codes(0..8, bits), codes(0..300, bits), 0..400usize)
        }),
    ) {
        let found = MultiIndex::new(codes.clone(), 1).unwrap().search(&queries, k);
        prop_assert_eq!(rows(found), sorted(&queries, &codes, k));
    }

    #[test]
    fn the_number_of_threads_changes_nothing(
        (queries, codes, k) in search(), threads in 1..5usize,
    ) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| top_k(&queries, &codes, k));
        prop_assert_eq!(rows(found), sorted(&queries, &codes, k));
    }

    #[test]
    fn fewer_neighbours_are_the_first_of_more((queries, codes, k) in search()) {
        let (less, more) = (top_k(&queries, &codes, k), top_k(&queries, &codes, k + 3));
        prop_assert_eq!(&less, more.slice(ndarray::s![.., ..less.ncols()]));
    }
}

#[test]
fn many_codes_cross_tiles() {
    // A code a number: the nearest of a query are it and what differs in one bit.
    let codes = BitCodes::from_fn(1 << 15, 70, |i, r| r >= 50 && i >> (r - 50) & 1 == 1);
    let queries = codes.rows(1000..1100);
    let found = top_k(&queries, &codes, 16);
    for (query, row) in (1000u32..).zip(found.outer_iter()) {
        let mut expected: Vec<u32> = (0..15).map(|bit| query ^ 1 << bit).collect();
        expected.sort();
        assert_eq!(row[0], Neighbor { distance: 0, index: query });
        assert!(row.iter().skip(1).map(|n| n.index).eq(expected));
    }
}

#[test]
fn parts_that_are_too_few_or_too_many_are_refused() {
    let codes = BitCodes::zeros(3, 49);
    for parts in [0, 2, 50] {
        let error = MultiIndex::new(codes.clone(), parts).unwrap_err().to_string();
        assert!(error.contains("expected 3 to 49"), "{error}");
    }
    assert!(MultiIndex::new(codes, 3).is_ok());
}
