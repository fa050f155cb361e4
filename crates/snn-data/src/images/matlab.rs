//! `meta.mat` of ImageNet's development kit: the WordNet name of each ILSVRC number.
//!
//! Layout: MathWorks, *MAT-File Format*, level 5, little-endian. Only what that file uses is read:
//! structures of numbers and texts, compressed or plain.

use crate::DataError;
use flate2::read::ZlibDecoder;
use std::{borrow::Cow, collections::HashMap, io::Read, path::Path};

/// Storage types (table 1-1 of the format).
const INT8: u32 = 1;
const UINT8: u32 = 2;
const UINT16: u32 = 4;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const UTF8: u32 = 16;
/// Array classes (table 1-3 of the format).
const STRUCT: u8 = 2;
/// Most bytes that a variable may have once unpacked; the real file has 0.5 MB.
const LIMIT: u64 = 16 << 20;

/// ILSVRC number to WordNet name, from the structure array `synsets`.
///
/// # Errors
/// [`DataError::Foreign`] when the file is none of that kind.
pub fn synsets(bytes: &[u8], path: &Path) -> Result<HashMap<u32, String>, DataError> {
    parse(bytes).ok_or_else(|| DataError::Foreign {
        path: path.into(),
        what: "content",
        expected: "a MATLAB 5 file with `synsets` of ILSVRC2012_ID and WNID".into(),
        found: "another".into(),
    })
}

fn parse(bytes: &[u8]) -> Option<HashMap<u32, String>> {
    let header = bytes.get(..128)?;
    if !header.starts_with(b"MATLAB 5.0") || &header[126..] != b"IM" {
        return None;
    }
    let mut rest = &bytes[128..];
    while !rest.is_empty() {
        let (kind, data) = element(&mut rest)?;
        let variable = if kind == COMPRESSED { unpack(data)? } else { Cow::Borrowed(data) };
        let mut variable = &*variable;
        if kind == COMPRESSED {
            (_, variable) = element(&mut variable).filter(|(kind, _)| *kind == MATRIX)?;
        } else if kind != MATRIX {
            continue;
        }
        let array = Array::read(variable)?;
        if array.class == STRUCT && array.name == b"synsets" {
            return names(array.rest);
        }
    }
    None
}

/// Walks the elements of a structure array.
fn names(mut rest: &[u8]) -> Option<HashMap<u32, String>> {
    let (_, length) = element(&mut rest)?;
    let length = u32::from_le_bytes(length.get(..4)?.try_into().ok()?) as usize;
    let (_, fields) = element(&mut rest)?;
    if length == 0 {
        return None;
    }
    let fields: Vec<&[u8]> = fields.chunks_exact(length).map(until_zero).collect();
    let position = |name: &[u8]| fields.iter().position(|f| *f == name);
    let (number, name) = (position(b"ILSVRC2012_ID")?, position(b"WNID")?);
    let mut names = HashMap::new();
    while !rest.is_empty() {
        let mut values = Vec::with_capacity(fields.len());
        for _ in &fields {
            let (_, value) = element(&mut rest).filter(|(kind, _)| *kind == MATRIX)?;
            values.push(value);
        }
        names.insert(Array::read(values[number])?.number()?, Array::read(values[name])?.text()?);
    }
    Some(names)
}

/// An array up to its content.
struct Array<'a> {
    class: u8,
    name: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Array<'a> {
    fn read(mut rest: &'a [u8]) -> Option<Self> {
        let (_, flags) = element(&mut rest)?;
        let (_, _dims) = element(&mut rest)?;
        let (_, name) = element(&mut rest)?;
        Some(Self { class: *flags.first()?, name, rest })
    }

    /// A single number that is a small whole one, in whichever type MATLAB stored it.
    fn number(mut self) -> Option<u32> {
        let (kind, data) = element(&mut self.rest)?;
        Some(match kind {
            INT8 | UINT8 => u32::from(*data.first()?),
            UINT16 => u32::from(u16::from_le_bytes(data.get(..2)?.try_into().ok()?)),
            DOUBLE => f64::from_le_bytes(data.get(..8)?.try_into().ok()?) as u32,
            _ => return None,
        })
    }

    fn text(mut self) -> Option<String> {
        let (kind, data) = element(&mut self.rest)?;
        match kind {
            INT8 | UINT8 | UTF8 => String::from_utf8(data.to_vec()).ok(),
            UINT16 => {
                let units = data.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
                char::decode_utf16(units).collect::<Result<_, _>>().ok()
            }
            _ => None,
        }
    }
}

/// Takes the next element off `rest`: its type and its data.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let word =
        |bytes: &[u8], at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let first = word(rest, 0)?;
    // Up to four bytes may stand in the tag itself, whose upper half then is their number.
    let small = (first >> 16) as usize;
    let (kind, start, length) = match small {
        0 => (first, 8, word(rest, 4)? as usize),
        n => (first & 0xffff, 4usize, n),
    };
    let data = rest.get(start..start.checked_add(length)?)?;
    let end = match (small, kind) {
        (0, COMPRESSED) => start + length,
        (0, _) => (start + length).next_multiple_of(8),
        _ => 8,
    };
    *rest = rest.get(end..).unwrap_or_default();
    Some((kind, data))
}

fn unpack(data: &[u8]) -> Option<Cow<'static, [u8]>> {
    let mut out = Vec::new();
    ZlibDecoder::new(data).take(LIMIT).read_to_end(&mut out).ok()?;
    Some(Cow::Owned(out))
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by `tests/scripts/meta_mat.py` with SciPy, packed and plain.
    const PACKED: &[u8] = include_bytes!("../../tests/data/meta_packed.mat");
    const PLAIN: &[u8] = include_bytes!("../../tests/data/meta_plain.mat");

    #[test]
    fn numbers_and_names_are_found() {
        for bytes in [PACKED, PLAIN] {
            let names = synsets(bytes, Path::new("meta.mat")).unwrap();
            assert_eq!(names.len(), 4);
            assert_eq!(
                [&names[&1], &names[&2], &names[&1000]],
                ["n02119789", "n02100735", "n03255030"]
            );
        }
        let error = synsets(b"MATLAB 7.3", Path::new("meta.mat")).unwrap_err().to_string();
        assert!(error.contains("meta.mat: content is another"), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(
            packed in any::<bool>(), at in any::<prop::sample::Index>(), value in any::<u8>(),
            end in any::<prop::sample::Index>(),
        ) {
            let mut bytes = if packed { PACKED } else { PLAIN }.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = value;
            let _ = parse(&bytes);
            let _ = parse(&bytes[..end.index(bytes.len())]);
        }
    }
}
