//! Laws of locality-sensitive hashing.

use ndarray::{Array2, array};
use proptest::{collection::vec, prelude::*};
use snn_hash::{
    BitCodes,
    lsh::{Hyperplanes, Tables, bit_agreement, collide_once, collide_twice, sample_bits},
};

proptest! {
    #[test]
    fn tables_count_equal_codes(
        bits in 1..=5usize, tables in 1..=4usize, raw in vec(any::<u16>(), 44),
    ) {
        let code = |i: usize| raw[i % raw.len()] >> (16 - bits);
        let keys = Array2::from_shape_fn((10, tables), |(n, l)| code(n * tables + l));
        let query: Vec<u16> = (0..tables).map(|l| code(40 + l)).collect();
        let counts = Tables::new(&keys, bits).collisions(&query);
        for least in 0..=3u16 {
            let expected: Vec<usize> = (0..10)
                .filter(|&n| keys.row(n).iter().zip(&query).filter(|(k, q)| k == q).count() >= usize::from(least))
                .collect();
            prop_assert_eq!(Tables::new(&keys, bits).candidates(&query, least), expected);
        }
        prop_assert!(counts.iter().all(|&count| usize::from(count) <= tables));
    }

    #[test]
    fn two_collisions_are_rarer_than_one(cos in -1.0..=1.0, bits in 1..=16usize, tables in 1..400usize) {
        let p = bit_agreement(cos);
        let (once, twice) = (collide_once(p, bits, tables), collide_twice(p, bits, tables));
        prop_assert!((0.0..=1.0).contains(&twice) && twice <= once && once <= 1.0);
        prop_assert!(collide_twice(p, bits, tables + 1) >= twice - 1e-12);
        let nearer = bit_agreement((cos + 0.01).min(1.0));
        prop_assert!(collide_twice(nearer, bits, tables) >= twice - 1e-12);
    }

    #[test]
    fn the_length_of_a_vector_is_free(x in vec(-1.0..1.0f64, 6), seed in any::<u64>()) {
        let planes = Hyperplanes::<f64>::draw(6, 5, 3, seed);
        let x = Array2::from_shape_vec((1, 6), x).unwrap();
        prop_assert_eq!(planes.codes(x.view()), planes.codes((&x * 4.0).view()));
    }

    #[test]
    fn sampled_bits_are_bits(bools in vec(any::<bool>(), 70), bits in 1..=16usize) {
        let codes = BitCodes::from_fn(1, 70, |_, r| bools[r]);
        let sampled = sample_bits(&codes, bits);
        prop_assert_eq!(sampled.ncols(), 70 / bits);
        for (l, &code) in sampled.row(0).iter().enumerate() {
            for i in 0..bits {
                prop_assert_eq!(code >> i & 1 == 1, bools[l * bits + i]);
            }
        }
    }
}

#[test]
fn vectors_meet_as_often_as_the_angle_says() {
    // Two vectors of cosine 0.6, hashed by many draws of the planes.
    let x = array![[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]];
    let (bits, tables, runs) = (4, 6, 3000);
    let met = (0..runs).filter(|&seed| {
        let codes = Hyperplanes::<f64>::draw(3, bits, tables, seed).codes(x.view());
        let equal = codes.row(0).iter().zip(codes.row(1)).filter(|(a, b)| a == b).count();
        equal >= 2
    });
    let u = collide_twice(bit_agreement(0.6), bits, tables);
    let sigma = (u * (1.0 - u) / runs as f64).sqrt();
    let found = met.count() as f64 / runs as f64;
    assert!((found - u).abs() < 4.0 * sigma, "{found} for {u}");
}

#[test]
fn equal_vectors_always_meet_and_published_values_hold() {
    assert_eq!(collide_twice(bit_agreement(1.0 + 1e-9), 10, 150), 1.0);
    assert_eq!(collide_twice(bit_agreement(1.0), 10, 1), 0.0);
    for (cos, once, twice) in [(0.0, 0.1363, 0.0097), (0.2, 0.3875, 0.0867)] {
        let p = bit_agreement(cos);
        assert!((collide_once(p, 10, 150) - once).abs() < 5e-5);
        assert!((collide_twice(p, 10, 150) - twice).abs() < 5e-5);
    }
}
