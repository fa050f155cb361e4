//! NumPy's `.npy`: a header that describes the rows, then the rows.
//!
//! Source: NumPy, *A simple file format for NumPy arrays*, versions 1 to 3.

use std::io::{self, Read};

/// A number in a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// Name in a structured array; empty otherwise.
    pub name: String,
    kind: u8,
    size: usize,
    big: bool,
    offset: usize,
}

impl Field {
    /// Reads type strings such as `<f8`, `>u4`, `|b1`.
    fn parse(name: &str, text: &str, offset: usize) -> Option<Self> {
        let [order, kind, digits @ ..] = text.as_bytes() else { return None };
        let size: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let sizes: &[usize] = match kind {
            b'b' => &[1],
            b'i' | b'u' => &[1, 2, 4, 8],
            b'f' => &[2, 4, 8],
            _ => return None,
        };
        let known = sizes.contains(&size) && b"<>|=".contains(order);
        let big = *order == b'>';
        known.then(|| Self { name: name.into(), kind: *kind, size, big, offset })
    }

    /// The number in `row`.
    pub fn value(&self, row: &[u8]) -> Number {
        let mut bytes = [0; 8];
        let found = &row[self.offset..self.offset + self.size];
        for (i, byte) in bytes[..self.size].iter_mut().enumerate() {
            *byte = found[if self.big { self.size - 1 - i } else { i }];
        }
        let word = u64::from_le_bytes(bytes);
        let unused = 64 - 8 * self.size as u32;
        match (self.kind, self.size) {
            (b'i', _) => Number::Whole((word << unused).cast_signed() >> unused),
            (b'f', 2) => Number::Real(half(word as u16)),
            (b'f', 4) => Number::Real(f32::from_bits(word as u32).into()),
            (b'f', _) => Number::Real(f64::from_bits(word)),
            (_, _) => match i64::try_from(word) {
                Ok(whole) => Number::Whole(whole),
                Err(_) => Number::Real(word as f64),
            },
        }
    }
}

/// A half-precision number.
pub(crate) fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// A number of any type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(i64),
    Real(f64),
}

impl Number {
    pub fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }

    /// A whole number; a real one loses its fraction, as in NumPy's `astype`.
    pub fn whole(self) -> Option<i64> {
        match self {
            Self::Whole(whole) => Some(whole),
            Self::Real(real) if real.abs() < 9e18 => Some(real as i64),
            Self::Real(_) => None,
        }
    }

    /// A whole number below 65536.
    pub fn small(self) -> Option<u16> {
        self.whole().and_then(|whole| u16::try_from(whole).ok())
    }
}

/// What the header says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    /// One field for plain arrays.
    pub fields: Vec<Field>,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Bytes of one element.
    pub size: usize,
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// What stands after `'key':` in a Python dictionary.
fn entry<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted = format!("'{key}':");
    text.find(&quoted).map(|at| text[at + quoted.len()..].trim_start())
}

/// The strings in single quotes before `end`.
fn quoted(text: &str, end: char) -> Option<Vec<&str>> {
    let text = &text[..text.find(end)?];
    Some(text.split('\'').skip(1).step_by(2).collect())
}

