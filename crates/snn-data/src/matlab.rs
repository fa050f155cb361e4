//! MATLAB 5 files: arrays of numbers, texts and structures, packed or plain.
//!
//! Source: MathWorks, *MAT-File Format*, level 5; the numbers of its tables 1-1 and 1-3.

use flate2::read::ZlibDecoder;
use std::{borrow::Cow, io::Read};

const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Classes of arrays: structures, and numbers of every width.
const STRUCT: u8 = 2;
const NUMBERS: std::ops::RangeInclusive<u8> = 6..=15;

/// A broken rule of the format.
#[derive(Debug)]
pub(crate) struct Fault {
    pub what: &'static str,
    pub expected: String,
    pub found: String,
}

impl Fault {
    fn new(what: &'static str, expected: impl ToString, found: impl ToString) -> Self {
        Self { what, expected: expected.to_string(), found: found.to_string() }
    }
}

fn cut() -> Fault {
    Fault::new("element", "inside of the file", "one past its end")
}

/// Calls `visit` with each variable of a file. Packed ones may have `most` bytes unpacked in all.
pub(crate) fn variables(
    file: &[u8],
    most: u64,
    mut visit: impl FnMut(Array<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some((header, bytes)) = file.split_at_checked(128) else {
        return Err(Fault::new("header", "128 bytes", file.len()));
    };
    if !header.starts_with(b"MATLAB 5.0") {
        let found = String::from_utf8_lossy(&header[..10]);
        return Err(Fault::new("header", "`MATLAB 5.0`", format!("{found:?}")));
    }
    let mut rest = Elements { bytes, big: header.ends_with(b"MI") };
    let mut left = most;
    while !rest.bytes.is_empty() {
        let unpacked;
        let (kind, body) = match rest.next()? {
            (COMPRESSED, packed) => {
                unpacked = unpack(packed, left)?;
                left -= unpacked.len() as u64;
                Elements { bytes: &unpacked, ..rest }.next()?
            }
            plain => plain,
        };
        if kind == MATRIX {
            visit(Array::parse(Elements { bytes: body, ..rest })?)?;
        }
    }
    Ok(())
}

fn unpack(packed: &[u8], most: u64) -> Result<Vec<u8>, Fault> {
    let mut unpacked = Vec::new();
    let read = ZlibDecoder::new(packed).take(most + 1).read_to_end(&mut unpacked);
    read.map_err(|e| Fault::new("packed variable", "sound", e))?;
    if unpacked.len() as u64 > most {
        return Err(Fault::new("variables", format!("at most {most} more bytes"), "more"));
    }
    Ok(unpacked)
}

/// Elements one after another.
#[derive(Clone, Copy)]
struct Elements<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Elements<'a> {
    fn word(self, at: usize) -> Result<u32, Fault> {
        let found = self.bytes.get(at..).and_then(|b| b.first_chunk()).ok_or_else(cut)?;
        Ok(if self.big { u32::from_be_bytes(*found) } else { u32::from_le_bytes(*found) })
    }

    /// Takes off the next: its type and its bytes.
    fn next(&mut self) -> Result<(u32, &'a [u8]), Fault> {
        let first = self.word(0)?;
        // Up to four bytes may stand in the tag itself, whose upper half then is their number.
        let small = (first >> 16) as usize;
        let (kind, start, length) = match small {
            0 => (first, 8usize, self.word(4)? as usize),
            _ => (first & 0xffff, 4, small),
        };
        let end = start.saturating_add(length);
        let body = self.bytes.get(start..end).ok_or_else(cut)?;
        let next = match (small, kind) {
            (0, COMPRESSED) => end,
            (0, _) => end.next_multiple_of(8),
            _ => 8,
        };
        self.bytes = self.bytes.get(next..).unwrap_or_default();
        Ok((kind, body))
    }
}

/// An array up to its content.
#[derive(Clone, Copy)]
pub(crate) struct Array<'a> {
    pub name: &'a [u8],
    class: u8,
    dims: &'a [u8],
    content: Elements<'a>,
}

impl<'a> Array<'a> {
    fn parse(mut parts: Elements<'a>) -> Result<Self, Fault> {
        let (_, flags) = parts.next()?;
        let (_, dims) = parts.next()?;
        let (_, name) = parts.next()?;
        let class = if parts.big { flags.get(3) } else { flags.first() };
        Ok(Self { name, class: *class.ok_or_else(cut)?, dims, content: parts })
    }

