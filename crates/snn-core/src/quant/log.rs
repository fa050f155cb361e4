use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};

use super::{QuantError, check, pack, unpack};

/// What a step of a logarithmic code multiplies by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// 2: with whole activations every product is a shift.
    #[default]
    Two,
    /// The root of 2: finer, over half the range.
    RootTwo,
}

impl Base {
    /// Its logarithm to base 2.
    pub const fn log2(self) -> f64 {
        match self {
            Self::Two => 1.0,
            Self::RootTwo => 0.5,
        }
    }
}

/// A logarithmic code of `bits` bits, sign included: of the greatest magnitude `s` of a row and
/// `M = 2^(bits-1) - 1`, code `c` is worth `sign(c) s base^(|c| - M)`, and 0 is exactly 0.
///
/// A weight gets the code nearest to its logarithm, ties to even; below `s base^-(M - 1/2)` it
/// becomes 0. The greatest weight of a row is exact. Family of power-of-two codes (Miyashita et
/// al., 2016); that Matterhorn uses 4-bit codes of few conductances is published, this code is
/// our reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCode {
    bits: u32,
    base: Base,
}

/// Weights in a logarithmic code.
#[derive(Clone, Debug, PartialEq)]
pub struct LogWeights {
    /// Codes, shaped as the weights.
    pub codes: ArrayD<i8>,
    /// Greatest magnitude of each row: of all that shares a place on the first axis.
    pub scales: Vec<f32>,
    code: LogCode,
}

impl LogCode {
    /// Codes of `bits` bits.
    ///
    /// # Errors
    /// [`QuantError::Bits`] for other than 2 to 8.
    pub const fn new(bits: u32, base: Base) -> Result<Self, QuantError> {
        match bits {
            2..=8 => Ok(Self { bits, base }),
            _ => Err(QuantError::Bits { found: bits }),
        }
    }

    /// Bits of a code.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// What a step of the code multiplies by.
    pub const fn base(&self) -> Base {
        self.base
    }

    /// The greatest code M.
    pub const fn greatest(&self) -> i8 {
        ((1u32 << (self.bits - 1)) - 1) as i8
    }

    /// The code of a weight in a row of scale `s`; what is beyond `s` gets the greatest.
    pub fn code(&self, w: f32, s: f32) -> i8 {
        if w == 0.0 || s == 0.0 {
            return 0;
        }
        let exponent = ((f64::from(w.abs()) / f64::from(s)).log2() / self.base.log2())
            .round_ties_even()
            .min(0.0);
        let magnitude = (exponent + f64::from(self.greatest())).max(0.0) as i8;
        if w < 0.0 { -magnitude } else { magnitude }
    }

    /// What a code is worth in a row of scale `s`.
    pub fn value(&self, code: i8, s: f32) -> f32 {
        if code == 0 {
            return 0.0;
        }
        let exponent = f64::from(code.unsigned_abs()) - f64::from(self.greatest());
        let magnitude = (f64::from(s) * (exponent * self.base.log2()).exp2()) as f32;
        if code < 0 { -magnitude } else { magnitude }
    }

    /// Codes of weights `[rows, ...]`, each row with its greatest magnitude as the scale.
    ///
    /// # Errors
    /// [`QuantError::NotFinite`].
    pub fn quantize(&self, weights: &ArrayD<f32>) -> Result<LogWeights, QuantError> {
        self.quantize_with(weights, greatest)
    }

    /// As [`LogCode::quantize`], with the best of seven scales for each row, 1 to 0.7 times its
    /// greatest magnitude: that of the least square error, of equal ones the greatest.
    ///
    /// # Errors
    /// [`QuantError::NotFinite`].
    pub fn search(&self, weights: &ArrayD<f32>) -> Result<LogWeights, QuantError> {
        self.quantize_with(weights, |row| {
            let whole = greatest(row);
            let error = |s: f32| -> f64 {
                let off = |w: f32| f64::from(self.value(self.code(w, s), s)) - f64::from(w);
                row.iter().map(|&w| off(w).powi(2)).sum()
            };
            let scales = (0..7).map(|i| whole * (1.0 - 0.05 * i as f32));
            let better = |a: (f32, f64), b: (f32, f64)| if b.1 < a.1 { b } else { a };
            scales.map(|s| (s, error(s))).reduce(better).map_or(whole, |best| best.0)
        })
    }

