//! Frames of event recordings as a source for the loader.

use super::{EventSet, Recording};
use crate::{
    DataError,
    cache::{Cache, Frames, Key},
    events::{
        frames::{Framing, Slicing, resize},
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
    /// Height and width of the samples.
    size: [usize; 2],
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
        let wrong = |expected, found| {
            Err(DataError::Setting { setting: "number of frames", expected, found })
        };
        match slicing.fixed() {
            _ if steps == 0 => return wrong("at least 1", "0".into()),
            Some(made) if made != steps => {
                let found = format!("{made} by the slicing and {steps} in a sample");
                return wrong("the same for both", found);
            }
            _ => {}
        }
        let framing = Framing { slicing, sensor: set.sensor, polarities: set.polarities };
        let size = framing.sensor.size();
        Ok(Self { set, recordings, framing, steps, size, augment, cached: None })
    }

    /// The same frames brought to `size` (height, width) by [`resize`], before they are augmented.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a size without pixels.
    pub fn resized(mut self, size: [usize; 2]) -> Result<Self, DataError> {
        if size.contains(&0) {
            let found = format!("{} x {}", size[0], size[1]);
            let (setting, expected) = ("size of a frame", "at least one pixel");
            return Err(DataError::Setting { setting, expected, found });
        }
        self.size = size;
        Ok(self)
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

    /// Counts of a sample as they are stored.
    fn values(&self) -> usize {
        self.steps * self.framing.sensor.pixels() * self.framing.channels()
    }

    /// The counts of recording `i`, `[T, H, W, C]` with the size of the sensor.
    fn counts(&self, i: usize, out: &mut [f32]) -> Result<(), DataError> {
        let Some(frames) = &self.cached else { return self.decode(i, out) };
        for (value, count) in out.iter_mut().zip(frames.sample(i).chunks_exact(2)) {
            *value = f32::from(u16::from_le_bytes([count[0], count[1]]));
        }
        Ok(())
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
        [self.steps, self.size[0], self.size[1], self.framing.channels()]
    }

    fn classes(&self) -> usize {
        self.set.classes.len()
    }

    fn label(&self, i: usize) -> usize {
        self.recordings[i].label
    }

    fn sample(&self, i: usize, rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError> {
        let sensor = self.framing.sensor.size();
        if sensor == self.size {
            self.counts(i, out)?;
        } else {
            let mut counts = vec![0.0; self.values()];
            self.counts(i, &mut counts)?;
            let frames = counts.chunks_exact(counts.len() / self.steps);
            let size = out.len() / self.steps;
            for (frame, out) in frames.zip(out.chunks_exact_mut(size)) {
                out.copy_from_slice(&resize(frame, sensor, self.size));
            }
        }
        self.augment.apply(out, self.shape(), rng);
        Ok(())
    }
}
