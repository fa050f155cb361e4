use std::collections::HashMap;

use safetensors::tensor::Metadata;

use super::Source;
use crate::{
    ReadError,
    tensor::{Span, Stored, Unreadable},
};

/// Bytes of the length in front of the header.
const LENGTH: u64 = 8;
/// Longest header; the format's own limit.
const LONGEST: u64 = 100_000_000;

/// Whether a file begins as the format does: the length of a header, and an object in JSON.
pub(super) fn begins(head: &[u8], length: u64) -> bool {
    let header = head.first_chunk().map(|&bytes| u64::from_le_bytes(bytes));
    header.is_some_and(|header| header <= LONGEST.min(length)) && head.get(8) == Some(&b'{')
}

pub(super) fn open(
    file: &mut dyn Source,
    length: u64,
) -> Result<HashMap<String, Result<Stored, Unreadable>>, ReadError> {
    let cut = |needed: u64| ReadError::Damaged {
        what: "the file".into(),
        expected: "the length that its header tells",
        found: format!("{length} bytes instead of {needed}"),
    };
    let mut header = [0; LENGTH as usize];
    file.read_exact(&mut header)?;
    let header = u64::from_le_bytes(header);
    let start = LENGTH + header;
    if start > length {
        return Err(cut(start));
    }
    let mut json = vec![0; header as usize];
    file.read_exact(&mut json)?;
    let header: Metadata = serde_json::from_slice(&json)?;
    let end = start + header.data_len() as u64;
    if end != length {
        return Err(cut(end));
    }
    let tensors = header.tensors().into_iter().map(|(name, info)| {
        let (from, to) = info.data_offsets;
        let span = Span { start: start + from as u64, bytes: (to - from) as u64, crc: None };
        (name, Stored::contiguous(info.dtype, info.shape.clone(), span))
    });
    Ok(tensors.collect())
}
