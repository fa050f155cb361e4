use std::borrow::Cow;

use ndarray::Array3;

use crate::backend::Lsq;

/// Weights `[outputs, inputs / groups, taps]` on the grid of their quantiser;
/// as they are, if there is none.
pub(crate) fn quantized<'a>(weight: &'a Array3<f64>, lsq: Option<&Lsq>) -> Cow<'a, Array3<f64>> {
    let Some(lsq) = lsq else { return Cow::Borrowed(weight) };
    let (low, high) = lsq.range();
    let alpha = lsq.alpha.to_f32();
    let (outputs, inputs, taps) = weight.dim();
    Cow::Owned(Array3::from_shape_fn((outputs, inputs, taps), |(o, i, k)| {
        let step = f64::from(alpha[[o]]);
        (weight[[o, i, k]] / step).clamp(low, high).round_ties_even() * step
    }))
}