    fn quantize_with(
        &self,
        weights: &ArrayD<f32>,
        scale: impl Fn(&[f32]) -> f32,
    ) -> Result<LogWeights, QuantError> {
        check(weights)?;
        let mut codes = ArrayD::zeros(weights.shape());
        let mut scales = Vec::new();
        if weights.ndim() > 0 {
            for (row, mut coded) in weights.outer_iter().zip(codes.outer_iter_mut()) {
                let values: Vec<f32> = row.iter().copied().collect();
                let s = scale(&values);
                coded.zip_mut_with(&row, |code, &w| *code = self.code(w, s));
                scales.push(s);
            }
        } else {
            // A number by itself is a row of its own.
            scales.extend(weights.iter().map(|w| w.abs()));
            codes.zip_mut_with(weights, |code, &w| *code = self.code(w, w.abs()));
        }
        Ok(LogWeights { codes, scales, code: *self })
    }

    /// Weights of packed codes, as [`LogWeights::packed`] gives them, in rows `[rows, ...]`.
    ///
    /// # Errors
    /// [`QuantError`] for another number of bytes or scales, a code that is not used, or other
    /// than 4 bits.
    pub fn unpack(
        &self,
        bytes: &[u8],
        scales: Vec<f32>,
        shape: &[usize],
    ) -> Result<LogWeights, QuantError> {
        if self.bits != 4 {
            return Err(QuantError::Bits { found: self.bits });
        }
        check(&scales)?;
        let count = shape.iter().product();
        let rows = shape.first().copied().unwrap_or(1);
        if scales.len() != rows {
            let (found, what) = (scales.len(), "scales of rows");
            return Err(QuantError::Length { what, found, expected: rows, weights: count });
        }
        // Sign extension of a nibble.
        let codes: Vec<i8> =
            unpack(bytes, count)?.into_iter().map(|n| ((n << 4) as i8) >> 4).collect();
        let greatest = self.greatest();
        if let Some((index, &found)) = codes.iter().enumerate().find(|(_, c)| **c < -greatest) {
            return Err(QuantError::Code { index, found, least: -greatest, greatest });
        }
        match ArrayD::from_shape_vec(shape, codes) {
            Ok(codes) => Ok(LogWeights { codes, scales, code: *self }),
            Err(e) => unreachable!("codes were counted: {e}"),
        }
    }
}

impl LogWeights {
    /// The weights that the codes stand for.
    pub fn dequantize(&self) -> ArrayD<f32> {
        if self.codes.ndim() == 0 {
            return self.codes.mapv(|code| self.code.value(code, self.scales[0]));
        }
        let mut weights = ArrayD::zeros(self.codes.shape());
        for (i, &s) in self.scales.iter().enumerate() {
            let codes = self.codes.index_axis(Axis(0), i);
            let mut row = weights.index_axis_mut(Axis(0), i);
            row.zip_mut_with(&codes, |w, &code| *w = self.code.value(code, s));
        }
        weights
    }

    /// The codes in two's complement, two a byte; see [`pack`]. Only codes of 4 bits fit.
    ///
    /// # Errors
    /// [`QuantError::Bits`] for other codes.
    pub fn packed(&self) -> Result<Vec<u8>, QuantError> {
        match self.code.bits {
            4 => Ok(pack(&self.codes.iter().map(|&code| code as u8).collect::<Vec<_>>(), 0)),
            found => Err(QuantError::Bits { found }),
        }
    }

    /// Sums of rows with whole activations `[inputs]`, by shifts alone, in units of
    /// `s 2^-(M - 1)`: `sum_i sign(c_i) (x_i << (|c_i| - 1))`. `None` for another base, or rows
    /// of another length.
    pub fn shift_sums(&self, x: &[i32]) -> Option<Vec<i64>> {
        let rows = self.codes.view().into_dimensionality::<ndarray::Ix2>().ok()?;
        if self.code.base != Base::Two || rows.ncols() != x.len() {
            return None;
        }
        let term = |(&code, &x): (&i8, &i32)| match code {
            0 => 0,
            _ => i64::from(code.signum()) * (i64::from(x) << (code.unsigned_abs() - 1)),
        };
        Some(rows.outer_iter().map(|row| row.iter().zip(x).map(term).sum()).collect())
    }
}

fn greatest(row: &[f32]) -> f32 {
    row.iter().fold(0.0, |a, &w| a.max(w.abs()))
}