impl Header {
    fn parse(text: &str) -> io::Result<Self> {
        let missing = |key| invalid(format!("npy header without a readable `{key}`"));
        let descr = entry(text, "descr").ok_or_else(|| missing("descr"))?;
        let mut fields = Vec::new();
        let mut size = 0;
        if let Some(list) = descr.strip_prefix('[') {
            let strings = quoted(list, ']').ok_or_else(|| missing("descr"))?;
            for pair in strings.chunks(2) {
                let [name, kind] = pair else { return Err(missing("descr")) };
                let field = Field::parse(name, kind, size)
                    .ok_or_else(|| invalid(format!("npy field `{name}` of type `{kind}`")))?;
                size += field.size;
                fields.push(field);
            }
        } else {
            let kind = quoted(descr, ',').and_then(|s| s.first().copied());
            let kind = kind.ok_or_else(|| missing("descr"))?;
            let field = Field::parse("", kind, 0)
                .ok_or_else(|| invalid(format!("npy numbers of type `{kind}`")))?;
            size = field.size;
            fields.push(field);
        }
        let fortran = entry(text, "fortran_order").ok_or_else(|| missing("fortran_order"))?;
        let shape = entry(text, "shape").and_then(|s| s.strip_prefix('('));
        let shape = shape.and_then(|s| s.split(')').next()).ok_or_else(|| missing("shape"))?;
        let shape = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
        let shape: Result<Vec<usize>, _> = shape.map(str::parse).collect();
        let shape = shape.map_err(|_| missing("shape"))?;
        if fortran.starts_with("True") && shape.len() > 1 {
            return Err(invalid("npy array in column-major order, which is not read"));
        }
        if size == 0 || shape.iter().try_fold(size, |n, &d| n.checked_mul(d)).is_none() {
            return Err(missing("shape"));
        }
        Ok(Self { fields, shape, size })
    }

    /// Reads signature, version and dictionary.
    pub fn read(input: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 8];
        input.read_exact(&mut head)?;
        if &head[..6] != b"\x93NUMPY" {
            return Err(invalid("not a npy array"));
        }
        let length = if head[6] == 1 {
            let mut length = [0; 2];
            input.read_exact(&mut length)?;
            u64::from(u16::from_le_bytes(length))
        } else {
            let mut length = [0; 4];
            input.read_exact(&mut length)?;
            u64::from(u32::from_le_bytes(length))
        };
        if length > 1 << 20 {
            return Err(invalid("npy header longer than 1 MiB"));
        }
        let mut text = String::new();
        input.take(length).read_to_string(&mut text)?;
        if text.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Self::parse(&text)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

/// A `.npy` array that is read from the front.
pub(crate) struct Npy<R> {
    /// What it holds.
    pub header: Header,
    input: R,
    left: usize,
    buffer: Vec<u8>,
}

impl<R: Read> Npy<R> {
    pub fn open(mut input: R) -> io::Result<Self> {
        let header = Header::read(&mut input)?;
        let left = header.len();
        Ok(Self { header, input, left, buffer: Vec::new() })
    }

    /// The bytes of the next `count` elements, or of as many as are left.
    pub fn next(&mut self, count: usize) -> io::Result<&[u8]> {
        let count = count.min(self.left);
        self.buffer.resize(count * self.header.size, 0);
        self.input.read_exact(&mut self.buffer)?;
        self.left -= count;
        Ok(&self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (bits, want) in [
            (0x0000, 0.0),
            (0x0001, 2f64.powi(-24)),
            (0x3c00, 1.0),
            (0x3555, 0.333251953125),
            (0x7bff, 65504.0),
            (0xc000, -2.0),
            (0x7c00, f64::INFINITY),
        ] {
            assert_eq!(half(bits), want);
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn headers_of_all_kinds_are_read() {
        let header =
            Header::parse("{'descr': '>u4', 'fortran_order': False, 'shape': (7,), }").unwrap();
        assert_eq!((header.len(), header.size), (7, 4));
        assert_eq!(header.fields[0].value(&[0, 0, 1, 2]), Number::Whole(258));
        let text =
            "{'descr': [('ts', '<u8'), ('x', '<f4')], 'fortran_order': False, 'shape': (2, 3)}";
        let header = Header::parse(text).unwrap();
        assert_eq!((header.len(), header.size), (6, 12));
        assert_eq!(header.field("x").unwrap().offset, 8);
        let scalar =
            Header::parse("{'descr': '|b1', 'fortran_order': False, 'shape': ()}").unwrap();
        assert_eq!(scalar.len(), 1);
        for text in ["", "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "{'descr'"] {
            assert!(Header::parse(text).is_err(), "{text}");
        }
    }
}
