use std::{
    collections::HashMap,
    io::{BufReader, Read},
};

use super::{Source, Torch, expect, storage};
use crate::{
    ReadError,
    pickle::{Input, Pickle, Value, load},
    torch::StorageType,
};

/// What a stream of PyTorch begins with.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

pub(super) fn open(file: &mut dyn Source, length: u64) -> Result<Torch, ReadError> {
    let mut input = Input::new(BufReader::new(file), 0, length);
    begin(&mut input)?;
    let pickle = load(&mut input)?;
    let element = element_sizes(&pickle)?;
    let keys = load(&mut input)?;
    let mut storages = HashMap::new();
    for &id in keys.sequence(keys.root()).unwrap_or_default() {
        let key = keys.key(id).unwrap_or_default();
        let element = *element.get(&key).ok_or_else(|| ReadError::Damaged {
            what: format!("storage `{key}`"),
            expected: "a tensor that lies in it",
            found: "none".into(),
        })?;
        let span = storage(&mut input, element)?;
        storages.insert(key, span);
    }
    Ok(Torch { pickle, storages, tensors: HashMap::new() })
}

/// The three pickles in front.
fn begin<R: Read>(input: &mut Input<R>) -> Result<(), ReadError> {
    let magic = load(input)?;
    if magic.int(magic.root()) != Some(MAGIC) {
        return Err(ReadError::Pickle { found: magic.describe(magic.root()) });
    }
    expect(input, "the version of the stream", "1001", |pickle, id| {
        pickle.int::<u32>(id).filter(|&version| version == 1001)
    })?;
    let little = expect(input, "the system of the stream", "its byte order", |pickle, id| {
        let entries = pickle.items(id);
        let entry = entries.iter().find(|(key, _)| pickle.text(*key) == Some("little_endian"));
        match entry.map(|&(_, value)| pickle.get(value)) {
            Some(&Value::Bool(little)) => Some(little),
            _ => None,
        }
    })?;
    if little { Ok(()) } else { Err(ReadError::ByteOrder) }
}

/// Bytes of an element of each storage: tensors name their storage with its type.
fn element_sizes(pickle: &Pickle) -> Result<HashMap<String, u64>, ReadError> {
    let mut sizes = HashMap::new();
    for value in pickle.values() {
        let &Value::Persistent(id) = value else { continue };
        let Some(&[kind, class, name, ..]) = pickle.sequence(id) else { continue };
        if pickle.text(kind) != Some("storage") {
            continue;
        }
        let (Some(class), Some(name)) = (pickle.global(class), pickle.key(name)) else { continue };
        let kind = StorageType::of(class).ok_or_else(|| ReadError::Damaged {
            what: format!("storage `{name}`"),
            expected: "a storage type of PyTorch",
            found: class.to_owned(),
        })?;
        sizes.insert(name, kind.element);
    }
    Ok(sizes)
}
