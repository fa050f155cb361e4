use serde::{Deserialize, Serialize};

use super::AnalogError;

/// Reads a sum of currents: clamps it to what the line can carry, and gives it in so many bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Converter {
    limit: f64,
    bits: Option<u32>,
}

impl Converter {
    /// Bits of the converter that our studies start from.
    pub const BITS: u32 = 8;

    /// Currents saturate at plus and minus `limit`; with `bits` they are rounded to
    /// `2^bits - 1` values that lie evenly around 0 and reach the limits.
    ///
    /// # Errors
    /// [`AnalogError`] for a limit that is no finite number above 0, or other than 2 to 24 bits.
    pub fn new(limit: f64, bits: Option<u32>) -> Result<Self, AnalogError> {
        if !(limit.is_finite() && limit > 0.0) {
            let expected = "a finite number above 0";
            return Err(AnalogError { field: "limit", found: limit, expected });
        }
        match bits {
            Some(bits) if !(2..=24).contains(&bits) => {
                Err(AnalogError { field: "bits", found: f64::from(bits), expected: "2 to 24" })
            }
            _ => Ok(Self { limit, bits }),
        }
    }

    /// Where currents saturate.
    pub const fn limit(&self) -> f64 {
        self.limit
    }

    /// The distance of neighbouring values; 0 without a converter.
    pub fn step(&self) -> f64 {
        self.bits.map_or(0.0, |bits| self.limit / (2f64.powi(bits as i32 - 1) - 1.0))
    }

    /// What is read of a current; NaN reads as 0.
    pub fn convert(&self, current: f64) -> f64 {
        let current = if current.is_nan() { 0.0 } else { current };
        let clamped = current.clamp(-self.limit, self.limit);
        match self.bits {
            Some(_) => (clamped / self.step()).round_ties_even() * self.step(),
            None => clamped,
        }
    }
}
