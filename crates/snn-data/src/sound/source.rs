//! Log-mel features as a source for the loader.

use super::{LogMel, Recording, Sound, SoundError, Spectrogram};
use crate::{DataError, loader::Source, random::Rng};

/// Sounds that become log-mel features `[T, 1, bands, 1]`, a time step for each window.
#[derive(Clone, Debug)]
pub struct MelFrames {
    recordings: Vec<Recording>,
    classes: usize,
    spectrogram: Spectrogram,
    samples: usize,
}

impl MelFrames {
    /// Features of `recordings`, each cut or filled up with silence to `samples` samples.
    ///
    /// # Errors
    /// [`DataError::Sound`] for a setting out of its range.
    pub fn new(
        recordings: Vec<Recording>,
        classes: usize,
        settings: &LogMel,
        samples: usize,
    ) -> Result<Self, DataError> {
        let spectrogram = settings.prepare()?;
        Ok(Self { recordings, classes, spectrogram, samples })
    }
}

impl Source for MelFrames {
    fn len(&self) -> usize {
        self.recordings.len()
    }

    fn shape(&self) -> [usize; 4] {
        [self.spectrogram.frames(self.samples), 1, self.spectrogram.settings().bands, 1]
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn label(&self, i: usize) -> usize {
        self.recordings[i].label
    }

    fn sample(&self, i: usize, _rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError> {
        let path = &self.recordings[i].path;
        let mut sound = Sound::read(path)?;
        let expected = self.spectrogram.settings().rate;
        if sound.rate != expected {
            let (path, found) = (path.clone(), sound.rate);
            return Err(SoundError::Rate { path, expected, found }.into());
        }
        sound.samples.resize(self.samples, 0.0);
        out.copy_from_slice(&self.spectrogram.log_mel(&sound.samples));
        Ok(())
    }
}
