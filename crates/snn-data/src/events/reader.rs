//! Files of events, read from the front in batches.

use super::{
    Event, EventError, Format, Sensor,
    bytes::{Bytes, Decode},
    formats::{
        aedat2::{Address, Aedat2},
        aedat3::Aedat3,
        aedat4::Aedat4,
        atis::Atis,
        dat::Dat,
        es::EventStream,
        evt2::Evt2,
        evt3::Evt3,
        hdf5::Recordings,
        mat::MatEvents,
        npz::{NpyEvents, Npz},
        text::Text,
    },
    input::{Input, room},
};
use flate2::read::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, Cursor},
    path::{Path, PathBuf},
};

/// An error that does not know yet which file it is about.
#[derive(Debug)]
pub(super) enum Problem {
    Io(io::Error),
    Corrupt { offset: Option<u64>, what: &'static str, expected: String, found: String },
}

impl Problem {
    pub fn new(what: &'static str, expected: impl ToString, found: impl ToString) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Self::Corrupt { offset: None, what, expected, found }
    }

    pub fn at(self, path: &Path) -> EventError {
        let path = path.into();
        match self {
            Self::Io(source) => EventError::Io { path, source },
            Self::Corrupt { offset, what, expected, found } => {
                EventError::Corrupt { path, offset, what, expected, found }
            }
        }
    }
}

/// A way to read events batch by batch.
pub(super) trait Batches: Send {
    /// Appends the next events; false when there are no more.
    fn next_batch(&mut self, out: &mut Vec<Event>) -> Result<bool, Problem>;

    /// Appends all events that are left.
    fn rest(&mut self, out: &mut Vec<Event>) -> Result<(), Problem> {
        while self.next_batch(out)? {}
        Ok(())
    }

    /// Size of the sensor, as far as the file tells.
    fn sensor(&self) -> Option<Sensor> {
        None
    }

    /// Records so far that are no events.
    fn skipped(&self) -> u64 {
        0
    }

    /// Bytes at the end that make no whole record.
    fn trailing(&self) -> u64 {
        0
    }

    /// Remarks that a person should see.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How to read a file where its own words do not settle it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Format; by default it is told from the first bytes and the name.
    pub format: Option<Format>,
    /// Address layout of AEDAT 2.0; by default that of the chip in the header.
    pub address: Option<Address>,
    /// ATIS: an event in row 240 adds 2^13 us to the times after it (tonic's rule; SpikingJelly
    /// has none).
    pub atis_overflow: bool,
    /// AEDAT 3.1: pass over events whose valid bit is off (SpikingJelly and tonic keep them).
    pub drop_invalid: bool,
}

/// Reads a file of events from the front.
///
/// Memory stays bounded on a file of any length: a batch holds some ten thousand events, or one
/// packet where the format compresses packets. Files packed by gzip are unpacked on the way.
///
/// ```no_run
/// use snn_data::events::Reader;
///
/// let mut reader = Reader::open("user01_fluorescent.aedat".as_ref())?;
/// let mut batch = Vec::new();
/// while reader.read(&mut batch)? {
///     println!("{} events until {} us", batch.len(), batch[batch.len() - 1].t());
///     batch.clear();
/// }
/// # Ok::<(), snn_data::events::EventError>(())
/// ```
pub struct Reader {
    path: PathBuf,
    format: Format,
    compressed: bool,
    batches: Box<dyn Batches>,
    /// About as many events as the file can hold, where its size tells.
    expected: usize,
}

impl Reader {
    /// Opens `path` and tells its format.
    ///
    /// # Errors
    /// [`EventError::Io`], [`EventError::UnknownFormat`], and [`EventError::Corrupt`] for formats
    /// whose header is read at once.
    pub fn open(path: &Path) -> Result<Self, EventError> {
        Self::open_with(path, &Options::default())
    }

    /// Opens `path` as `options` say.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: &Path, options: &Options) -> Result<Self, EventError> {
        let io = |source| EventError::Io { path: path.into(), source };
        let file = File::open(path).map_err(io)?;
        let (mut input, size) = Input::file(file).map_err(io)?;
        let compressed = input.head().starts_with(&[0x1f, 0x8b]);
        if compressed {
            let unpacked = MultiGzDecoder::new(input.into_stream());
            input = Input::stream(Box::new(unpacked)).map_err(io)?;
        }
        let format = options.format.or_else(|| Format::detect(input.head(), path));
        let format = format.ok_or_else(|| EventError::UnknownFormat {
            path: path.into(),
            known: Format::ALL.map(Format::name).to_vec(),
        })?;
        let batches = Self::batches(path, format, compressed, input, options);
        let batches = batches.map_err(|problem| problem.at(path))?;
        let record = format.record().filter(|_| !compressed);
        let expected = record.map_or(0, |record| (size / record) as usize);
        Ok(Self { path: path.into(), format, compressed, batches, expected })
    }

