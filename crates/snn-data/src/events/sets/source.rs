//! Frames of event recordings as a source for the loader.

use super::{EventSet, Recording};
use crate::{
    DataError,
    cache::{Cache, Frames, Key},
    events::{
        frames::{Framing, Slicing},
        transform::FrameAugment,
    },
    loader::Source,
    random::Rng,
};
use std::sync::Arc;

/// Moves when the same settings give other frames.
const VERSION: u32 = 1;

/// Recordings that become frames `[T, H, W, C]` when they are asked for: counts of events, OFF in
/// channel 0 and ON in channel 1.
#[derive(Clone, Debug)]
pub struct EventFrames {
    set: Arc<EventSet>,
    recordings: Vec<Recording>,
    framing: Framing,
    steps: usize,
    augment: FrameAugment,
    cached: Option<Arc<Frames>>,
}

impl EventFrames {
    /// Frames of `recordings`, one of the parts of `set`.
    ///
    /// `steps` is the number of frames of a sample. Rules that fix it must agree; recordings that a
    /// rule of fixed duration makes longer are cut, shorter ones are filled up with empty frames.
    ///
    /// # Errors
    /// [`DataError::Setting`] and [`DataError::Events`] for settings out of range.
    pub fn new(
        set: Arc<EventSet>,
        recordings: Vec<Recording>,
        slicing: Slicing,
        steps: usize,
        augment: FrameAugment,
    ) -> Result<Self, DataError> {
        slicing.validate()?;
        augment.validate()?;
        if steps == 0 || slicing.fixed().is_some_and(|fixed| fixed != steps) {
            return Err(DataError::Setting {
                setting: "steps",
                expected: "at least 1, and the number of frames of the slicing",
                found: steps.to_string(),
            });
        }
        let framing = Framing { slicing, sensor: set.sensor, polarities: set.polarities };
        Ok(Self { set, recordings, framing, steps, augment, cached: None })
    }

    /// The same frames kept in `cache`, so that each recording is read once.
    ///
    /// # Errors
    /// Those of reading every recording; [`DataError::Io`]; [`DataError::Setting`] when a pixel
    /// counts more than 65535 events.
    pub fn cached(mut self, cache: &Cache) -> Result<Self, DataError> {
        let files: Vec<_> = self.recordings.iter().map(|r| r.path.clone()).collect();
        let parts: Vec<String> = self.recordings.iter().map(|r| format!("{:?}", r.part)).collect();
        let transform = format!(
            "event frames, version {VERSION}: {:?}, {:?}, {} steps, parts {}",
            self.framing,
            self.set.convention,
            self.steps,
            parts.join(" ")
        );
        let key = Key::new(cache, &transform, &files)?;
        let values = self.values();
        let frames = cache.load_or_make(&key, 2 * values, self.recordings.len(), |i, out| {
            let mut frames = vec![0.0; values];
            self.decode(i, &mut frames)?;
            for (bytes, &count) in out.chunks_exact_mut(2).zip(&frames) {
                if count > f32::from(u16::MAX) {
                    return Err(DataError::Setting {
                        setting: "events of one pixel in one frame",
                        expected: "at most 65535; use more frames, or no cache",
                        found: count.to_string(),
                    });
                }
                bytes.copy_from_slice(&(count as u16).to_le_bytes());
            }
            Ok(())
        })?;
        self.cached = Some(Arc::new(frames));
        Ok(self)
    }

    /// The recordings behind it.
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }

    fn values(&self) -> usize {
        self.shape().iter().product()
    }

    fn decode(&self, i: usize, out: &mut [f32]) -> Result<(), DataError> {
        let recording = &self.recordings[i];
        let events = self.set.read(recording)?;
        let wrong = |e| DataError::Recording { path: recording.path.clone(), source: Box::new(e) };
        self.framing.write(&events, out).map_err(wrong)
    }
}

impl Source for EventFrames {
    fn len(&self) -> usize {
        self.recordings.len()
    }

    fn shape(&self) -> [usize; 4] {
        let sensor = self.framing.sensor;
        [self.steps, sensor.height.into(), sensor.width.into(), self.framing.channels()]
    }

    fn classes(&self) -> usize {
        self.set.classes.len()
    }

    fn label(&self, i: usize) -> usize {
        self.recordings[i].label
    }

    fn sample(&self, i: usize, rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError> {
        match &self.cached {
            Some(frames) => {
                let counts = frames.sample(i).chunks_exact(2);
                for (value, count) in out.iter_mut().zip(counts) {
                    *value = f32::from(u16::from_le_bytes([count[0], count[1]]));
                }
            }
            None => self.decode(i, out)?,
        }
        self.augment.apply(out, self.shape(), rng);
        Ok(())
    }
}
