//! Where one frame ends and the next begins.

use crate::events::{Event, EventError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A rule that divides a recording into steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Slicing {
    /// As many events in each frame, the remainder in the last: SpikingJelly's
    /// `split_by="number"`, which the official transformers use.
    Number {
        /// Frames.
        frames: usize,
    },
    /// As much time in each frame, cut to whole microseconds, the remainder in the last:
    /// SpikingJelly's `split_by="time"`. A frame may be empty here, where SpikingJelly fails.
    Time {
        /// Frames.
        frames: usize,
    },
    /// As [`Time`](Self::Time) with the fraction of the microsecond kept: SpikingJelly's
    /// `split_by="time"` for SHD and SSC.
    TimeExact {
        /// Frames.
        frames: usize,
    },
    /// Frames of fixed duration, as many as it takes: SpikingJelly's `duration`. The last event
    /// belongs to the last frame even when it lies on its end. Events of one instant make one
    /// frame here, where SpikingJelly fails.
    Duration {
        /// Microseconds.
        us: i64,
    },
    /// Windows of fixed duration: tonic's `time_window`.
    TonicTime {
        /// Length of a window in microseconds.
        window: i64,
        /// Microseconds that a window shares with the next.
        overlap: i64,
        /// Whether a last window that is not full counts.
        incomplete: bool,
    },
    /// Windows of a fixed number of events: tonic's `event_count`.
    TonicCount {
        /// Events in a window.
        events: usize,
        /// Events that a window shares with the next.
        overlap: usize,
        /// Whether a last window that is not full counts.
        incomplete: bool,
    },
    /// A fixed number of windows of equal time: tonic's `n_time_bins`.
    TonicTimeBins {
        /// Windows.
        bins: usize,
        /// Share by which a window is longer, below 1.
        overlap: f64,
    },
    /// A fixed number of windows of equally many events: tonic's `n_event_bins`.
    TonicEventBins {
        /// Windows.
        bins: usize,
        /// Share by which a window is longer, below 1.
        overlap: f64,
    },
}

fn setting<T>(
    setting: &'static str,
    expected: &'static str,
    found: impl ToString,
) -> Result<T, EventError> {
    Err(EventError::Setting { setting, expected, found: found.to_string() })
}

impl Slicing {
    /// Number of frames, where it does not depend on the recording.
    pub fn fixed(&self) -> Option<usize> {
        match *self {
            Self::Number { frames } | Self::Time { frames } | Self::TimeExact { frames } => {
                Some(frames)
            }
            Self::TonicTimeBins { bins, .. } | Self::TonicEventBins { bins, .. } => Some(bins),
            Self::Duration { .. } | Self::TonicTime { .. } | Self::TonicCount { .. } => None,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`EventError::Setting`] names the first that is out of its range.
    pub fn validate(&self) -> Result<(), EventError> {
        match *self {
            Self::Number { frames: 0 }
            | Self::Time { frames: 0 }
            | Self::TimeExact { frames: 0 } => setting("frames", "at least 1", 0),
            Self::Duration { us } if us <= 0 => setting("duration", "above 0 us", us),
            Self::TonicTime { window, overlap, .. } if window <= overlap || overlap < 0 => setting(
                "overlap",
                "from 0 to below the window",
                format!("{overlap} of {window} us"),
            ),
            Self::TonicCount { events, overlap, .. } if events <= overlap => {
                setting("overlap", "below the events of a window", format!("{overlap} of {events}"))
            }
            Self::TonicTimeBins { bins: 0, .. } | Self::TonicEventBins { bins: 0, .. } => {
                setting("bins", "at least 1", 0)
            }
            Self::TonicTimeBins { overlap, .. } | Self::TonicEventBins { overlap, .. }
                if !(0.0..1.0).contains(&overlap) =>
            {
                setting("overlap", "from 0 to below 1", overlap)
            }
            _ => Ok(()),
        }
    }

    /// The events of each frame. Frames of tonic's rules may overlap or leave events out.
    ///
    /// # Errors
    /// [`EventError::Setting`]; [`EventError::TooFew`] without events; [`EventError::Unsorted`] when
    /// a rule about time meets events that are not in order; [`EventError::Setting`] when the
    /// rule would give more frames than there are microseconds or events to fill them a thousand
    /// times over.
    pub fn ranges(&self, events: &[Event]) -> Result<Vec<Range<usize>>, EventError> {
        self.validate()?;
        let n = events.len();
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Err(EventError::TooFew { found: 0, expected: "at least one" });
        };
        if !matches!(
            self,
            Self::Number { .. } | Self::TonicCount { .. } | Self::TonicEventBins { .. }
        ) {
            sorted(events)?;
        }
        let span = last.t() - first.t();
        let until = |t: f64| events.partition_point(|e| (e.t() as f64) < t);
        Ok(match *self {
            Self::Number { frames } => {
                let each = n / frames;
                let mut ranges: Vec<_> = (0..frames).map(|i| i * each..(i + 1) * each).collect();
                ranges[frames - 1].end = n;
                ranges
            }
            Self::Time { frames } => {
                let each = span / frames as i64;
                let cut = |i: usize| {
                    let t = first.t() + each * i as i64;
                    events.partition_point(|e| e.t() < t)
                };
                let mut ranges: Vec<_> = (0..frames).map(|i| cut(i)..cut(i + 1)).collect();
                ranges[frames - 1].end = n;
                ranges
            }
            Self::TimeExact { frames } => {
                let each = span as f64 / frames as f64;
                let start = |i: usize| first.t() as f64 + each * i as f64;
                let mut ranges: Vec<_> =
                    (0..frames).map(|i| until(start(i))..until(start(i) + each)).collect();
                ranges[frames - 1].end = n;
                ranges
            }
            Self::Duration { us } => {
                let frames = few(span.div_euclid(us) + i64::from(span % us != 0), n)?.max(1);
                let cut = |i: usize| {
                    let t = first.t().saturating_add(us.saturating_mul(i as i64));
                    events.partition_point(|e| e.t() < t)
                };
                let mut ranges: Vec<_> = (0..frames).map(|i| cut(i)..cut(i + 1)).collect();
                ranges[frames - 1].end = n;
                ranges
            }
            Self::TonicTime { window, overlap, incomplete } => {
                let stride = window - overlap;
                let whole = span - window;
                let count = if incomplete {
                    -(-whole).div_euclid(stride)
                } else {
                    whole.div_euclid(stride)
                };
                let count = few(count + 1, n)?.max(1);
                let before = |t: i64| events.partition_point(|e| e.t() < t);
                let start = |i: usize| first.t().saturating_add(stride.saturating_mul(i as i64));
                (0..count)
                    .map(|i| before(start(i))..before(start(i).saturating_add(window)))
                    .collect()
            }
            Self::TonicCount { events: wanted, overlap, incomplete } => {
                let each = wanted.min(n);
                let stride = wanted - overlap;
                let whole = n - each;
                let count = 1 + if incomplete { whole.div_ceil(stride) } else { whole / stride };
                (0..count).map(|i| (i * stride).min(n)..(i * stride + each).min(n)).collect()
            }
            Self::TonicTimeBins { bins, overlap } => {
                let window = (span / bins as i64) as f64 * (1.0 + overlap);
                let stride = window * (1.0 - overlap);
                let start = |i: usize| i as f64 * stride + first.t() as f64;
                (0..bins).map(|i| until(start(i))..until(start(i) + window)).collect()
            }
            Self::TonicEventBins { bins, overlap } => {
                let each = ((n / bins) as f64 * (1.0 + overlap)) as usize;
                let stride = (each as f64 * (1.0 - overlap)) as usize;
                (0..bins).map(|i| (i * stride).min(n)..(i * stride + each).min(n)).collect()
            }
        })
    }
}

/// A number of frames that memory can hold: a gap in the clock must not ask for millions of empty
/// ones.
fn few(frames: i64, events: usize) -> Result<usize, EventError> {
    let most = 1000 + 1000 * events;
    match usize::try_from(frames.max(0)) {
        Ok(frames) if frames <= most => Ok(frames),
        _ => setting("frames of fixed duration", "at most 1000 an event; lengthen them", frames),
    }
}

/// Events that a thread looks at together.
const BLOCK: usize = 1 << 16;

/// Checks that times never fall.
pub(super) fn sorted(events: &[Event]) -> Result<(), EventError> {
    let fall = events.par_chunks(BLOCK).enumerate().find_map_first(|(i, block)| {
        let start = i * BLOCK;
        // With the first of the next block.
        let block = &events[start..events.len().min(start + block.len() + 1)];
        let falls = |pair: &[Event]| pair[1].t() < pair[0].t();
        // Without a branch for each event: nearly every block is in order.
        let any = block.windows(2).fold(false, |any, pair| any | falls(pair));
        if any { Some(start + block.windows(2).position(falls)?) } else { None }
    });
    match fall {
        Some(i) => {
            Err(EventError::Unsorted { index: i + 1, t: events[i + 1].t(), before: events[i].t() })
        }
        None => Ok(()),
    }
}