    /// Reads events from bytes in memory; `name` stands for the file in errors.
    ///
    /// # Errors
    /// [`EventError::Corrupt`] for formats that need a file on the disk (npz, HDF5) or whose header
    /// is read at once.
    pub fn from_bytes(
        name: &Path,
        bytes: Vec<u8>,
        format: Format,
        options: &Options,
    ) -> Result<Self, EventError> {
        let batches = Input::stream(Box::new(Cursor::new(bytes)))
            .map_err(Problem::Io)
            .and_then(|input| Self::batches(name, format, true, input, options))
            .map_err(|problem| problem.at(name))?;
        Ok(Self { path: name.into(), format, compressed: false, batches, expected: 0 })
    }

    fn batches(
        path: &Path,
        format: Format,
        no_seek: bool,
        input: Input,
        options: &Options,
    ) -> Result<Box<dyn Batches>, Problem> {
        let decoder: Box<dyn Decode> = match format {
            Format::Aedat2 => Box::new(Aedat2::new(options.address)),
            Format::Aedat3 => Box::new(Aedat3::new(options.drop_invalid)),
            Format::Aedat4 => Box::new(Aedat4::default()),
            Format::Atis => Box::new(Atis::new(options.atis_overflow)),
            Format::Dat => Box::new(Dat::default()),
            Format::Evt2 => Box::new(Evt2::default()),
            Format::Evt3 => Box::new(Evt3::default()),
            Format::EventStream => Box::new(EventStream::default()),
            Format::Text => Box::new(Text::default()),
            Format::Npy => return Ok(Box::new(NpyEvents::open(input.into_stream())?)),
            Format::Mat => return Ok(Box::new(MatEvents::open(input.into_stream())?)),
            Format::Npz | Format::Hdf5 if no_seek => {
                return Err(Problem::new("file", "on the disk, not inside of gzip", "a stream"));
            }
            Format::Npz => return Ok(Box::new(Npz::open(path)?)),
            Format::Hdf5 => return Ok(Box::new(Recordings::open(path)?)),
        };
        Ok(Box::new(Bytes::new(input, decoder)))
    }

    /// Appends the next batch of events to `out`; false when there are no more.
    ///
    /// # Errors
    /// [`EventError::Io`] and [`EventError::Corrupt`]; events before the fault are in `out`.
    pub fn read(&mut self, out: &mut Vec<Event>) -> Result<bool, EventError> {
        self.batches.next_batch(out).map_err(|problem| problem.at(&self.path))
    }

    /// Reads all events that are left.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_all(&mut self) -> Result<Vec<Event>, EventError> {
        let mut events = room(self.expected);
        self.read_rest(&mut events)?;
        Ok(events)
    }

    /// Appends all events that are left. A vector that is cleared and used again for the next file
    /// saves what the system takes to give out memory.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_rest(&mut self, out: &mut Vec<Event>) -> Result<(), EventError> {
        self.batches.rest(out).map_err(|problem| problem.at(&self.path))
    }

    /// The format that is read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether the file is packed by gzip.
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Size of the sensor as far as the bytes read so far tell it.
    pub fn sensor(&self) -> Option<Sensor> {
        self.batches.sensor()
    }

    /// Records so far that are no events: frames, triggers, inertial data, ...
    pub fn skipped(&self) -> u64 {
        self.batches.skipped()
    }

    /// Bytes at the end that make no whole record; known once the end is reached.
    pub fn trailing(&self) -> u64 {
        self.batches.trailing()
    }

    /// Remarks that a person should see.
    pub fn notes(&self) -> Vec<String> {
        self.batches.notes()
    }
}

/// Reads all events of `path`, telling its format from its bytes and name.
///
/// # Errors
/// As [`Reader::open`] and [`Reader::read`].
pub fn read(path: &Path) -> Result<Vec<Event>, EventError> {
    Reader::open(path)?.read_all()
}
