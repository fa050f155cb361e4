//! What can go wrong in a file of events.

use std::path::PathBuf;

/// A file of events that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The operating system refused to read.
    #[error("cannot read {}", path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The bytes break the rules of their format.
    #[error(
        "{}: {what}{} is {found}, expected {expected}; the file is damaged or of another kind",
        path.display(), offset.map(|o| format!(" at byte {o}")).unwrap_or_default()
    )]
    Corrupt {
        /// File.
        path: PathBuf,
        /// Position in the (unpacked) file, where it is known.
        offset: Option<u64>,
        /// Field at fault.
        what: &'static str,
        /// What the format asks for.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The format is none of those that can be read.
    #[error(
        "{}: neither the first bytes nor the name tell the format of the events; say it by --format, \
         one of {}", path.display(), known.join(", ")
    )]
    UnknownFormat {
        /// File.
        path: PathBuf,
        /// Names of all formats.
        known: Vec<&'static str>,
    },
    /// An event lies outside of the sensor.
    #[error(
        "event {index} at ({x}, {y}) lies outside of the sensor {sensor}; name the sensor of \
         this recording"
    )]
    Outside {
        /// Number of the event, from 0.
        index: usize,
        /// Its column.
        x: u16,
        /// Its row.
        y: u16,
        /// The sensor.
        sensor: super::Sensor,
    },
    /// Events are out of order where an operation needs them sorted by time.
    #[error("event {index} at {t} us comes before its predecessor at {before} us; sort the events")]
    Unsorted {
        /// Number of the event, from 0.
        index: usize,
        /// Its time.
        t: i64,
        /// Time of the event before it.
        before: i64,
    },
    /// There are too few events for what was asked.
    #[error("{found} events, expected {expected}")]
    TooFew {
        /// Number of events.
        found: usize,
        /// What the operation needs.
        expected: &'static str,
    },
    /// A setting is out of its range.
    #[error("{setting} is {found}, expected {expected}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its range in words.
        expected: &'static str,
        /// The value.
        found: String,
    },
}
