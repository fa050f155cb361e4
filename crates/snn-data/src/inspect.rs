//! What a file holds: format, sensor, events, times, and a sum to compare with other programs; or
//! the size of sounds and images.

use crate::{
    DataError,
    events::{EventDigest, EventError, Format, Options, Reader, Sensor, frames::Frames},
    images::{decode, idx},
    sound::Sound,
};
use serde::Serialize;
use std::{fmt, path::Path};

/// What [`inspect`] found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "content", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Inspection {
    /// Events.
    Events(EventFile),
    /// Frames that SpikingJelly wrote.
    Frames {
        /// `[T, C, H, W]`.
        shape: [usize; 4],
        /// Sum of all counts.
        events: f64,
    },
    /// A wave file.
    Sound {
        /// Samples a second.
        rate: u32,
        /// Samples of each channel.
        samples: usize,
        /// Length in seconds.
        seconds: f64,
    },
    /// A PNG, JPEG or BMP file.
    Image {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// An idx file, as of MNIST.
    Idx {
        /// Images or labels.
        items: usize,
        /// Rows and columns of an image; nothing for labels.
        shape: Vec<usize>,
    },
}

/// A file of events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventFile {
    /// Format by name, as `--format` takes it.
    pub format: Format,
    /// Whether the file is packed by gzip.
    pub gzip: bool,
    /// Size of the sensor, where the file tells it.
    pub sensor: Option<Sensor>,
    /// Number of events.
    pub events: u64,
    /// Time of the first event in file order, in microseconds.
    pub t_first: Option<i64>,
    /// Time of the last event in file order, in microseconds.
    pub t_last: Option<i64>,
    /// Whether no event is earlier than the one before it.
    pub monotonic: bool,
    /// ON events.
    pub on: u64,
    /// OFF events.
    pub off: u64,
    /// Smallest and greatest column.
    pub x: Option<[u16; 2]>,
    /// Smallest and greatest row.
    pub y: Option<[u16; 2]>,
    /// Records that are no events: frames, triggers, inertial data, ...
    pub skipped: u64,
    /// Bytes at the end that make no whole record.
    pub trailing_bytes: u64,
    /// SHA-256 over rows (t, x, y, p), each four little-endian 64-bit integers, in file order.
    pub sha256_txyp_i64le: String,
    /// Remarks.
    pub notes: Vec<String>,
}

/// Reads the whole of `path` and says what it holds; memory stays bounded.
///
/// # Errors
/// Those of [`Reader::open_with`] and [`Reader::read`], and of the readers of sounds and images.
pub fn inspect(path: &Path, options: &Options) -> Result<Inspection, DataError> {
    let error = match Reader::open_with(path, options) {
        Ok(mut reader) => return Ok(Inspection::Events(read(&mut reader)?)),
        Err(error) => error,
    };
    if let EventError::UnknownFormat { .. } = error {
        return other(path)?.ok_or(error.into());
    }
    // An archive of NumPy arrays may hold frames where events were expected.
    let Ok(frames) = Frames::read_npz(path) else { return Err(error.into()) };
    let events = frames.values().iter().map(|&v| f64::from(v)).sum();
    Ok(Inspection::Frames { shape: frames.shape(), events })
}

/// What a file holds that has no events.
fn other(path: &Path) -> Result<Option<Inspection>, DataError> {
    if Sound::is_wave(path)? {
        let Sound { rate, samples } = Sound::read(path)?;
        let (samples, seconds) = (samples.len(), samples.len() as f64 / f64::from(rate));
        return Ok(Some(Inspection::Sound { rate, samples, seconds }));
    }
    if let Some([height, width]) = decode::size(path)? {
        return Ok(Some(Inspection::Image { height, width }));
    }
    for axes in [1, 3] {
        match idx::read(path, axes) {
            Ok(idx::Idx { dims, .. }) => {
                let shape = dims[1..].to_vec();
                return Ok(Some(Inspection::Idx { items: dims[0], shape }));
            }
            Err(error @ DataError::Length { what: "idx data", .. }) => return Err(error),
            // No idx file, or not of so many axes.
            Err(_) => {}
        }
    }
    Ok(None)
}

