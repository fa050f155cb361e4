//! The idx files of MNIST and its kin, plain or gzip.
//!
//! Layout (LeCun, Cortes, Burges): two zero bytes, the element type (8 = unsigned byte), the
//! number of axes, one big-endian `u32` per axis, then the elements in row-major order.

use super::{Images, check_label};
use crate::DataError;
use flate2::read::MultiGzDecoder;
use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read},
    path::Path,
};

/// An idx array of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Length of each axis.
    pub dims: Vec<usize>,
    /// Elements in row-major order.
    pub data: Vec<u8>,
}

/// Reads the idx file at `path`, gzip or plain (told apart by content, not by name).
///
/// # Errors
/// [`DataError::Io`], [`DataError::Foreign`] when it is no idx file of unsigned bytes with `axes`
/// axes, [`DataError::Length`] when it is shorter or longer than its header says.
pub fn read(path: &Path, axes: usize) -> Result<Idx, DataError> {
    let io = |source| DataError::Io { action: "read", path: path.into(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let gzip = file.fill_buf().map_err(io)?.starts_with(&[0x1f, 0x8b]);
    if gzip { parse(MultiGzDecoder::new(file), path, axes) } else { parse(file, path, axes) }
}

/// Reads an idx array with `axes` axes from `reader`; `path` only serves the messages.
///
/// Never allocates more than twice what `reader` gives, whatever the header claims.
///
/// # Errors
/// As [`read`].
pub fn parse(mut reader: impl Read, path: &Path, axes: usize) -> Result<Idx, DataError> {
    let mut head = Vec::new();
    take(&mut reader, 4, "idx header", path, &mut head)?;
    let expected = [0, 0, 8, axes as u8];
    if head != expected {
        return Err(DataError::Foreign {
            path: path.into(),
            what: "idx magic number",
            expected: hex(&expected),
            found: hex(&head),
        });
    }
    let mut lengths = Vec::new();
    take(&mut reader, 4 * axes as u64, "idx header", path, &mut lengths)?;
    let dims: Vec<usize> = lengths
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    let Some(count) = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64)) else {
        return Err(DataError::Foreign {
            path: path.into(),
            what: "idx shape",
            expected: "at most 2^64 elements".into(),
            found: format!("{dims:?}"),
        });
    };
    let mut data = Vec::new();
    take(&mut reader, count, "idx data", path, &mut data)?;
    let surplus = count_up_to(&mut reader, 1 << 20).map_err(|e| damaged(e, path, count, count))?;
    if surplus > 0 {
        return Err(length(path, "idx data", count, count + surplus));
    }
    Ok(Idx { dims, data })
}

/// Reads a pair of idx files: images `[N, H, W]` and labels `[N]`.
///
/// # Errors
/// As [`read`], and [`DataError::Foreign`] when the files have unequal `N` or no pixels,
/// [`DataError::Label`] for a label that is not below `classes`.
pub fn read_images(images: &Path, labels: &Path, classes: usize) -> Result<Images, DataError> {
    let (x, y) = (read(images, 3)?, read(labels, 1)?);
    if x.dims[0] != y.dims[0] {
        return Err(DataError::Foreign {
            path: labels.into(),
            what: "number of labels",
            expected: format!("{} as {} has images", x.dims[0], images.display()),
            found: y.dims[0].to_string(),
        });
    }
    let shape = [x.dims[1], x.dims[2], 1];
    if shape.contains(&0) {
        return Err(DataError::Foreign {
            path: images.into(),
            what: "image shape",
            expected: "at least one pixel".into(),
            found: format!("{} x {}", shape[0], shape[1]),
        });
    }
    let check = |(i, &label): (usize, &u8)| check_label(labels, i, label, classes);
    let y = y.data.iter().enumerate().map(check).collect::<Result<_, _>>()?;
    Ok(Images::new(shape, x.data, y, classes))
}

/// Appends exactly `expected` bytes of `reader` to `out`.
fn take(
    reader: &mut impl Read,
    expected: u64,
    what: &'static str,
    path: &Path,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    let before = out.len() as u64;
    let read = reader.take(expected).read_to_end(out);
    let found = out.len() as u64 - before;
    read.map_err(|e| damaged(e, path, expected, found))?;
    if found == expected { Ok(()) } else { Err(length(path, what, expected, found)) }
}

/// Bytes left in `reader`, counted up to `limit`.
fn count_up_to(reader: &mut impl Read, limit: u64) -> std::io::Result<u64> {
    std::io::copy(&mut reader.take(limit), &mut std::io::sink())
}

/// A gzip stream that breaks off or fails its checksum is damage, not a failure of the disk.
fn damaged(e: std::io::Error, path: &Path, expected: u64, found: u64) -> DataError {
    match e.kind() {
        ErrorKind::UnexpectedEof => length(path, "gzip stream", expected, found),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => DataError::Foreign {
            path: path.into(),
            what: "gzip stream",
            expected: "an intact one".into(),
            found: e.to_string(),
        },
        _ => DataError::Io { action: "read", path: path.into(), source: e },
    }
}

fn length(path: &Path, what: &'static str, expected: u64, found: u64) -> DataError {
    DataError::Length { path: path.into(), what, expected, found }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}
