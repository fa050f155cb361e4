//! The errors of this crate: each says what, which, expected, found, and what to do.

use std::path::PathBuf;

/// Anything that can go wrong between a dataset on the disk and a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused to read or write.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: "read", "write", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// No manifest of that name.
    #[error("unknown dataset `{name}`; known are {}", known.join(", "))]
    UnknownDataset {
        /// The name that was asked for.
        name: String,
        /// Every name that would have been right.
        known: Vec<&'static str>,
    },
    /// A dataset is known but cannot be opened as [`crate::Images`].
    #[error(
        "dataset `{name}` holds {task}, expected images to classify that fit into memory; {hint}"
    )]
    NotImages {
        /// Dataset.
        name: String,
        /// Its task in words.
        task: &'static str,
        /// Where to turn instead.
        hint: &'static str,
    },
    /// A manifest exists, but its data is no recordings of events to classify.
    #[error("dataset `{name}` holds {task}, not recordings of events to classify")]
    NotEvents {
        /// Dataset.
        name: String,
        /// Its task in words.
        task: &'static str,
    },
    /// A manifest exists, but its data is no sound to classify.
    #[error("dataset `{name}` holds {task}, not sounds to classify")]
    NotSound {
        /// Dataset.
        name: String,
        /// Its task in words.
        task: &'static str,
    },
    /// The settings of a run are for another kind of data than its dataset holds.
    #[error("dataset `{dataset}` holds {data}: {advice}")]
    Settings {
        /// Dataset.
        dataset: String,
        /// Its data in words.
        data: &'static str,
        /// Part of the settings that is missing or has no meaning.
        part: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// A sound cannot be read, or a setting for it is out of range.
    #[error(transparent)]
    Sound(#[from] crate::sound::SoundError),
    /// A file of events cannot be read, or a setting for it is out of range.
    #[error(transparent)]
    Events(#[from] crate::events::EventError),
    /// The events of a file cannot be used as asked.
    #[error("cannot use the events of {}", path.display())]
    Recording {
        /// File.
        path: PathBuf,
        /// Reason.
        source: Box<crate::events::EventError>,
    },
    /// A manifest breaks its own rules.
    #[error("manifest `{name}`: {field} is {found}, expected {expected}")]
    Manifest {
        /// Dataset or file name.
        name: String,
        /// Field at fault.
        field: &'static str,
        /// What the rule asks for.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A manifest is not TOML, or has unknown or missing keys.
    #[error("manifest `{name}` cannot be read")]
    ManifestSyntax {
        /// Dataset or file name.
        name: String,
        /// Position and reason.
        source: Box<toml::de::Error>,
    },
    /// A dataset was asked for without saying where it lies.
    #[error(
        "dataset `{dataset}` is not part of this program: `snn data get {dataset}` fetches it, or get \
         {} from {} and pass their folder with --data DIR", files.join(", "), sources.join(" or ")
    )]
    NoFolder {
        /// Dataset.
        dataset: String,
        /// Files that are needed.
        files: Vec<String>,
        /// Where its publishers offer them.
        sources: Vec<String>,
    },
    /// The folder lacks files of the dataset.
    #[error(
        "dataset `{dataset}`: {} has no {}; get them from {} and pass their folder with \
         --data DIR", dir.display(), files.join(", "), sources.join(" or ")
    )]
    Missing {
        /// Dataset.
        dataset: String,
        /// Folder that was searched.
        dir: PathBuf,
        /// Files that were not found.
        files: Vec<String>,
        /// Where its publishers offer them.
        sources: Vec<String>,
    },
    /// A file is shorter or longer than its own header or its format says.
    #[error(
        "{}: {what} has {found} bytes, expected {expected}; the file is cut short or damaged: \
         get it again", path.display()
    )]
    Length {
        /// File.
        path: PathBuf,
        /// Part of the file.
        what: &'static str,
        /// Bytes that belong there.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A file is of another kind or describes other data than asked for.
    #[error(
        "{}: {what} is {found}, expected {expected}; check that this is the right file",
        path.display()
    )]
    Foreign {
        /// File.
        path: PathBuf,
        /// Field of the file.
        what: &'static str,
        /// Value that belongs there.
        expected: String,
        /// Value that is there.
        found: String,
    },
    /// A label names a class that does not exist.
    #[error(
        "{}: record {record} has label {found}, expected less than {classes}; the file is \
         damaged or of another dataset", path.display()
    )]
    Label {
        /// File.
        path: PathBuf,
        /// Record in the file, from 0.
        record: usize,
        /// The label.
        found: usize,
        /// Number of classes.
        classes: usize,
    },
    /// An image file cannot be decoded.
    #[error("{}: not a PNG, JPEG or BMP image that can be decoded", path.display())]
    Decode {
        /// File.
        path: PathBuf,
        /// The decoder's reason.
        source: Box<image::ImageError>,
    },
    /// An image cannot take the shape that was asked for.
    #[error("cannot turn an image {found:?} (height, width, channels) into {expected:?}")]
    Shape {
        /// Shape asked for: height, width, channels.
        expected: [usize; 3],
        /// Shape at hand: height, width, channels.
        found: [usize; 3],
    },
    /// A setting is out of its range.
    #[error("{setting} is {found}, expected {expected}")]
    Setting {
        /// Name of the setting as a person writes it.
        setting: &'static str,
        /// Its range in words.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// A thread of the loader panicked; its message went to standard error.
    #[error("a loader thread panicked while it made batch {item}; its message is above")]
    Worker {
        /// Batch in the epoch, from 0.
        item: usize,
    },
}
