//! EcoFormer's own code.

use ndarray::{Array2, Array3, Array4, Axis, Ix2, Ix3, Ix4, s};
use snn_hash::{Fit, Hashed, KernelHash, rbf::labels, straight_through};

use crate::{File, close};

/// The file, the hash that it trained, and what the hash makes of its tokens.
fn trained() -> Option<(File, KernelHash<f64>, Hashed<f64>)> {
    let file = File::open("ecoformer-hash-a")?;
    let support = file.get::<Ix4>("anchor").index_axis_move(Axis(0), 0);
    let centre = file.get::<Ix4>("mvec").index_axis_move(Axis(0), 0).index_axis_move(Axis(1), 0);
    let hash = KernelHash::new(support, centre, file.get("A_trained")).unwrap();
    let hashed = hash.hash(file.get::<Ix4>("x").view());
    Some((file, hash, hashed))
}

fn signs(hashed: &Hashed<f64>) -> Array4<f64> {
    let mut signs = Array2::zeros((hashed.codes().len(), hashed.codes().bits()));
    hashed.codes().write_signs(signs.view_mut());
    signs.into_shape_with_order(hashed.y.dim()).unwrap()
}

#[test]
fn features_and_codes() {
    let Some((file, _, hashed)) = trained() else { return };
    close(&hashed.units, &file.get("qk_unit"), 1e-6);
    close(&hashed.distances, &file.get("sq_dist"), 1e-5);
    close(&hashed.bandwidth, &file.get::<Ix2>("sigma"), 1e-5);
    close(&hashed.features, &file.get("features_centred"), 1e-5);
    close(&hashed.y, &file.get("pre_sign"), 1e-5);
    assert_eq!(signs(&hashed), file.get::<Ix4>("codes"));
}

#[test]
fn thirty_two_bits_give_the_same_codes() {
    let Some((file, hash, hashed)) = trained() else { return };
    let narrow = |x: &Array3<f64>| x.mapv(|v| v as f32);
    let centre = hash.centre().mapv(|v| v as f32);
    let hash = KernelHash::new(narrow(hash.support()), centre, narrow(hash.projection())).unwrap();
    let again = hash.hash(file.get::<Ix4>("x").mapv(|v| v as f32).view());
    assert_eq!(again.codes(), hashed.codes());
}

/// The gradient of `sum(out * upstream)` to the codes, where queries and keys are the same codes
/// and `out_i = (sum_j (c_i . c_j) v_j + t v_i) / (sum_j c_i . c_j + N t)`, for one head.
fn to_codes(c: &Array2<f64>, v: &Array2<f64>, upstream: &Array2<f64>, t: f64) -> Array2<f64> {
    let dots = c.dot(&c.t());
    let denominators = dots.sum_axis(Axis(1)) + c.nrows() as f64 * t;
    let out = (dots.dot(v) + v * t) / denominators.view().insert_axis(Axis(1));
    // d out_i / d dot_ij = (v_j - out_i) / denominator_i.
    let mut of_dots = upstream.dot(&v.t());
    of_dots -= &(upstream * &out).sum_axis(Axis(1)).insert_axis(Axis(1));
    of_dots /= &denominators.insert_axis(Axis(1));
    of_dots.dot(c) + of_dots.t().dot(c)
}

#[test]
fn gradients_through_sign_and_bandwidth() {
    let Some((file, hash, hashed)) = trained() else { return };
    let (v, upstream) = (file.get::<Ix4>("v"), file.get::<Ix4>("grad_out"));
    let codes = signs(&hashed);
    let mut of_codes = Array4::zeros(codes.dim());
    let (samples, heads, _, bits) = codes.dim();
    for (b, h) in (0..samples).flat_map(|b| (0..heads).map(move |h| (b, h))) {
        let [codes, v, upstream] =
            [&codes, &v, &upstream].map(|x| x.slice(s![b, h, .., ..]).to_owned());
        let gradient = to_codes(&codes, &v, &upstream, bits as f64 + 1.0);
        of_codes.slice_mut(s![b, h, .., ..]).assign(&gradient);
    }
    let found = hash.backward(&hashed, &straight_through(&hashed.y, &of_codes));
    let expected = file.get::<Ix4>("grad_qk_unit");
    assert!(expected.iter().any(|g| g.abs() > 1e-3), "a gradient worth comparing");
    close(&found.units, &expected, 1e-5);
}

#[test]
fn fitted_projections() {
    let Some((file, hash, hashed)) = trained() else { return };
    let fit = Fit { neighbours: 3, rate: 1.0, momentum: 0.9, iterations: 25 };
    assert_eq!(labels(&hashed.units, 3).mapv(f64::from), file.get::<Ix4>("S0"));
    let order: Vec<usize> = file.get::<ndarray::Ix1>("perm").iter().map(|&i| i as usize).collect();
    let x = file.get::<Ix4>("x");
    let learned = fit.learn_from(x.view(), &order[..5], file.get::<Ix3>("A_init")).unwrap();
    close(learned.support(), hash.support(), 1e-6);
    close(learned.centre(), hash.centre(), 1e-5);
    let (found, expected) = (learned.projection(), hash.projection());
    assert_ne!(expected, file.get::<Ix3>("A_init"), "some bit was learned");
    for (found, expected) in found.iter().zip(expected) {
        let tolerance = 1e-3 * expected.abs().max(1e-2);
        assert!((found - expected).abs() <= tolerance, "{found} for {expected}");
    }
}