    /// The numbers of a matrix, column after column; `None` for an array of another class.
    pub fn numbers(self) -> Result<Option<Numbers<'a>>, Fault> {
        if !NUMBERS.contains(&self.class) {
            return Ok(None);
        }
        let numbers = self.data()?;
        let dims = Numbers { kind: Kind::I32, big: self.content.big, bytes: self.dims.into() };
        let size: f64 = (0..dims.len()).map(|i| dims.get(i)).product();
        if size != numbers.len() as f64 {
            let found = format!("{size} for {} numbers", numbers.len());
            return Err(Fault::new("size of a matrix", "that of its data", found));
        }
        Ok(Some(numbers))
    }

    fn data(mut self) -> Result<Numbers<'a>, Fault> {
        let big = self.content.big;
        let (kind, bytes) = self.content.next()?;
        Ok(Numbers { kind: Kind::new(kind)?, big, bytes: bytes.into() })
    }

    /// Its characters, in whichever width they are stored.
    pub fn text(self) -> Result<String, Fault> {
        let units = self.data()?;
        let units = (0..units.len()).map(|i| units.get(i));
        let text = units.map(|u| (0.0..128.0).contains(&u).then_some(char::from(u as u8)));
        text.collect::<Option<_>>().ok_or_else(|| Fault::new("text", "ASCII", "another"))
    }

    /// Fields of every element of a structure array.
    pub fn fields<const N: usize>(self, names: [&str; N]) -> Result<Vec<[Self; N]>, Fault> {
        if self.class != STRUCT {
            return Err(Fault::new("class of an array", "a structure", self.class));
        }
        let mut rest = self.content;
        let (_, length) = rest.next()?;
        let length = Elements { bytes: length, ..rest }.word(0)? as usize;
        let (_, all) = rest.next()?;
        let all: Vec<&[u8]> = match length {
            0 => Vec::new(),
            _ => all.chunks_exact(length).map(until_zero).collect(),
        };
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            let found = all.iter().position(|field| *field == name.as_bytes());
            *place = found.ok_or_else(|| {
                let found: Vec<_> = all.iter().map(|f| String::from_utf8_lossy(f)).collect();
                Fault::new("fields of a structure", name, found.join(", "))
            })?;
        }
        let mut elements = Vec::new();
        while !rest.bytes.is_empty() {
            let mut element = [self; N];
            for i in 0..all.len() {
                let (kind, bytes) = rest.next()?;
                if kind != MATRIX {
                    return Err(Fault::new("type of a field", MATRIX, kind));
                }
                for (field, _) in element.iter_mut().zip(places).filter(|(_, place)| *place == i) {
                    *field = Self::parse(Elements { bytes, ..rest })?;
                }
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// How numbers are stored, whatever class their array has.
#[derive(Clone, Copy, Debug)]
enum Kind {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
    I64,
    U64,
}

impl Kind {
    fn new(kind: u32) -> Result<Self, Fault> {
        Ok(match kind {
            1 => Self::I8,
            // The second is UTF-8.
            2 | 16 => Self::U8,
            3 => Self::I16,
            // The second is UTF-16.
            4 | 17 => Self::U16,
            5 => Self::I32,
            6 => Self::U32,
            7 => Self::F32,
            9 => Self::F64,
            12 => Self::I64,
            13 => Self::U64,
            other => return Err(Fault::new("storage type", "a number", other)),
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

/// Numbers as they are stored.
#[derive(Clone, Debug)]
pub(crate) struct Numbers<'a> {
    kind: Kind,
    big: bool,
    bytes: Cow<'a, [u8]>,
}

impl Numbers<'_> {
    pub fn len(&self) -> usize {
        self.bytes.len() / self.kind.size()
    }

    /// Number i.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn get(&self, i: usize) -> f64 {
        macro_rules! read {
            ($type:ty) => {{
                const SIZE: usize = size_of::<$type>();
                let mut bytes = [0; SIZE];
                bytes.copy_from_slice(&self.bytes[i * SIZE..(i + 1) * SIZE]);
                let read = if self.big { <$type>::from_be_bytes } else { <$type>::from_le_bytes };
                read(bytes) as f64
            }};
        }
        match self.kind {
            Kind::I8 => read!(i8),
            Kind::U8 => read!(u8),
            Kind::I16 => read!(i16),
            Kind::U16 => read!(u16),
            Kind::I32 => read!(i32),
            Kind::U32 => read!(u32),
            Kind::F32 => read!(f32),
            Kind::F64 => read!(f64),
            Kind::I64 => read!(i64),
            Kind::U64 => read!(u64),
        }
    }

    /// The same numbers with bytes of their own.
    pub fn into_owned(self) -> Numbers<'static> {
        Numbers { kind: self.kind, big: self.big, bytes: self.bytes.into_owned().into() }
    }
}
