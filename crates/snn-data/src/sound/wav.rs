//! Wave files.

use super::SoundError;
use hound::{SampleFormat, WavReader};
use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

/// A sound with one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// Samples from -1 to 1.
    pub samples: Vec<f32>,
}

impl Sound {
    /// Whether the file begins as a wave file does.
    ///
    /// # Errors
    /// [`SoundError::Io`].
    pub fn is_wave(path: &Path) -> Result<bool, SoundError> {
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(12).read_to_end(&mut head))
            .map_err(|source| SoundError::Io { path: path.into(), source })?;
        Ok(head.starts_with(b"RIFF") && head.ends_with(b"WAVE"))
    }

    /// Reads a wave file of whole numbers (8 to 32 bits) or of reals; channels are averaged.
    ///
    /// # Errors
    /// [`SoundError::Io`] and [`SoundError::Wave`].
    pub fn read(path: &Path) -> Result<Self, SoundError> {
        let wrong = |e: hound::Error| match e {
            // What the system did not say is the reader's word for a file cut short.
            hound::Error::IoError(source) if source.raw_os_error().is_some() => {
                SoundError::Io { path: path.into(), source }
            }
            other => SoundError::Wave { path: path.into(), reason: other.to_string() },
        };
        let file = File::open(path).map_err(hound::Error::IoError).map_err(wrong)?;
        let size = file.metadata().map_or(0, |about| about.len());
        let mut reader = WavReader::new(BufReader::new(file)).map_err(wrong)?;
        let spec = reader.spec();
        // No more than the file can hold, whatever its header says.
        let bytes = u64::from(spec.bits_per_sample.div_ceil(8).max(1));
        let count = u64::from(reader.len()).min(size / bytes);
        let mut samples = Vec::with_capacity(count as usize);
        match spec.sample_format {
            SampleFormat::Float => {
                for sample in reader.samples::<f32>() {
                    samples.push(sample.map_err(wrong)?);
                }
            }
            SampleFormat::Int => {
                let scale = 2f32.powi(1 - i32::from(spec.bits_per_sample));
                for sample in reader.samples::<i32>() {
                    samples.push(sample.map_err(wrong)? as f32 * scale);
                }
            }
        }
        let channels = usize::from(spec.channels.max(1));
        if channels > 1 {
            let mean = |s: &[f32]| s.iter().sum::<f32>() / channels as f32;
            samples = samples.chunks_exact(channels).map(mean).collect();
        }
        Ok(Self { rate: spec.sample_rate, samples })
    }
}
