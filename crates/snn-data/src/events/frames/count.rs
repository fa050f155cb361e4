//! Counting events per pixel.

use super::{
    Slicing,
    tally::{Strides, Tally},
};
use crate::events::{Event, EventError, Sensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How a recording becomes frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Framing {
    /// Division in time.
    pub slicing: Slicing,
    /// Size of a frame.
    pub sensor: Sensor,
    /// Whether OFF and ON have a channel each (0 and 1), or share one.
    pub polarities: Polarities,
}

/// Channels of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polarities {
    /// Channel 0 counts OFF, channel 1 counts ON.
    #[default]
    Apart,
    /// One channel counts both, as for SHD and SSC.
    Together,
}

/// Counts of events `[T, C, H, W]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    pub(super) shape: [usize; 4],
    pub(super) values: Vec<f32>,
}

impl Frames {
    /// `[T, C, H, W]`: steps, channels, rows, columns.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Counts, step after step, channel after channel, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The frames `[C, H, W]` one after another.
    pub fn steps(&self) -> impl Iterator<Item = &[f32]> {
        let [_, channels, height, width] = self.shape;
        self.values.chunks_exact(channels * height * width)
    }

    /// The counts, owned.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

impl Framing {
    /// Frames with a channel for each polarity.
    pub fn new(slicing: Slicing, sensor: Sensor) -> Self {
        Self { slicing, sensor, polarities: Polarities::Apart }
    }

    /// 2 where polarities are apart, 1 where they are together.
    pub fn channels(&self) -> usize {
        match self.polarities {
            Polarities::Apart => 2,
            Polarities::Together => 1,
        }
    }

    fn size(&self) -> usize {
        self.channels() * self.sensor.pixels()
    }

    /// Counts of each frame, `[T, C, H, W]`.
    ///
    /// # Errors
    /// Those of [`Slicing::ranges`]; [`EventError::Outside`] for an event beyond the sensor.
    pub fn frames(&self, events: &[Event]) -> Result<Frames, EventError> {
        let ranges = self.slicing.ranges(events)?;
        let (width, pixels) = (self.sensor.width.into(), self.sensor.pixels());
        let p = if self.channels() == 2 { pixels } else { 0 };
        let mut values = vec![0.0; ranges.len() * self.size()];
        self.count(events, &ranges, Strides { p, y: width, x: 1 }, &mut values)?;
        let shape = [ranges.len(), self.channels(), self.sensor.height.into(), width];
        Ok(Frames { shape, values })
    }

    /// Writes the counts to `out` `[T, H, W, C]`, channels last. T is what `out` has room for: frames
    /// beyond it are left out, missing ones are zero (as SpikingJelly pads recordings of unlike
    /// length).
    ///
    /// # Errors
    /// As [`frames`](Self::frames).
    ///
    /// # Panics
    /// If `out` does not hold whole frames.
    pub fn write(&self, events: &[Event], out: &mut [f32]) -> Result<(), EventError> {
        assert_eq!(out.len() % self.size().max(1), 0, "out must hold whole frames");
        let mut ranges = self.slicing.ranges(events)?;
        ranges.truncate(out.len() / self.size().max(1));
        let channels = self.channels();
        let strides =
            Strides { p: channels - 1, y: channels * usize::from(self.sensor.width), x: channels };
        out.fill(0.0);
        self.count(events, &ranges, strides, out)
    }

    fn count(
        &self,
        events: &[Event],
        ranges: &[Range<usize>],
        strides: Strides,
        out: &mut [f32],
    ) -> Result<(), EventError> {
        if self.size() == 0 {
            return Err(EventError::Setting {
                setting: "sensor",
                expected: "at least one pixel",
                found: self.sensor.to_string(),
            });
        }
        let frames = out.par_chunks_exact_mut(self.size()).zip(ranges);
        let outside = frames.map_init(Vec::new, |low, (frame, range)| {
            let events = &events[range.clone()];
            let inside = Tally::new(self.sensor, strides, frame, low).add(events);
            let outside = || events.iter().position(|&event| !self.sensor.holds(event));
            if inside { None } else { Some(range.start + outside()?) }
        });
        let outside = outside.flatten();
        match outside.min() {
            None => Ok(()),
            Some(index) => {
                let (x, y) = (events[index].x(), events[index].y());
                Err(EventError::Outside { index, x, y, sensor: self.sensor })
            }
        }
    }
}
