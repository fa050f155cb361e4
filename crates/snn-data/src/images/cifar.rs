//! The binary versions of CIFAR-10 and CIFAR-100.
//!
//! A record is one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100; the fine one is
//! the class), then 1,024 red, 1,024 green and 1,024 blue bytes, each plane row by row
//! (Krizhevsky 2009, dataset page).

use super::{Images, check_label};
use crate::DataError;
use std::{fs, path::Path};

/// Rows and columns of every image.
const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Which of the two layouts a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One label byte, 10 classes.
    Cifar10,
    /// A coarse label byte (20 classes, not kept) and a fine one (100 classes).
    Cifar100,
}

impl Layout {
    fn label_bytes(self) -> usize {
        match self {
            Self::Cifar10 => 1,
            Self::Cifar100 => 2,
        }
    }

    /// Number of classes.
    pub fn classes(self) -> usize {
        match self {
            Self::Cifar10 => 10,
            Self::Cifar100 => 100,
        }
    }

    /// Bytes of one record.
    pub fn record_bytes(self) -> usize {
        self.label_bytes() + 3 * PLANE
    }
}

/// Reads the file at `path`, which must hold `records` records.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Length`] for any other size, [`DataError::Label`].
pub fn read(path: &Path, layout: Layout, records: usize) -> Result<Images, DataError> {
    let io = |source| DataError::Io { action: "read", path: path.into(), source };
    let expected = (records * layout.record_bytes()) as u64;
    let found = fs::metadata(path).map_err(io)?.len();
    if found != expected {
        let what = "CIFAR batch";
        return Err(DataError::Length { path: path.into(), what, expected, found });
    }
    parse(&fs::read(path).map_err(io)?, path, layout)
}

/// Reads records from memory; `path` only serves the messages.
///
/// # Errors
/// [`DataError::Length`] when `bytes` is no whole number of records, [`DataError::Label`].
pub fn parse(bytes: &[u8], path: &Path, layout: Layout) -> Result<Images, DataError> {
    let records = bytes.chunks_exact(layout.record_bytes());
    let rest = records.remainder().len();
    if rest > 0 {
        return Err(DataError::Length {
            path: path.into(),
            what: "last CIFAR record",
            expected: layout.record_bytes() as u64,
            found: rest as u64,
        });
    }
    let mut pixels = Vec::with_capacity(records.len() * 3 * PLANE);
    let mut labels = Vec::with_capacity(records.len());
    for (i, record) in records.enumerate() {
        let (label, planes) = record.split_at(layout.label_bytes());
        if let [coarse, _] = label {
            check_label(path, i, *coarse, 20)?;
        }
        labels.push(check_label(path, i, label[label.len() - 1], layout.classes())?);
        for p in 0..PLANE {
            pixels.extend([planes[p], planes[PLANE + p], planes[2 * PLANE + p]]);
        }
    }
    Ok(Images::new([SIDE, SIDE, 3], pixels, labels, layout.classes()))
}
