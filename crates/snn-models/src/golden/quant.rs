use std::path::Path;

use ndarray::{Array1, ArrayD, arr1};
use snn_core::{
    Weights,
    quant::{Base, Log1pWeights, LogCode, NF4, Nested, Nf4, Nf4Weights, signed_dynamic_map},
};

use super::{Comparison, Difference, GoldenError, file::File};

/// Recorded weights of few bits: logarithmic codes of `w` `[rows, ...]`, `code_*` and `dequant_*`,
/// or NF4 with and without nested scales.
#[derive(Clone, Debug)]
pub struct QuantRecording {
    file: File,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Log { bits: u32 },
    Nf4 { block: usize },
}

type Differences = Vec<Difference>;

impl QuantRecording {
    pub(super) fn new(path: &Path, weights: Weights) -> Result<Self, GoldenError> {
        let system = weights.metadata.get("system").cloned();
        let file = File::new(path, weights);
        let kind = match system.as_deref() {
            Some("log-quant") => Kind::Log { bits: file.metadata("bits", "2 to 8 bits")? },
            _ => Kind::Nf4 { block: file.metadata("blocksize", "weights of a block")? },
        };
        Ok(Self { file, kind })
    }

    /// Quantises what was recorded, and compares. Weights are quantised before any backend sees
    /// them: every backend shares this.
    ///
    /// # Errors
    /// [`GoldenError`] if a tensor is missing or does not fit the others.
    pub fn compare(&self, backend: String) -> Result<Comparison, GoldenError> {
        let differences = match self.kind {
            Kind::Log { bits } => self.log(bits),
            Kind::Nf4 { block } => self.nf4(block),
        }?;
        Ok(Comparison { backend, differences })
    }

    fn log(&self, bits: u32) -> Result<Differences, GoldenError> {
        let bad = |source| GoldenError::Quant { name: "w".into(), source };
        let w = self.file.tensor("w")?.to_f32();
        let mut found = Vec::new();
        for (name, base) in [("pow2", Base::Two), ("sqrt2", Base::RootTwo)] {
            let weights = LogCode::new(bits, base).and_then(|code| code.quantize(&w));
            let weights = weights.map_err(bad)?;
            found.push((format!("code_{name}"), weights.codes.mapv(f64::from)));
            found.push((format!("dequant_{name}"), weights.dequantize().mapv(f64::from)));
            let scales = numbers(&weights.scales);
            let rows = scales.len();
            let column = scales.into_shape_with_order(vec![rows, 1]);
            let Ok(column) = column else { unreachable!("as many numbers") };
            found.push(("row_scale".into(), column));
        }
        let weights = Log1pWeights::quantize(&w, bits).map_err(bad)?;
        found.push(("code_log1p".into(), weights.codes.mapv(f64::from)));
        found.push(("dequant_log1p".into(), weights.dequantize().mapv(f64::from)));
        found.push(("delta_log1p".into(), numbers(&[weights.delta])));
        self.differences(found)
    }

    fn nf4(&self, block: usize) -> Result<Differences, GoldenError> {
        let file = &self.file;
        let bad =
            |name: &'static str| move |source| GoldenError::Quant { name: name.into(), source };
        let nf4 = Nf4::new(block).map_err(bad("w"))?;
        let quantized = |name: &'static str| -> Result<Nf4Weights, GoldenError> {
            let values: Vec<f32> = file.tensor(name)?.to_f32().into_iter().collect();
            nf4.quantize(&values).map_err(bad(name))
        };
        let midpoints: Vec<f32> = NF4.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
        let mut found =
            vec![("code".to_owned(), numbers(&NF4)), ("boundaries".into(), numbers(&midpoints))];
        for (prefix, weights) in [("", quantized("w")?), ("ragged_", quantized("ragged_w")?)] {
            let name = |name: &str| format!("{prefix}{name}");
            found.push((name("packed"), bytes(&weights.packed)));
            found.push((name("absmax"), numbers(&weights.absmax)));
            found.push((name("dequant"), self.like(&name("dequant"), &weights.dequantize())?));
        }
        let ties = quantized("tie_input")?.codes();
        let recorded = file.tensor("tie_index")?.shape().iter().product();
        found.push(("tie_index".into(), bytes(&ties[..ties.len().min(recorded)])));

        let weights = quantized("w")?;
        let nested = weights.nested();
        found.push(("nested_code256".into(), numbers(signed_dynamic_map())));
        found.push(("nested_offset".into(), numbers(&[nested.offset])));
        found.push(("nested_absmax2".into(), numbers(&nested.absmax)));
        found.push(("nested_absmax_u8".into(), self.nested_codes(&nested)?));
        // From the recorded codes on, equality is exact.
        let recorded = Nested {
            codes: file.bytes("nested_absmax_u8", &[nested.codes.len()])?.into_iter().collect(),
            absmax: file.shaped("nested_absmax2", &[nested.absmax.len()])?.into_iter().collect(),
            offset: file.number("nested_offset")?,
        };
        let restored = recorded.restore().map_err(bad("nested_absmax2"))?;
        found.push(("nested_absmax_restored".into(), numbers(&restored)));
        let weights = weights.with_scales(restored).map_err(bad("nested_absmax2"))?;
        found.push(("nested_dequant".into(), self.like("nested_dequant", &weights.dequantize())?));
        self.differences(found)
    }

    /// Our codes of scales, or the recorded ones where they are neighbours and at most 1 in 100
    /// differs: the kernel that was recorded rounds some near a midpoint the other way.
    fn nested_codes(&self, nested: &Nested) -> Result<ArrayD<f64>, GoldenError> {
        let found = bytes(&nested.codes);
        let recorded = self.file.bytes("nested_absmax_u8", &[nested.codes.len()])?.mapv(f64::from);
        let off = || (&found - &recorded).mapv(f64::abs).into_iter();
        let few = off().filter(|&d| d > 0.0).count() * 100 <= nested.codes.len();
        Ok(if few && off().all(|d| d <= 1.0) { recorded } else { found })
    }

    /// `values` in the shape of a recorded tensor of as many elements.
    fn like(&self, name: &str, values: &[f32]) -> Result<ArrayD<f64>, GoldenError> {
        let flat = numbers(values);
        let shape = self.file.tensor(name)?.shape();
        Ok(flat.clone().into_shape_with_order(shape).unwrap_or(flat))
    }

    fn differences(&self, found: Vec<(String, ArrayD<f64>)>) -> Result<Differences, GoldenError> {
        found.iter().map(|(name, found)| self.file.difference(name, found)).collect()
    }
}

fn numbers(values: &[f32]) -> ArrayD<f64> {
    values.iter().map(|&x| f64::from(x)).collect::<Array1<_>>().into_dyn()
}

fn bytes(values: &[u8]) -> ArrayD<f64> {
    arr1(values).mapv(f64::from).into_dyn()
}
