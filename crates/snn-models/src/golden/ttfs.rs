use std::path::Path;

use ndarray::{ArrayD, Ix2, arr1};
use snn_core::{
    Weights,
    encode::ttfs::{Histogram, MaskedTtfs, Quantizer, Times, TtfsLinear},
};

use super::{Comparison, GoldenError, file::File};

/// Recorded masked time-to-first-spike codes of `x` `[..., C]`: levels, histogram and mask, and for
/// every dead zone `k` in the file times, spikes `[..., C, T]`, decoded levels and the linear layer
/// `weight` on them, `*_dz<k>`.
#[derive(Clone, Debug)]
pub struct TtfsRecording {
    file: File,
    levels: u32,
    dead_zones: Vec<u32>,
}

impl TtfsRecording {
    pub(super) fn new(path: &Path, weights: Weights) -> Result<Self, GoldenError> {
        let file = File::new(path, weights);
        let levels = file.metadata("levels", "a number of levels, at least 2")?;
        let zone = |name: &str| name.strip_prefix("time_dz")?.parse().ok();
        let dead_zones = file.names().filter_map(zone).collect();
        Ok(Self { file, levels, dead_zones })
    }

    /// Encodes what was recorded, and compares. Codes are no operation of a backend: every backend
    /// shares them.
    ///
    /// # Errors
    /// [`GoldenError`] if a tensor is missing or does not fit the others.
    pub fn compare(&self, backend: String) -> Result<Comparison, GoldenError> {
        let file = &self.file;
        let bad =
            |name: &'static str| move |source| GoldenError::Ttfs { name: name.into(), source };
        let x = file.tensor("x")?.to_f32();
        let zero_point = file.number("zero_point")? as i32;
        let quantizer = Quantizer::new(self.levels, file.number("scale")?, zero_point);
        let quantizer = quantizer.map_err(bad("scale"))?;
        let levels = quantizer.quantize(&x).map_err(bad("x"))?;
        let histogram = Histogram::of(&quantizer, &x).map_err(bad("x"))?;
        let mode = histogram.mode(&quantizer).map_err(bad("x"))?;
        let counts: Vec<f64> = histogram.counts().iter().map(|&count| count as f64).collect();
        let plain = MaskedTtfs::plain(quantizer).times_of(&levels).map_err(bad("x"))?;
        let mut differences = Vec::new();
        let mut compare = |name: &str, found: ArrayD<f64>| -> Result<(), GoldenError> {
            differences.push(file.difference(name, &found)?);
            Ok(())
        };
        compare("levels", levels.mapv(f64::from))?;
        compare("histogram", arr1(&counts).into_dyn())?;
        compare("mask_level", arr1(&[f64::from(mode)]).into_dyn())?;
        compare("plain_time", slots(&plain))?;
        compare("silent_fraction_plain", silent(&plain))?;

        let weight = file.tensor("weight")?.to_f32().into_dimensionality::<Ix2>();
        let weight = weight.map_err(|_| GoldenError::Axes {
            name: "weight".into(),
            expected: 2,
            found: file.tensor("weight").map_or(0, |tensor| tensor.shape().len()),
        })?;
        let linear = TtfsLinear::new(weight.view(), None).map_err(bad("weight"))?;
        // A negative or broken level is far above the greatest.
        let mask = file.number("mask_level")? as i64 as u32;
        for &k in &self.dead_zones {
            let code = MaskedTtfs::new(quantizer, mask, k).map_err(bad("mask_level"))?;
            let times = code.times_of(&levels).map_err(bad("x"))?;
            let decoded = code.decode(&times).map_err(bad("x"))?;
            compare(&format!("time_dz{k}"), slots(&times))?;
            compare(&format!("decoded_dz{k}"), decoded.mapv(f64::from))?;
            compare(&format!("silent_fraction_dz{k}"), silent(&times))?;
            for y in [linear.forward(&code, &times), linear.forward_dense(&code, &decoded)] {
                let y = y.map_err(bad("weight"))?;
                compare(&format!("linear_out_dz{k}"), y.mapv(f64::from))?;
            }
            let name = format!("spikes_dz{k}");
            if file.tensor(&name).is_ok() {
                let spikes = code.spikes(&times).mapv(|spike| f64::from(u8::from(spike)));
                compare(&name, time_last(spikes))?;
            }
        }
        Ok(Comparison { backend, differences })
    }
}

/// Slots, -1 for silence.
fn slots(times: &Times) -> ArrayD<f64> {
    times.mapv(|time| time.map_or(-1.0, f64::from))
}

fn silent(times: &Times) -> ArrayD<f64> {
    let count = times.iter().filter(|time| time.is_none()).count();
    arr1(&[count as f64 / times.len() as f64]).into_dyn()
}

/// `[T, ...]` to `[..., T]`.
fn time_last(mut x: ArrayD<f64>) -> ArrayD<f64> {
    for axis in 1..x.ndim() {
        x.swap_axes(axis - 1, axis);
    }
    x
}
