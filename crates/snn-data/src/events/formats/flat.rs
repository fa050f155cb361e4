//! As much of FlatBuffers as AEDAT 4 needs, every offset checked.

use crate::events::bytes::{Fault, le32};

/// A table in a FlatBuffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn out_of_range(at: usize, what: &'static str, length: usize) -> Fault {
    Fault::new(at, what, format!("inside of {length} bytes"), "an offset past the end")
}

fn word(bytes: &[u8], at: usize, what: &'static str) -> Result<usize, Fault> {
    let end = at.saturating_add(4);
    let found = bytes.get(at..end).ok_or_else(|| out_of_range(at, what, bytes.len()))?;
    Ok(le32(found) as usize)
}

impl<'a> Table<'a> {
    /// The root table of a buffer without size prefix.
    pub fn root(bytes: &'a [u8]) -> Result<Self, Fault> {
        let at = word(bytes, 0, "root table")?;
        Ok(Self { bytes, at })
    }

    /// Position of field `id`, where it is present.
    fn field(self, id: usize) -> Result<Option<usize>, Fault> {
        let what = "table of fields";
        let back = word(self.bytes, self.at, what)? as u32;
        let vtable = i64::try_from(self.at).unwrap_or(i64::MAX) - i64::from(back.cast_signed());
        let half = |at: usize| {
            let found = self.bytes.get(at..at.saturating_add(2));
            let found = found.ok_or_else(|| out_of_range(at, what, self.bytes.len()))?;
            Ok(usize::from(u16::from_le_bytes([found[0], found[1]])))
        };
        let Ok(vtable) = usize::try_from(vtable) else {
            return Err(out_of_range(self.at, what, self.bytes.len()));
        };
        let entry = 4 + 2 * id;
        if entry + 2 > half(vtable)? {
            return Ok(None);
        }
        let offset = half(vtable + entry)?;
        Ok((offset != 0).then(|| self.at + offset))
    }

    /// A 32-bit number.
    pub fn i32(self, id: usize) -> Result<Option<i32>, Fault> {
        let Some(at) = self.field(id)? else { return Ok(None) };
        Ok(Some((word(self.bytes, at, "number")? as u32).cast_signed()))
    }

    /// A 64-bit number.
    pub fn i64(self, id: usize) -> Result<Option<i64>, Fault> {
        let Some(at) = self.field(id)? else { return Ok(None) };
        let low = word(self.bytes, at, "number")? as u64;
        let high = word(self.bytes, at.saturating_add(4), "number")? as u64;
        Ok(Some((high << 32 | low).cast_signed()))
    }

    /// The bytes of a vector (or string) whose elements are `size` bytes long.
    pub fn vector(self, id: usize, size: usize) -> Result<Option<&'a [u8]>, Fault> {
        let Some(field) = self.field(id)? else { return Ok(None) };
        let at = field.saturating_add(word(self.bytes, field, "vector")?);
        let length = word(self.bytes, at, "vector")?.saturating_mul(size);
        let start = at.saturating_add(4);
        let found = self.bytes.get(start..start.saturating_add(length));
        found.map(Some).ok_or_else(|| out_of_range(at, "vector", self.bytes.len()))
    }
}
