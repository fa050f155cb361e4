//! HDF5 files of spoken digits as spikes: Spiking Heidelberg Digits and Spiking Speech Commands.
//!
//! Source: Cramer et al., *The Heidelberg spiking data sets for the systematic evaluation of spiking
//! neural networks*, IEEE TNNLS 2022: `spikes/times` (seconds) and `spikes/units` (channels) hold
//! an array of any length per recording, `labels` a class per recording.

use super::npy::half;
use crate::events::{
    Event, EventError,
    reader::{Batches, Problem},
};
use hdf5_reader::{Datatype, Hdf5File, OpenOptions, group::Group};
use std::path::{Path, PathBuf};

/// Most bytes of one array of references or of one chunk.
const MOST: usize = 1 << 30;

/// The type of the numbers in a variable-length array.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Whole { size: usize, signed: bool, big: bool },
    Real { size: usize, big: bool },
}

impl Kind {
    fn of(datatype: &Datatype) -> Option<Self> {
        let big = |order: &hdf5_reader::ByteOrder| *order == hdf5_reader::ByteOrder::BigEndian;
        match datatype {
            Datatype::FixedPoint { size, signed, byte_order } => {
                let size = usize::from(*size);
                (1..=8).contains(&size).then(|| Self::Whole {
                    size,
                    signed: *signed,
                    big: big(byte_order),
                })
            }
            Datatype::FloatingPoint { size, byte_order } => {
                let size = usize::from(*size);
                matches!(size, 2 | 4 | 8).then(|| Self::Real { size, big: big(byte_order) })
            }
            _ => None,
        }
    }

    fn size(self) -> usize {
        let (Self::Whole { size, .. } | Self::Real { size, .. }) = self;
        size
    }

    fn value(self, bytes: &[u8]) -> f64 {
        let (Self::Whole { big, .. } | Self::Real { big, .. }) = self;
        let mut word = 0u64;
        for (i, &byte) in bytes.iter().enumerate() {
            let place = if big { bytes.len() - 1 - i } else { i };
            word |= u64::from(byte) << (8 * place);
        }
        match self {
            Self::Whole { size, signed: true, .. } => {
                let unused = 64 - 8 * size as u32;
                ((word << unused).cast_signed() >> unused) as f64
            }
            Self::Whole { .. } => word as f64,
            Self::Real { size: 2, .. } => half(word as u16),
            Self::Real { size: 4, .. } => f32::from_bits(word as u32).into(),
            Self::Real { .. } => f64::from_bits(word),
        }
    }
}

/// Arrays of any length, one per recording.
struct Ragged {
    references: Vec<u8>,
    kind: Kind,
}

/// Bytes of a reference to an array: its length, the address of its heap, its number there.
const REFERENCE: usize = 16;

impl Ragged {
    fn open(file: &Hdf5File, name: &str) -> Result<Self, Problem> {
        let wrong = |found: String| Problem::new("dataset", format!("`{name}`"), found);
        let dataset = file.dataset(name).map_err(|e| wrong(e.to_string()))?;
        let kind = match dataset.dtype() {
            Datatype::VarLen { base, .. } => Kind::of(base),
            _ => None,
        };
        let found = || wrong(format!("one of type {:?}", dataset.dtype()));
        let kind = kind.ok_or_else(found)?;
        let references = dataset.read_raw_bytes().map_err(|e| wrong(e.to_string()))?;
        let length = dataset.num_elements().map_err(|e| wrong(e.to_string()))?;
        if references.len() as u64 != length.saturating_mul(REFERENCE as u64) {
            return Err(wrong(format!("{} bytes of references", references.len())));
        }
        Ok(Self { references, kind })
    }

    fn len(&self) -> usize {
        self.references.len() / REFERENCE
    }

    fn bytes(&self, root: &Group, i: usize) -> Result<Vec<u8>, Problem> {
        let reference = &self.references[i * REFERENCE..(i + 1) * REFERENCE];
        // An empty array has no place in a heap.
        if reference[..4] == [0; 4] {
            return Ok(Vec::new());
        }
        root.resolve_vlen_reference_bytes(reference, self.kind.size())
            .map_err(|e| Problem::new("recording", "an array in the file", e))
    }
}

/// A file of Spiking Heidelberg Digits or Spiking Speech Commands.
pub struct SpikeFile {
    path: PathBuf,
    root: Group,
    times: Ragged,
    units: Ragged,
    labels: Vec<usize>,
}

