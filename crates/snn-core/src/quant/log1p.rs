use ndarray::ArrayD;

use super::{QuantError, check};

/// Weights in the code `c = round(log1p |w| / D)` with their sign, `D` one step for the whole
/// tensor: code `M = 2^(bits-1) - 1` is its greatest magnitude. Worth `sign(w) expm1(c D)`. Our reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Log1pWeights {
    /// Codes -M to M, shaped as the weights.
    pub codes: ArrayD<i8>,
    /// The step D; 0 if every weight is 0.
    pub delta: f32,
}

impl Log1pWeights {
    /// Codes of `bits` bits, sign included.
    ///
    /// # Errors
    /// [`QuantError::NotFinite`], or [`QuantError::Bits`] for other than 2 to 8.
    pub fn quantize(weights: &ArrayD<f32>, bits: u32) -> Result<Self, QuantError> {
        if !(2..=8).contains(&bits) {
            return Err(QuantError::Bits { found: bits });
        }
        let top = f64::from((1u32 << (bits - 1)) - 1);
        check(weights)?;
        let greatest = weights.iter().fold(0f32, |a, w| a.max(w.abs()));
        let delta = (f64::from(greatest).ln_1p() / top) as f32;
        let code = |w: f32| {
            if delta == 0.0 {
                return 0;
            }
            let level = (f64::from(w.abs()).ln_1p() / f64::from(delta)).round_ties_even();
            level.min(top) as i8 * if w < 0.0 { -1 } else { 1 }
        };
        Ok(Self { codes: weights.mapv(code), delta })
    }

    /// The weights that the codes stand for.
    pub fn dequantize(&self) -> ArrayD<f32> {
        self.codes.mapv(|code| {
            let magnitude = (f64::from(code.unsigned_abs()) * f64::from(self.delta)).exp_m1();
            magnitude as f32 * f32::from(code.signum())
        })
    }
}
