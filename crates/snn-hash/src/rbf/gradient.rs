use ndarray::{Array4, Axis, s};
use snn_core::reference::Scalar;

use super::{Hashed, KernelHash};

/// The gradient of a loss to the tokens, `[B, H, N, D]`.
#[derive(Clone, Debug)]
pub struct TokenGradients<F> {
    /// To the normalised tokens.
    pub units: Array4<F>,
    /// To the tokens as they came in.
    pub x: Array4<F>,
}

/// The gradient to `y` from the gradient to the codes, both `[B, H, N, b]`: it passes where
/// `-1 < y < 1`, both ends excluded.
///
/// # Panics
/// If the shapes differ.
pub fn straight_through<F: Scalar>(y: &Array4<F>, codes: &Array4<F>) -> Array4<F> {
    assert_eq!(y.dim(), codes.dim(), "a gradient for every bit");
    let mut gradient = codes.clone();
    gradient.zip_mut_with(y, |gradient, y| {
        if y.abs() >= F::one() {
            *gradient = F::zero();
        }
    });
    gradient
}

impl<F: Scalar> KernelHash<F> {
    /// The gradient to the tokens from the gradient to `y` `[B, H, N, b]`, also through the
    /// bandwidth and the normalisation. The functions themselves are constants.
    ///
    /// # Panics
    /// If the shape is not that of `hashed.y`.
    pub fn backward(&self, hashed: &Hashed<F>, y: &Array4<F>) -> TokenGradients<F> {
        assert_eq!(y.dim(), hashed.y.dim(), "a gradient for every bit");
        let (samples, heads, tokens, points) = hashed.features.dim();
        let two = F::of(2.0);
        let mut units = Array4::zeros(hashed.units.dim());
        for (b, h) in (0..samples).flat_map(|b| (0..heads).map(move |h| (b, h))) {
            let sigma = hashed.bandwidth[[b, h]];
            let distances = hashed.distances.slice(s![b, h, .., ..]);
            let features = y.slice(s![b, h, .., ..]).dot(&self.projection.index_axis(Axis(0), h));
            // The exponent is -d / (2 sigma); its gradient is that of the feature times it.
            let exponent =
                features * (&hashed.features.slice(s![b, h, .., ..]) + &self.centre.row(h));
            let of_sigma = (&exponent * &distances).sum() / (two * sigma * sigma);
            let share = of_sigma / F::of((tokens * points) as f64);
            let of_distances = exponent.mapv(|e| share - e / (two * sigma));
            // d = |u - P|^2: twice the difference, summed over the points.
            let mut of_units = units.slice_mut(s![b, h, .., ..]);
            of_units.assign(&of_distances.dot(&self.support.index_axis(Axis(0), h)));
            for (n, mut of_unit) in of_units.outer_iter_mut().enumerate() {
                let all = of_distances.row(n).sum();
                of_unit.zip_mut_with(&hashed.units.slice(s![b, h, n, ..]), |gradient, &u| {
                    *gradient = two * (all * u - *gradient);
                });
            }
        }
        // u = x / |x|: what points along u changes nothing.
        let along = (&units * &hashed.units).sum_axis(Axis(3)).insert_axis(Axis(3));
        let x = (&units - &(&hashed.units * &along)) / hashed.norms.view().insert_axis(Axis(3));
        TokenGradients { units, x }
    }
}
