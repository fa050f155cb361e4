//! The files that checkpoints come in, taken apart without reading a single weight.

mod safetensors;
mod stream;
mod tar;
mod zip;

use std::{
    collections::HashMap,
    fmt,
    io::{Read, Seek, SeekFrom},
};

use serde::Serialize;

use crate::{
    ReadError,
    pickle::{Id, Input, Pickle, load},
    tensor::{Span, Stored, Unreadable},
};

/// What a file is read from.
pub(crate) trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

/// How a file is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Format {
    /// The zip archive that PyTorch writes since 1.6.
    Zip,
    /// The stream of pickles and storages that PyTorch wrote from 0.2 to 1.5, and writes when
    /// asked to.
    Stream,
    /// The tar archive of PyTorch 0.1.
    Tar,
    /// safetensors.
    Safetensors,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zip => "PyTorch zip archive",
            Self::Stream => "PyTorch stream, as before 1.6",
            Self::Tar => "PyTorch tar archive, as of 0.1",
            Self::Safetensors => "safetensors",
        })
    }
}

/// A file taken apart.
pub(crate) enum Contents {
    /// What `torch.save` wrote.
    Torch(Torch),
    /// Tensors by name, and nothing else.
    Plain(HashMap<String, Result<Stored, Unreadable>>),
}

/// What `torch.save` wrote.
pub(crate) struct Torch {
    /// The object that was saved.
    pub pickle: Pickle,
    /// Where each storage lies.
    pub storages: HashMap<String, Span>,
    /// Tensors that the pickle refers to by number.
    pub tensors: HashMap<String, Result<Stored, Unreadable>>,
}

/// Takes a file of `length` bytes apart.
pub(crate) fn open(file: &mut dyn Source, length: u64) -> Result<(Format, Contents), ReadError> {
    let mut head = Vec::new();
    Read::take(&mut *file, 512).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let torch = |(format, torch)| (format, Contents::Torch(torch));
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        zip::open(file, length).map(|opened| torch((Format::Zip, opened)))
    } else if head.get(257..262) == Some(b"ustar") {
        tar::open(file, length).map(|opened| torch((Format::Tar, opened)))
    } else if safetensors::begins(&head, length) {
        let tensors = safetensors::open(file, length)?;
        Ok((Format::Safetensors, Contents::Plain(tensors)))
    } else if head.first() == Some(&0x80) {
        stream::open(file, length).map(|opened| torch((Format::Stream, opened)))
    } else {
        Err(ReadError::Format { begins: head.into_iter().take(8).collect() })
    }
}

/// The storage that follows: its elements are counted before it.
fn storage<R: Read + Seek>(input: &mut Input<R>, element: u64) -> Result<Span, ReadError> {
    let damaged = |expected, found: String| ReadError::Damaged {
        what: "the length of a storage".into(),
        expected,
        found,
    };
    let count = i64::from_le_bytes(input.array()?);
    let bytes = u64::try_from(count).ok().and_then(|count| count.checked_mul(element));
    let bytes = bytes.ok_or_else(|| damaged("0 or more elements", count.to_string()))?;
    let span = Span { start: input.at(), bytes, crc: None };
    input.skip(bytes)?;
    Ok(span)
}

/// One of the small pickles around the main one, which must hold a `T`.
fn expect<R: Read, T>(
    input: &mut Input<R>,
    what: &'static str,
    expected: &'static str,
    read: impl FnOnce(&Pickle, Id) -> Option<T>,
) -> Result<T, ReadError> {
    let pickle = load(input)?;
    let found = || pickle.describe(pickle.root());
    read(&pickle, pickle.root()).ok_or_else(|| ReadError::Damaged {
        what: what.into(),
        expected,
        found: found(),
    })
}
