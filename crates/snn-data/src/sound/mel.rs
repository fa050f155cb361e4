//! Log-mel features.

use super::SoundError;
use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A scale of pitch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// 2595 log₁₀(1 + f / 700), filters of height 1: torchaudio's default.
    #[default]
    Htk,
    /// Linear below 1 kHz, logarithmic above, filters of area 1 (Slaney's auditory toolbox):
    /// librosa's default.
    Slaney,
}

/// Settings of log-mel features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogMel {
    /// Samples a second.
    pub rate: u32,
    /// Samples of a window (Hann) and of its Fourier transform.
    pub window: usize,
    /// Samples from one window to the next.
    pub hop: usize,
    /// Number of bands.
    pub bands: usize,
    /// Lower end of the lowest band in hertz.
    pub low: f64,
    /// Upper end of the highest band in hertz; half the rate where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Scale of pitch.
    pub scale: MelScale,
    /// Added to the power before the logarithm.
    pub floor: f64,
}

impl Default for LogMel {
    /// 40 bands of 25 ms windows every 10 ms at 16 kHz.
    fn default() -> Self {
        Self {
            rate: 16_000,
            window: 400,
            hop: 160,
            bands: 40,
            low: 20.0,
            high: None,
            scale: MelScale::Htk,
            floor: 1e-6,
        }
    }
}

impl MelScale {
    fn mel(self, hertz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
            Self::Slaney if hertz < 1000.0 => hertz * 3.0 / 200.0,
            Self::Slaney => 15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4f64.ln(),
        }
    }

    fn hertz(self, mel: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if mel < 15.0 => mel * 200.0 / 3.0,
            Self::Slaney => 1000.0 * ((mel - 15.0) * 6.4f64.ln() / 27.0).exp(),
        }
    }
}

impl LogMel {
    fn validate(&self) -> Result<f64, SoundError> {
        let wrong = |setting, expected: String, found: String| {
            Err(SoundError::Setting { setting, expected, found })
        };
        let nyquist = f64::from(self.rate) / 2.0;
        let high = self.high.unwrap_or(nyquist);
        if self.rate == 0 || self.window < 2 || self.window > 1 << 20 || self.hop == 0 {
            let found = format!("{} and {} at {} Hz", self.window, self.hop, self.rate);
            return wrong(
                "window and hop",
                "2 to 2^20 and at least 1 at a rate above 0".into(),
                found,
            );
        }
        if self.bands == 0 || self.bands > self.window {
            let expected = format!("1 to {}, the window", self.window);
            return wrong("bands", expected, self.bands.to_string());
        }
        if !(self.low >= 0.0 && self.low < high && high <= nyquist) {
            let expected = format!("low below high, both from 0 to {nyquist} Hz");
            return wrong("range of pitch", expected, format!("{} to {high}", self.low));
        }
        match self.floor > 0.0 && self.floor.is_finite() {
            true => Ok(high),
            false => wrong("floor", "above 0".into(), self.floor.to_string()),
        }
    }

    /// Weights `[bands, window / 2 + 1]` of the triangular filters.
    fn filters(&self, high: f64) -> Vec<Vec<f64>> {
        let (low, high) = (self.scale.mel(self.low), self.scale.mel(high));
        let edge = |i: usize| {
            let share = i as f64 / (self.bands + 1) as f64;
            self.scale.hertz(low + (high - low) * share)
        };
        let filter = |band: usize| {
            let (left, middle, right) = (edge(band), edge(band + 1), edge(band + 2));
            let height = match self.scale {
                MelScale::Htk => 1.0,
                MelScale::Slaney => 2.0 / (right - left),
            };
            let weight = |bin: usize| {
                let f = bin as f64 * f64::from(self.rate) / self.window as f64;
                let up = (f - left) / (middle - left);
                let down = (right - f) / (right - middle);
                height * up.min(down).max(0.0)
            };
            (0..=self.window / 2).map(weight).collect()
        };
        (0..self.bands).map(filter).collect()
    }

    /// Prepares the filters.
    ///
    /// # Errors
    /// [`SoundError::Setting`] names the first setting that is out of its range.
    pub fn prepare(&self) -> Result<Spectrogram, SoundError> {
        let high = self.validate()?;
        let turn = std::f64::consts::TAU / self.window as f64;
        let hann = (0..self.window).map(|i| 0.5 - 0.5 * (turn * i as f64).cos()).collect();
        let fourier = RealFftPlanner::new().plan_fft_forward(self.window);
        Ok(Spectrogram { settings: self.clone(), hann, filters: self.filters(high), fourier })
    }
}

/// Computes log-mel features.
#[derive(Clone)]
pub struct Spectrogram {
    settings: LogMel,
    hann: Vec<f64>,
    filters: Vec<Vec<f64>>,
    fourier: Arc<dyn RealToComplex<f64>>,
}

impl std::fmt::Debug for Spectrogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spectrogram").field("settings", &self.settings).finish()
    }
}

impl Spectrogram {
    /// The settings it was prepared from.
    pub fn settings(&self) -> &LogMel {
        &self.settings
    }

    /// Number of windows in `samples`: one around each multiple of the hop.
    pub fn frames(&self, samples: usize) -> usize {
        samples / self.settings.hop + 1
    }

    /// ln(power + floor) `[frames, bands]` of `samples`, whose ends are mirrored so that the first
    /// window lies around the first sample (`center=True` of librosa and torchaudio with
    /// reflection).
    pub fn log_mel(&self, samples: &[f32]) -> Vec<f32> {
        let LogMel { window, hop, floor, .. } = self.settings;
        let mut input = self.fourier.make_input_vec();
        let mut spectrum = self.fourier.make_output_vec();
        let mut features = Vec::with_capacity(self.frames(samples.len()) * self.filters.len());
        for frame in 0..self.frames(samples.len()) {
            let first = (frame * hop) as i64 - (window / 2) as i64;
            for (i, value) in input.iter_mut().enumerate() {
                *value = self.hann[i] * f64::from(mirrored(samples, first + i as i64));
            }
            if self.fourier.process(&mut input, &mut spectrum).is_err() {
                unreachable!("both buffers were made by the transform");
            }
            let power: Vec<f64> = spectrum.iter().map(Complex::norm_sqr).collect();
            features.extend(self.filters.iter().map(|filter| {
                let energy: f64 = filter.iter().zip(&power).map(|(w, p)| w * p).sum();
                (energy + floor).ln() as f32
            }));
        }
        features
    }
}

/// Sample `i`, mirrored at both ends without repeating the outermost sample.
fn mirrored(samples: &[f32], i: i64) -> f32 {
    match samples {
        [] => 0.0,
        [only] => *only,
        _ => {
            let period = 2 * (samples.len() as i64 - 1);
            let i = i.rem_euclid(period);
            samples[i.min(period - i) as usize]
        }
    }
}
