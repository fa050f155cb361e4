use ndarray::{Array2, Array3, Array4, ArrayView4, Axis, Zip, s};
use snn_core::reference::Scalar;

/// Tokens `[B, H, N, D]` divided by their lengths, and the lengths `[B, H, N]`. A length below
/// 1e-12 counts as that, so a token of zeros stays one.
pub fn normalize<F: Scalar>(x: ArrayView4<'_, F>) -> (Array4<F>, Array3<F>) {
    let least = F::of(1e-12);
    let norms =
        x.map_axis(Axis(3), |token| token.iter().map(|&v| v * v).sum::<F>().sqrt().max(least));
    let units = &x / &norms.view().insert_axis(Axis(3));
    (units, norms)
}

/// Squared distances `[B, H, N, m]` of tokens `[B, H, N, D]` to points `[H, m, D]`.
///
/// # Panics
/// If heads or channels differ.
pub fn squared_distances<F: Scalar>(x: &Array4<F>, points: &Array3<F>) -> Array4<F> {
    let (b, h, n, d) = x.dim();
    let (heads, m, channels) = points.dim();
    assert_eq!((h, d), (heads, channels), "tokens and support points have one geometry");
    Array4::from_shape_fn((b, h, n, m), |(b, h, n, j)| {
        let (token, point) = (x.slice(s![b, h, n, ..]), points.slice(s![h, j, ..]));
        token.iter().zip(point).map(|(&x, &p)| (x - p) * (x - p)).sum()
    })
}

/// The mean `[B, H]` over all squared distances `[B, H, N, m]` of all sides: queries and keys that
/// are to share codes share a bandwidth.
///
/// It is a mean of squares and stands where a variance does. Without tokens it is NaN.
pub fn bandwidth<F: Scalar>(sides: &[&Array4<F>]) -> Array2<F> {
    let (b, h) = sides.first().map_or((0, 0), |side| (side.dim().0, side.dim().1));
    Array2::from_shape_fn((b, h), |(b, h)| {
        let all = || sides.iter().map(|side| side.slice(s![b, h, .., ..]));
        let count: usize = all().map(|side| side.len()).sum();
        all().map(|side| side.sum()).sum::<F>() / F::of(count as f64)
    })
}

/// `exp(-d / (2 sigma))` `[B, H, N, m]` of squared distances and the bandwidth `[B, H]`.
pub fn features<F: Scalar>(distances: &Array4<F>, bandwidth: &Array2<F>) -> Array4<F> {
    let twice = bandwidth.mapv(|sigma| sigma + sigma);
    let scaled = distances / &twice.insert_axis(Axis(2)).insert_axis(Axis(3));
    scaled.mapv_into(|d| (-d).exp())
}

/// Features `[B, H, N, m]` minus their mean `[H, m]`.
pub fn centred<F: Scalar>(features: Array4<F>, centre: &Array2<F>) -> Array4<F> {
    features - centre.view().insert_axis(Axis(1))
}

/// `y = A g`: features `[B, H, N, m]` times projections `[H, b, m]`, `[B, H, N, b]`.
///
/// # Panics
/// If heads or points differ.
pub fn project<F: Scalar>(features: &Array4<F>, projection: &Array3<F>) -> Array4<F> {
    let (b, h, n, _) = features.dim();
    let mut y = Array4::zeros((b, h, n, projection.dim().1));
    for (mut y, features) in y.outer_iter_mut().zip(features.outer_iter()) {
        Zip::from(y.outer_iter_mut())
            .and(features.outer_iter())
            .and(projection.outer_iter())
            .for_each(|mut y, features, projection| y.assign(&features.dot(&projection.t())));
    }
    y
}
