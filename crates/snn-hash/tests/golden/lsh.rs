//! MagicPIG's own reference cache.

use ndarray::{Array2, Axis, Ix1, Ix2, Ix3, Ix4, s};
use snn_hash::lsh::{Hyperplanes, Tables, bit_agreement, collide_once, collide_twice};

use crate::{File, close};

const BITS: usize = 4;
const TABLES: usize = 20;
const SINK: usize = 4;
const LOCAL: usize = 8;

/// Keys between sink and local window, minus their mean, of one kv head.
fn offloaded(file: &File, head: usize) -> Array2<f64> {
    let keys = file.get::<Ix4>("keys");
    let keys = keys.slice(s![0, head, .., ..]);
    let keys = keys.slice(s![SINK..keys.nrows() - LOCAL, ..]);
    let mean = keys.mean_axis(Axis(0)).unwrap();
    let stored = file.get::<Ix4>("avg_key");
    close(&mean, &stored.slice(s![0, head, 0, ..]).to_owned(), 1e-5);
    &keys - &mean
}

#[test]
fn codes_collisions_and_probabilities() {
    let Some(file) = File::open("lsh-attention-a") else { return };
    let queries = file.get::<Ix4>("query");
    let heads = queries.dim().1;
    for head in 0..heads {
        let kv = head / (heads / file.get::<Ix4>("keys").dim().1);
        let keys = offloaded(&file, kv);
        let matrix = file.get::<Ix4>("hash_matrix");
        let planes = Hyperplanes::new(matrix.slice(s![0, kv, .., ..]).to_owned(), BITS);
        assert_eq!(planes.tables(), TABLES);
        let codes = planes.codes(keys.view());
        let expected = file.get::<Ix4>("key_codes");
        assert_eq!(codes.mapv(f64::from), expected.slice(s![0, kv, .., ..]));
        let query = queries.slice(s![0, head, .., ..]);
        let query_codes = planes.codes(query);
        let expected = file.get::<Ix4>("query_codes");
        assert_eq!(query_codes.mapv(f64::from), expected.slice(s![0, head, .., ..]));

        let tables = Tables::new(&codes, BITS);
        let collisions = tables.collisions(query_codes.row(0).as_slice().unwrap());
        let expected = file.get::<Ix3>("collisions");
        let expected = expected.slice(s![0, head, ..]);
        assert!(collisions.iter().map(|&c| f64::from(c)).eq(expected.iter().copied()));
        let candidates = tables.candidates(query_codes.row(0).as_slice().unwrap(), 2);
        let mask = file.get::<Ix3>("candidate_mask");
        let mask = mask.slice(s![0, head, ..]);
        assert!(
            candidates.iter().copied().eq(mask
                .iter()
                .enumerate()
                .filter(|m| *m.1 == 1.0)
                .map(|m| m.0))
        );

        let query = query.row(0);
        let length = |x: ndarray::ArrayView1<'_, f64>| x.dot(&x).sqrt();
        let cos = keys.map_axis(Axis(1), |key| query.dot(&key) / length(query) / length(key));
        let stored = |name| file.get::<Ix3>(name).slice(s![0, head, ..]).to_owned();
        close(&cos, &stored("cos"), 1e-5);
        close(&cos.mapv(bit_agreement), &stored("collision_prob_p"), 1e-5);
        let u = cos.mapv(|cos| collide_twice(bit_agreement(cos), BITS, TABLES));
        close(&u, &stored("sampling_prob_u"), 1e-5);
    }
}

#[test]
fn tables_of_probabilities() {
    let Some(file) = File::open("lsh-attention-a") else { return };
    let cos = file.get::<Ix1>("table_cos");
    for (i, sizes) in file.get::<Ix2>("table_KL").outer_iter().enumerate() {
        let (bits, tables) = (sizes[0] as usize, sizes[1] as usize);
        let row = |name| file.get::<Ix2>(name).row(i).to_owned();
        let once = cos.mapv(|cos| collide_once(bit_agreement(cos), bits, tables));
        let twice = cos.mapv(|cos| collide_twice(bit_agreement(cos), bits, tables));
        close(&once, &row("table_u_ge1"), 1e-10);
        close(&twice, &row("table_u_ge2"), 1e-10);
    }
}
