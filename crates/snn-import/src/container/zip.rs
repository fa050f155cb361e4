use std::{
    collections::HashMap,
    io::{BufReader, SeekFrom},
};

use zip::{CompressionMethod, ZipArchive};

use super::{Source, Torch};
use crate::{
    ReadError,
    pickle::{Input, load},
    tensor::Span,
};

/// An entry, as far as it matters.
struct Entry {
    span: Span,
    plain: bool,
}

pub(super) fn open(file: &mut dyn Source, length: u64) -> Result<Torch, ReadError> {
    let entries = entries(file, length)?;
    let root = root(&entries)?;
    let script = |name: &&String| {
        name.strip_prefix(&root).is_some_and(|n| n == "constants.pkl" || n.starts_with("code/"))
    };
    if entries.keys().any(|name| script(&name)) {
        return Err(ReadError::Script);
    }
    let ours = |name: &String| name.starts_with(&root);
    // PyTorch never compresses; what is compressed could grow without bound.
    if let Some((name, _)) = entries.iter().find(|(name, entry)| ours(name) && !entry.plain) {
        return Err(ReadError::Compressed { entry: name.clone() });
    }
    if let Some(entry) = entries.get(&format!("{root}byteorder")) {
        let order = read(file, &entry.span)?;
        if order.trim_ascii() != b"little" {
            return Err(ReadError::ByteOrder);
        }
    }
    let name = format!("{root}data.pkl");
    let Some(entry) = entries.get(&name) else { unreachable!("the root is where {name} is") };
    let bytes = read(file, &entry.span)?;
    let pickle = load(&mut Input::new(bytes.as_slice(), 0, bytes.len() as u64))?;
    let data = format!("{root}data/");
    let storages = entries.into_iter().filter_map(|(name, entry)| {
        name.strip_prefix(&data).map(|key| (key.to_owned(), entry.span))
    });
    Ok(Torch { pickle, storages: storages.collect(), tensors: HashMap::new() })
}

fn entries(file: &mut dyn Source, length: u64) -> Result<HashMap<String, Entry>, ReadError> {
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    let mut entries = HashMap::new();
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i)?;
        let plain = entry.compression() == CompressionMethod::Stored
            && !entry.encrypted()
            && entry.size() == entry.compressed_size();
        let start = entry.data_start().unwrap_or(length);
        let (name, bytes) = (entry.name().to_owned(), entry.compressed_size());
        if start.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(ReadError::Damaged {
                what: format!("entry {name} of the zip archive"),
                expected: "an end within the file",
                found: format!("{bytes} bytes from byte {start}, of {length}"),
            });
        }
        // Some writers leave the checksum out; 0 then stands in its place.
        let crc = Some(entry.crc32()).filter(|&crc| crc != 0);
        entries.insert(name, Entry { span: Span { start, bytes, crc }, plain });
    }
    Ok(entries)
}

/// The folder of `data.pkl`, the outermost one, with a slash if there is a folder.
fn root(entries: &HashMap<String, Entry>) -> Result<String, ReadError> {
    let roots = entries.keys().filter_map(|name| name.strip_suffix("data.pkl"));
    let roots = roots.filter(|root| root.is_empty() || root.ends_with('/'));
    let depth = |root: &&str| (root.matches('/').count(), root.len());
    roots.min_by_key(depth).map(str::to_owned).ok_or_else(|| {
        let mut holds: Vec<String> = entries.keys().cloned().collect();
        holds.sort_unstable();
        ReadError::Archive { kind: "zip", lacks: "data.pkl", holds }
    })
}

fn read(file: &mut dyn Source, span: &Span) -> Result<Vec<u8>, ReadError> {
    file.seek(SeekFrom::Start(span.start))?;
    span.read(file)
}
