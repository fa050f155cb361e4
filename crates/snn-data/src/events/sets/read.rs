//! The events of a recording, as a convention has them.

use super::{Convention, EventSet, Part, Recording};
use crate::events::{Event, EventError, Options, Reader, transform::between};

impl EventSet {
    /// The events of one of its recordings.
    ///
    /// # Errors
    /// Those of [`Reader`].
    pub fn read(&self, recording: &Recording) -> Result<Vec<Event>, EventError> {
        let events = self.stored(recording)?;
        Ok(match (self.manifest.name.as_str(), self.convention) {
            (_, Convention::Stored) => events,
            ("cifar10-dvs", Convention::SpikingJelly) => {
                turned(events, |e| (mirror(e.y(), 127), mirror(e.x(), 127)))
            }
            ("asl-dvs", Convention::SpikingJelly) => {
                turned(events, |e| (mirror(e.x(), 239), mirror(e.y(), 179)))
            }
            ("n-caltech101", Convention::Tonic) => {
                let left = events.iter().map(|e| e.x()).min().unwrap_or(0);
                let top = events.iter().map(|e| e.y()).min().unwrap_or(0);
                turned(events, |e| (e.x() - left, e.y() - top))
            }
            _ => events,
        })
    }

    fn stored(&self, recording: &Recording) -> Result<Vec<Event>, EventError> {
        let Recording { path, part, .. } = recording;
        let atis_overflow = self.convention == Convention::Tonic;
        let options = Options { atis_overflow, ..Options::default() };
        match *part {
            Part::Whole => Reader::open_with(path, &options)?.read_all(),
            Part::Between { start, end } => {
                let mut reader = Reader::open_with(path, &options)?;
                let (mut events, mut batch) = (Vec::new(), Vec::new());
                while reader.read(&mut batch)? {
                    events.extend(between(&batch, start, end));
                    // A recording's clock only grows, so nothing can follow.
                    if batch.first().is_some_and(|e| e.t() >= end) {
                        break;
                    }
                    batch.clear();
                }
                Ok(events)
            }
            Part::Item(i) => match self.spikes.iter().find(|file| file.path() == path) {
                Some(file) => file.read(i),
                None => crate::events::SpikeFile::open(path)?.read(i),
            },
        }
    }
}

/// `last - place`; what lies beyond the sensor stays beyond it.
fn mirror(place: u16, last: u16) -> u16 {
    last.checked_sub(place).unwrap_or(Event::LAST_ROW)
}

fn turned(mut events: Vec<Event>, place: impl Fn(Event) -> (u16, u16)) -> Vec<Event> {
    for event in &mut events {
        let (x, y) = place(*event);
        *event = event.with_place(x, y);
    }
    events
}