fn widen(range: &mut Option<[u16; 2]>, value: u16) {
    let [low, high] = range.get_or_insert([value; 2]);
    *low = value.min(*low);
    *high = value.max(*high);
}

fn read(reader: &mut Reader) -> Result<EventFile, EventError> {
    let (mut count, mut on, mut outside) = (0, 0, 0);
    let (mut first, mut last, mut monotonic) = (None, None, true);
    let (mut x, mut y) = (None, None);
    let mut digest = EventDigest::default();
    let mut batch = Vec::new();
    while reader.read(&mut batch)? {
        for event in &batch {
            first = first.or(Some(event.t()));
            monotonic &= last.is_none_or(|before| before <= event.t());
            last = Some(event.t());
            on += u64::from(event.p());
            widen(&mut x, event.x());
            widen(&mut y, event.y());
            outside += u64::from(reader.sensor().is_some_and(|s| !s.holds(*event)));
        }
        count += batch.len() as u64;
        digest.update(&batch);
        batch.clear();
    }
    let mut notes = reader.notes();
    if outside > 0 {
        notes.push(format!("{outside} events lie outside of the sensor that the file names"));
    }
    Ok(EventFile {
        format: reader.format(),
        gzip: reader.is_compressed(),
        sensor: reader.sensor(),
        events: count,
        t_first: first,
        t_last: last,
        monotonic,
        on,
        off: count - on,
        x,
        y,
        skipped: reader.skipped(),
        trailing_bytes: reader.trailing(),
        sha256_txyp_i64le: digest.finish(),
        notes,
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events(file) => file.fmt(f),
            Self::Frames { shape: [steps, channels, height, width], events } => {
                writeln!(f, "format    npz, frames of SpikingJelly")?;
                writeln!(f, "shape     {steps} steps, {channels} channels, {height}x{width}")?;
                write!(f, "events    {events}")
            }
            Self::Sound { rate, samples, seconds } => {
                writeln!(f, "format    wave")?;
                writeln!(f, "rate      {rate} samples a second")?;
                write!(f, "samples   {samples} ({seconds:.3} s)")
            }
            Self::Image { height, width } => {
                writeln!(f, "format    image")?;
                write!(f, "pixels    {height} x {width}")
            }
            Self::Idx { items, shape } => {
                writeln!(f, "format    idx")?;
                match shape.as_slice() {
                    [height, width] => write!(f, "items     {items} images of {height} x {width}"),
                    _ => write!(f, "items     {items} labels"),
                }
            }
        }
    }
}

impl fmt::Display for EventFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "format    {}{}", self.format, if self.gzip { " (gzip)" } else { "" })?;
        match self.sensor {
            Some(sensor) => writeln!(f, "sensor    {sensor}")?,
            None => writeln!(f, "sensor    not named in the file")?,
        }
        writeln!(f, "events    {} ({} ON, {} OFF)", self.events, self.on, self.off)?;
        if let (Some(first), Some(last)) = (self.t_first, self.t_last) {
            let seconds = last.saturating_sub(first) as f64 / 1e6;
            writeln!(f, "time      {first} to {last} us ({seconds:.6} s)")?;
            if !self.monotonic {
                writeln!(f, "          not sorted: some events come before their predecessor")?;
            }
        }
        if let (Some([left, right]), Some([top, bottom])) = (self.x, self.y) {
            writeln!(f, "pixels    x {left} to {right}, y {top} to {bottom}")?;
        }
        if self.skipped > 0 {
            writeln!(f, "skipped   {} records that are no events", self.skipped)?;
        }
        if self.trailing_bytes > 0 {
            writeln!(f, "trailing  {} bytes make no whole record", self.trailing_bytes)?;
        }
        for note in &self.notes {
            writeln!(f, "note      {note}")?;
        }
        write!(f, "sha256    {} over rows (t, x, y, p)", self.sha256_txyp_i64le)
    }
}
