//! The file of one set: a header of 64 bytes, then the samples one after another.

use crate::DataError;
use memmap2::Mmap;
use rayon::prelude::*;
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    path::Path,
};
use tempfile::NamedTempFile;

/// Bytes before the first sample: mark, size and count of the samples, zeros.
const HEADER: usize = 64;
const MARK: [u8; 8] = *b"SNNSET01";

/// Samples of equal size, mapped from a file of the cache.
#[derive(Debug)]
pub struct Frames {
    map: Mmap,
    size: usize,
}

impl Frames {
    /// Maps the set at `path`; `None` when there is none or it is not `count` samples of `size`
    /// bytes (it is then made anew).
    pub(super) fn open(path: &Path, size: usize, count: usize) -> Result<Option<Self>, DataError> {
        let io = |source| DataError::Io { action: "read", path: path.into(), source };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        };
        let mut found = [0; HEADER];
        let header = file.read_exact(&mut found).is_ok() && found == header(size, count);
        let length = file.metadata().map_err(io)?.len();
        if !header || length != (HEADER + size * count) as u64 {
            return Ok(None);
        }
        Ok(Some(Self { map: map(&file).map_err(io)?, size }))
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.bytes().len().checked_div(self.size).unwrap_or(0)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sample `i`.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn sample(&self, i: usize) -> &[u8] {
        &self.bytes()[i * self.size..(i + 1) * self.size]
    }

    /// All samples, one after another.
    pub fn bytes(&self) -> &[u8] {
        &self.map[HEADER..]
    }
}

#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: a mapped file must not change. Files of the cache are written under a temporary
    // name and never touched again once they have their own; replacing one is a rename, which
    // leaves the mapped file alone.
    unsafe { Mmap::map(file) }
}

fn header(size: usize, count: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MARK);
    header[8..16].copy_from_slice(&(size as u64).to_le_bytes());
    header[16..24].copy_from_slice(&(count as u64).to_le_bytes());
    header
}

/// Makes all samples, some hundred at a time, and puts them under `path` all or not at all.
pub(super) fn write(
    path: &Path,
    size: usize,
    count: usize,
    make: impl Fn(usize, &mut [u8]) -> Result<(), DataError> + Sync,
) -> Result<(), DataError> {
    let io = |source| DataError::Io { action: "write", path: path.into(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::with_prefix_in("unfinished-", folder).map_err(io)?;
    file.write_all(&header(size, count)).map_err(io)?;
    let step = 256;
    let mut block = vec![0; size * step.min(count)];
    for first in (0..count).step_by(step) {
        let used = &mut block[..size * step.min(count - first)];
        used.fill(0);
        if size > 0 {
            let samples = used.par_chunks_exact_mut(size).enumerate();
            samples.try_for_each(|(i, out)| make(first + i, out))?;
        }
        file.write_all(used).map_err(io)?;
    }
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}