impl std::fmt::Debug for SpikeFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpikeFile").field("path", &self.path).field("len", &self.len()).finish()
    }
}

impl SpikeFile {
    /// Opens a file and reads its labels; the recordings are read when they are asked for.
    ///
    /// # Errors
    /// [`EventError::Io`]; [`EventError::Corrupt`] for a file that is not HDF5 or of another
    /// layout.
    pub fn open(path: &Path) -> Result<Self, EventError> {
        Self::try_open(path).map_err(|problem| problem.at(path))
    }

    fn try_open(path: &Path) -> Result<Self, Problem> {
        let options = OpenOptions::default()
            .with_max_chunk_bytes(MOST)
            .with_max_read_bytes(MOST)
            .with_max_object_header_bytes(16 << 20);
        let other = |e: hdf5_reader::error::Error| match e {
            hdf5_reader::error::Error::Io(e) => Problem::Io(e),
            e => Problem::new("file", "HDF5", e),
        };
        let file = Hdf5File::open_with_options(path, options).map_err(other)?;
        let root = file.root_group().map_err(other)?;
        let times = Ragged::open(&file, "spikes/times")?;
        let units = Ragged::open(&file, "spikes/units")?;
        let wrong = |found: String| Problem::new("dataset", "`labels`", found);
        let labels = file.dataset("labels").map_err(|e| wrong(e.to_string()))?;
        let kind = Kind::of(labels.dtype()).filter(|k| matches!(k, Kind::Whole { .. }));
        let kind = kind.ok_or_else(|| wrong(format!("one of type {:?}", labels.dtype())))?;
        let bytes = labels.read_raw_bytes().map_err(|e| wrong(e.to_string()))?;
        let labels: Vec<usize> =
            bytes.chunks_exact(kind.size()).map(|b| kind.value(b) as usize).collect();
        if [units.len(), labels.len()] != [times.len(); 2] {
            let found = format!("{}, {}, {}", times.len(), units.len(), labels.len());
            return Err(Problem::new("times, units and labels", "of one length", found));
        }
        Ok(Self { path: path.into(), root, times, units, labels })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of recordings.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no recording.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Class of each recording.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Spikes of recording `i`: time in microseconds (its fraction is cut), the channel as column,
    /// row 0, all ON.
    ///
    /// # Errors
    /// [`EventError::Corrupt`] when times and channels do not pair up or do not fit.
    ///
    /// # Panics
    /// If there is no recording `i`.
    pub fn read(&self, i: usize) -> Result<Vec<Event>, EventError> {
        self.try_read(i).map_err(|problem| problem.at(&self.path))
    }

    fn try_read(&self, i: usize) -> Result<Vec<Event>, Problem> {
        let (times, units) = (self.times.bytes(&self.root, i)?, self.units.bytes(&self.root, i)?);
        let times = times.chunks_exact(self.times.kind.size());
        let units = units.chunks_exact(self.units.kind.size());
        if times.len() != units.len() {
            let found = format!("{} and {}", times.len(), units.len());
            return Err(Problem::new("times and units of a recording", "as many", found));
        }
        let spike = |(t, x): (&[u8], &[u8])| {
            let t = self.times.kind.value(t) * 1e6;
            let x = self.units.kind.value(x);
            match t.abs() < 9e18 && (0.0..65536.0).contains(&x) {
                true => Ok(Event::new(t as i64, x as u16, 0, true)),
                false => Err(Problem::new(
                    "spike",
                    "a finite time and a channel",
                    format!("{t} us, {x}"),
                )),
            }
        };
        times.zip(units).map(spike).collect()
    }
}

/// All recordings of a file, one after another.
pub(crate) struct Recordings {
    file: SpikeFile,
    next: usize,
}

impl Recordings {
    pub fn open(path: &Path) -> Result<Self, Problem> {
        Ok(Self { file: SpikeFile::try_open(path)?, next: 0 })
    }
}

impl Batches for Recordings {
    fn next_batch(&mut self, out: &mut Vec<Event>) -> Result<bool, Problem> {
        let before = out.len();
        while self.next < self.file.len() && out.len() == before {
            out.extend(self.file.try_read(self.next)?);
            self.next += 1;
        }
        Ok(out.len() > before)
    }

    fn notes(&self) -> Vec<String> {
        vec![format!("{} recordings, each with its own clock", self.file.len())]
    }
}
