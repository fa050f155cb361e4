//! MATLAB 5 files: as much as ASL-DVS needs, the variables `ts`, `x`, `y`, `pol`.
//!
//! Source: MathWorks, *MAT-File Format*, level 5.

use crate::events::{
    Event,
    reader::{Batches, Problem},
};
use flate2::read::ZlibDecoder;
use std::{collections::BTreeMap, io::Read};

/// Most bytes that the variables of a file may have unpacked.
const MOST: u64 = 256 << 20;

const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// A numeric matrix in column order.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Values, column after column.
    pub values: Vec<f64>,
}

fn cut() -> Problem {
    Problem::new("element", "inside of the file", "one past its end")
}

/// The type of an element, its bytes, what follows.
type Element<'a> = (u32, &'a [u8], &'a [u8]);

/// The next element.
fn element(bytes: &[u8], big: bool) -> Result<Option<Element<'_>>, Problem> {
    let word = |at: usize| {
        let found: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(found) } else { u32::from_le_bytes(found) })
    };
    let Some(first) = word(0) else { return Ok(None) };
    if first >> 16 != 0 {
        // Up to four bytes packed behind type and length.
        let length = (first >> 16) as usize;
        let body = bytes.get(4..8).and_then(|b| b.get(..length)).ok_or_else(cut)?;
        return Ok(Some((first & 0xffff, body, &bytes[8..])));
    }
    let length = word(4).ok_or_else(cut)? as usize;
    let end = 8usize.saturating_add(length);
    let body = bytes.get(8..end).ok_or_else(cut)?;
    let padded = if first == COMPRESSED { end } else { end.next_multiple_of(8) };
    Ok(Some((first, body, bytes.get(padded..).unwrap_or_default())))
}

/// Numbers of a MATLAB storage type.
fn numbers(kind: u32, bytes: &[u8], big: bool) -> Result<Vec<f64>, Problem> {
    macro_rules! read {
        ($type:ty) => {
            bytes
                .chunks_exact(size_of::<$type>())
                .map(|c| {
                    let mut b = [0; size_of::<$type>()];
                    b.copy_from_slice(c);
                    (if big { <$type>::from_be_bytes(b) } else { <$type>::from_le_bytes(b) }) as f64
                })
                .collect()
        };
    }
    Ok(match kind {
        1 => read!(i8),
        2 => read!(u8),
        3 => read!(i16),
        4 => read!(u16),
        5 => read!(i32),
        6 => read!(u32),
        7 => read!(f32),
        9 => read!(f64),
        12 => read!(i64),
        13 => read!(u64),
        other => return Err(Problem::new("storage type", "a number", other)),
    })
}

/// A matrix with its name; `None` for cells, structures, texts and other classes.
fn matrix(body: &[u8], big: bool) -> Result<Option<(String, Matrix)>, Problem> {
    let part = |bytes| element(bytes, big)?.ok_or_else(cut);
    let (_, flags, rest) = part(body)?;
    let class =
        flags.first().map(|&low| if big { flags.get(3).copied().unwrap_or(0) } else { low });
    let (_, dims, rest) = part(rest)?;
    let (_, name, rest) = part(rest)?;
    // Classes 6 to 15 are numbers of every width.
    if !class.is_some_and(|c| (6..=15).contains(&c)) {
        return Ok(None);
    }
    let (kind, data, _) = part(rest)?;
    let dims = numbers(5, dims, big)?;
    let [rows, columns] = dims.as_slice() else { return Ok(None) };
    let values = numbers(kind, data, big)?;
    if *rows < 0.0 || *columns < 0.0 || rows * columns != values.len() as f64 {
        let found = format!("{rows} x {columns} for {} numbers", values.len());
        return Err(Problem::new("size of a matrix", "that of its data", found));
    }
    let name = String::from_utf8_lossy(name).into_owned();
    Ok(Some((name, Matrix { rows: *rows as usize, columns: *columns as usize, values })))
}

/// Reads the numeric matrices of a file, by name.
pub(crate) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Matrix>, Problem> {
    let Some((header, mut rest)) = bytes.split_at_checked(128) else {
        return Err(Problem::new("header", "128 bytes", bytes.len()));
    };
    if !header.starts_with(b"MATLAB 5.0") {
        let found = String::from_utf8_lossy(&header[..10]).into_owned();
        return Err(Problem::new("header", "`MATLAB 5.0`", format!("{found:?}")));
    }
    let big = &header[126..] == b"MI";
    let mut found = BTreeMap::new();
    let mut budget = MOST;
    while let Some((kind, body, next)) = element(rest, big)? {
        rest = next;
        let mut unpacked = Vec::new();
        let (kind, body) = if kind == COMPRESSED {
            ZlibDecoder::new(body).take(budget + 1).read_to_end(&mut unpacked)?;
            if unpacked.len() as u64 > budget {
                return Err(Problem::new("variables", format!("at most {MOST} bytes"), "more"));
            }
            budget -= unpacked.len() as u64;
            match element(&unpacked, big)? {
                Some((kind, body, _)) => (kind, body),
                None => continue,
            }
        } else {
            (kind, body)
        };
        if kind == MATRIX {
            found.extend(matrix(body, big)?);
        }
    }
    Ok(found)
}

/// Events of ASL-DVS, in one batch: its files are small, and MATLAB keeps columns apart.
pub(crate) struct MatEvents(Option<Vec<Event>>);

impl MatEvents {
    pub fn open(mut input: impl Read) -> Result<Self, Problem> {
        let mut bytes = Vec::new();
        input.by_ref().take(MOST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST {
            return Err(Problem::new("file", format!("at most {MOST} bytes"), "more"));
        }
        let variables = read(&bytes)?;
        let [Some(t), Some(x), Some(y), Some(p)] =
            ["ts", "x", "y", "pol"].map(|name| variables.get(name).map(|m| &m.values))
        else {
            let found: Vec<&str> = variables.keys().map(String::as_str).collect();
            return Err(Problem::new("variables", "ts, x, y, pol", found.join(", ")));
        };
        if [x.len(), y.len(), p.len()] != [t.len(); 3] {
            let found = format!("{}, {}, {}, {}", t.len(), x.len(), y.len(), p.len());
            return Err(Problem::new("variables ts, x, y, pol", "of one length", found));
        }
        let small = |v: f64| (v.fract() == 0.0 && (0.0..65536.0).contains(&v)).then_some(v as u16);
        let events = (0..t.len()).map(|i| {
            let t = (t[i].abs() < 9e18).then_some(t[i] as i64);
            let event = t.zip(small(x[i])).zip(small(y[i]));
            let ((t, x), y) = event.ok_or_else(|| {
                Problem::new("event", "whole numbers that fit", format!("another at event {i}"))
            })?;
            Ok(Event { t, x, y, p: p[i] > 0.0 })
        });
        Ok(Self(Some(events.collect::<Result<_, Problem>>()?)))
    }
}

impl Batches for MatEvents {
    fn next_batch(&mut self, out: &mut Vec<Event>) -> Result<bool, Problem> {
        let Some(events) = self.0.take() else { return Ok(false) };
        out.extend_from_slice(&events);
        Ok(!events.is_empty())
    }
}
