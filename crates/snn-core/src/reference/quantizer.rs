use std::borrow::Cow;

use ndarray::Array3;

use crate::backend::WeightQuantizer;

/// Weights `[outputs, inputs / groups, taps]` on the grid of their quantiser;
/// as they are, if there is none.
pub(crate) fn quantized<'a>(
    weight: &'a Array3<f64>,
    quantizer: Option<&WeightQuantizer>,
) -> Cow<'a, Array3<f64>> {
    let (outputs, inputs, taps) = weight.dim();
    match quantizer {
        None => Cow::Borrowed(weight),
        Some(WeightQuantizer::Lsq(lsq)) => {
            let (low, high) = lsq.range();
            let alpha = lsq.alpha.to_f32();
            Cow::Owned(Array3::from_shape_fn((outputs, inputs, taps), |(o, i, k)| {
                let step = f64::from(alpha[[o]]);
                (weight[[o, i, k]] / step).clamp(low, high).round_ties_even() * step
            }))
        }
        Some(WeightQuantizer::Log(code)) => {
            // Weights were 32-bit floats before they were widened.
            let narrow = weight.mapv(|w| w as f32).into_dyn();
            match code.quantize(&narrow) {
                Ok(codes) => {
                    let values = codes.dequantize();
                    Cow::Owned(Array3::from_shape_fn((outputs, inputs, taps), |(o, i, k)| {
                        f64::from(values[[o, i, k]])
                    }))
                }
                Err(e) => panic!("weights are checked when they are loaded: {e}"),
            }
        }
    }
}
