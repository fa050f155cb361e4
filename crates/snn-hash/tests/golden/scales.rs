//! Several bandwidths.

use ndarray::{Array2, Axis, Ix1, Ix2, Ix4, s};
use snn_hash::{BitCodes, Fusion, MultiBandwidth, Scale, softmax};

use crate::{File, close};

const MULTIPLIERS: [f64; 3] = [4.0, 1.0, 0.25];

fn hash(file: &File) -> MultiBandwidth<f64> {
    let scale = |(i, &multiplier): (usize, &f64)| Scale {
        multiplier,
        centre: file
            .get::<Ix4>(&format!("s{i}.mvec"))
            .index_axis_move(Axis(0), 0)
            .index_axis_move(Axis(1), 0),
        projection: file.get(&format!("s{i}.A")),
    };
    let support = file.get::<Ix4>("anchor").index_axis_move(Axis(0), 0);
    MultiBandwidth::new(support, MULTIPLIERS.iter().enumerate().map(scale).collect()).unwrap()
}

#[test]
fn codes_of_every_scale() {
    let Some(file) = File::open("multi-scale-hash-a") else { return };
    let hash = hash(&file);
    let (q, k) = (file.get::<Ix4>("q"), file.get::<Ix4>("k"));
    let hashed = hash.hash(&[q.view(), k.view()]);
    close(&hashed.bandwidth, &file.get::<Ix2>("sigma"), 1e-5);
    let codes = hashed.codes();
    for i in 0..3 {
        close(&hashed.signs[0][i], &file.get(&format!("s{i}.pre_q")), 1e-5);
        close(&hashed.signs[1][i], &file.get(&format!("s{i}.pre_k")), 1e-5);
        for (codes, side) in [(&codes[0], "q"), (&codes[1], "k")] {
            let codes = &codes.scales()[i];
            assert_eq!(codes.words(), file.words(&format!("s{i}.packed_{side}")));
            let mut signs = Array2::<f64>::zeros((codes.len(), codes.bits()));
            codes.write_signs(signs.view_mut());
            let expected = file.get::<Ix4>(&format!("s{i}.code_{side}"));
            assert_eq!(signs, expected.into_shape_with_order(signs.dim()).unwrap());
        }
    }
    let centred = hash.clone().centre_on(q.view(), k.view());
    for (found, expected) in centred.scales().iter().zip(hash.scales()) {
        close(&found.centre, &expected.centre, 1e-5);
    }
}

#[test]
fn fused_similarities() {
    let Some(file) = File::open("multi-scale-hash-a") else { return };
    let hashed = hash(&file).hash(&[file.get::<Ix4>("q").view(), file.get::<Ix4>("k").view()]);
    let alpha = softmax(file.get::<Ix1>("scale_logits").as_slice().unwrap());
    close(&alpha.clone().into(), &file.get::<Ix1>("alpha"), 1e-6);
    let fusion = Fusion::Weighted(alpha);
    let codes = hashed.codes();
    let (queries, keys) = (&codes[0], &codes[1]);
    let expected = file.get::<Ix4>("similarity");
    let (_, heads, n, m) = expected.dim();
    let all = queries.similarities(keys, &fusion);
    for h in 0..heads {
        let (rows, columns) = (h * n..(h + 1) * n, h * m..(h + 1) * m);
        let found = all.slice(s![rows.clone(), columns.clone()]);
        close(&found.to_owned(), &expected.slice(s![0, h, .., ..]).to_owned(), 1e-6);
        for (i, (q, k)) in queries.scales().iter().zip(keys.scales()).enumerate() {
            let dots = file.get::<Ix4>(&format!("s{i}.dot"));
            let (q, k): (BitCodes, BitCodes) = (q.rows(rows.clone()), k.rows(columns.clone()));
            for ((i, j), &dot) in dots.slice(s![0, h, .., ..]).indexed_iter() {
                assert_eq!(q.bits() as f64 - 2.0 * f64::from(q.distance(i, &k, j)), dot);
            }
        }
    }
}
