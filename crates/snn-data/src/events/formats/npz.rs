//! NumPy archives: events as SpikingJelly and tonic keep them.
//!
//! `.npz` with one array each for `t`, `x`, `y`, `p`, as SpikingJelly writes; `.npy` with fields of
//! these names; `.npy` of shape `[N, 4]` in the order x, y, p, t as tonic packs DVS128 Gesture.

use super::npy::{Field, Header, Npy};
use crate::events::{
    Event,
    reader::{Batches, Problem},
};
use flate2::read::DeflateDecoder;
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// Events decoded at a time.
const BATCH: usize = 1 << 15;

/// A member of an archive, read from the front.
pub(crate) type Member = Npy<BufReader<Box<dyn Read + Send>>>;

/// Opens member `name` (without `.npy`) of a `.npz`.
pub(crate) fn member(path: &Path, name: &str) -> Result<Member, Problem> {
    let mut archive = zip::ZipArchive::new(BufReader::new(File::open(path)?))
        .map_err(|e| Problem::new("archive", "a .npz", e))?;
    let entry = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|e| Problem::new("archive", format!("a member `{name}.npy`"), e))?;
    let method = entry.compression();
    let size = entry.compressed_size();
    let start = entry.data_start().ok_or_else(|| Problem::new("archive", "a position", "none"))?;
    drop(entry);
    // A file handle of its own lets the members be read side by side.
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let bytes = file.take(size);
    let input: Box<dyn Read + Send> = match method {
        zip::CompressionMethod::Stored => Box::new(bytes),
        zip::CompressionMethod::Deflated => Box::new(DeflateDecoder::new(bytes)),
        other => return Err(Problem::new("compression", "stored or deflated", other)),
    };
    Ok(Npy::open(BufReader::new(input))?)
}

/// Events in four arrays side by side.
pub(crate) struct Npz {
    /// t, x, y, p; y is absent where the sensor has one row.
    t: Member,
    x: Member,
    y: Option<Member>,
    p: Member,
    at: usize,
}

impl Npz {
    pub fn open(path: &Path) -> Result<Self, Problem> {
        let (t, x, p) = (member(path, "t")?, member(path, "x")?, member(path, "p")?);
        let y = match member(path, "y") {
            Ok(y) => Some(y),
            Err(Problem::Corrupt { .. }) => None,
            Err(other) => return Err(other),
        };
        let lengths: Vec<usize> = [Some(&t), Some(&x), y.as_ref(), Some(&p)]
            .iter()
            .flatten()
            .map(|a| a.header.len())
            .collect();
        if lengths.iter().any(|&n| n != lengths[0]) {
            return Err(Problem::new("arrays t, x, y, p", "of one length", format!("{lengths:?}")));
        }
        Ok(Self { t, x, y, p, at: 0 })
    }
}

/// A value that does not fit an event.
fn misfit(what: &'static str, index: usize) -> Problem {
    Problem::new(what, "whole numbers that fit an event", format!("another at event {index}"))
}

impl Batches for Npz {
    fn next_batch(&mut self, out: &mut Vec<Event>) -> Result<bool, Problem> {
        let column = |member: &mut Member| -> Result<(Field, usize, Vec<u8>), Problem> {
            let field = member.header.fields[0].clone();
            let size = member.header.size;
            Ok((field, size, member.next(BATCH)?.to_vec()))
        };
        let (t, x, p) = (column(&mut self.t)?, column(&mut self.x)?, column(&mut self.p)?);
        let y = self.y.as_mut().map(column).transpose()?;
        let count = t.2.len() / t.1;
        let value = |(field, size, bytes): &(Field, usize, Vec<u8>), i: usize| {
            field.value(&bytes[i * size..(i + 1) * size])
        };
        out.reserve(count);
        for i in 0..count {
            let index = self.at + i;
            let t = value(&t, i).whole().ok_or_else(|| misfit("array t", index))?;
            let x = value(&x, i).small().ok_or_else(|| misfit("array x", index))?;
            let y = y.as_ref().map_or(Some(0), |y| value(y, i).small());
            let event = y.and_then(|y| Event::checked(t, x, y, value(&p, i).real() > 0.0));
            out.push(event.ok_or_else(|| misfit("array y", index))?);
        }
        self.at += count;
        Ok(count > 0)
    }
}

/// Events in one array.
pub(crate) struct NpyEvents {
    npy: Npy<Box<dyn Read + Send>>,
    /// x, y, p, t of a plain `[N, 4]` array in milliseconds, or fields by name in microseconds.
    columns: Option<[Field; 4]>,
    at: usize,
}

impl NpyEvents {
    pub fn open(input: Box<dyn Read + Send>) -> Result<Self, Problem> {
        let npy = Npy::open(input)?;
        let Header { fields, shape, .. } = &npy.header;
        if fields.len() == 1 && fields[0].name.is_empty() {
            if shape.len() != 2 || shape[1] != 4 {
                return Err(Problem::new("shape", "[N, 4]", format!("{shape:?}")));
            }
            return Ok(Self { npy, columns: None, at: 0 });
        }
        let names = ["x", "y", "p", "t"];
        let found = names.map(|name| npy.header.field(name).cloned());
        let [Some(x), Some(y), Some(p), Some(t)] = found else {
            let found: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            return Err(Problem::new("fields", "x, y, p, t", found.join(", ")));
        };
        if shape.len() != 1 {
            return Err(Problem::new("shape", "[N]", format!("{shape:?}")));
        }
        let columns = Some([x, y, p, t]);
        Ok(Self { npy, columns, at: 0 })
    }
}

impl Batches for NpyEvents {
    fn next_batch(&mut self, out: &mut Vec<Event>) -> Result<bool, Problem> {
        let size = self.npy.header.size;
        let plain = self.npy.header.fields[0].clone();
        let per_row = if self.columns.is_some() { 1 } else { 4 };
        let rows = self.npy.next(BATCH * per_row)?.chunks_exact(size * per_row);
        let before = out.len();
        for row in rows {
            let index = self.at + out.len() - before;
            let [x, y, p, t] = match &self.columns {
                Some(fields) => fields.each_ref().map(|f| f.value(row)),
                None => [0, 1, 2, 3].map(|c| plain.value(&row[c * size..(c + 1) * size])),
            };
            let t = match self.columns {
                Some(_) => t.whole(),
                // tonic keeps milliseconds.
                None => super::npy::Number::Real(t.real() * 1000.0).whole(),
            };
            let t = t.ok_or_else(|| misfit("times", index))?;
            let x = x.small().ok_or_else(|| misfit("columns", index))?;
            let event = y.small().and_then(|y| Event::checked(t, x, y, p.real() > 0.0));
            out.push(event.ok_or_else(|| misfit("rows", index))?);
        }
        self.at += out.len() - before;
        Ok(out.len() > before)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput => Self::new("array", "whole and readable", error),
            _ => Self::Io(error),
        }
    }
}
