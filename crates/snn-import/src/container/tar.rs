use std::{
    collections::{BTreeMap, HashMap},
    io::{BufReader, Read, Seek, SeekFrom},
};

use super::{Source, Torch, expect, storage};
use crate::{
    ReadError,
    pickle::{Id, Input, Pickle, load},
    tensor::{Span, Stored, Unreadable},
    torch::StorageType,
};

type Storages = HashMap<String, (StorageType, Span)>;

pub(super) fn open(file: &mut dyn Source, length: u64) -> Result<Torch, ReadError> {
    let entries = entries(file, length)?;
    let entry = |name: &'static str| {
        entries.get(name).copied().ok_or_else(|| ReadError::Archive {
            kind: "tar",
            lacks: name,
            holds: entries.keys().cloned().collect(),
        })
    };
    let (main, storages, tensors) = (entry("pickle")?, entry("storages")?, entry("tensors")?);
    let storages = read_storages(&mut input(file, storages)?)?;
    let tensors = read_tensors(&mut input(file, tensors)?, &storages)?;
    let pickle = load(&mut input(file, main)?)?;
    Ok(Torch { pickle, storages: HashMap::new(), tensors })
}

/// Start and end of every file in the archive.
fn entries(file: &mut dyn Source, length: u64) -> Result<BTreeMap<String, (u64, u64)>, ReadError> {
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut entries = BTreeMap::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path()?.display().to_string();
        let (start, bytes) = (entry.raw_file_position(), entry.size());
        match start.checked_add(bytes) {
            Some(end) if end <= length => entries.insert(name, (start, end)),
            _ => {
                return Err(ReadError::Damaged {
                    what: format!("entry {name} of the tar archive"),
                    expected: "an end within the file",
                    found: format!("{bytes} bytes from byte {start}, of {length}"),
                });
            }
        };
    }
    Ok(entries)
}

type Entry<'a> = Input<BufReader<&'a mut dyn Source>>;

fn input(file: &mut dyn Source, (start, end): (u64, u64)) -> Result<Entry<'_>, ReadError> {
    file.seek(SeekFrom::Start(start))?;
    Ok(Input::new(BufReader::new(file), start, end))
}

/// Each storage is announced by its key, place and type; views into them follow.
fn read_storages<R: Read + Seek>(input: &mut Input<R>) -> Result<Storages, ReadError> {
    let mut storages = Storages::new();
    let count = expect(input, "the number of storages", "a number", |p, id| p.int::<u64>(id))?;
    for _ in 0..count {
        let announced = "key, place and type";
        let (key, kind) = expect(input, "a storage", announced, |pickle, id| {
            let &[name, _place, class] = pickle.sequence(id)? else { return None };
            Some((pickle.key(name)?, StorageType::of(pickle.global(class)?)?))
        })?;
        let span = storage(input, kind.element)?;
        storages.insert(key, (kind, span));
    }
    let views = load(input)?;
    for &id in views.sequence(views.root()).unwrap_or_default() {
        let (key, part) = view(&views, id, &storages).ok_or_else(|| ReadError::Damaged {
            what: "a view of a storage".into(),
            expected: "a part of it",
            found: views.describe(id),
        })?;
        storages.insert(key, part);
    }
    Ok(storages)
}

fn view(views: &Pickle, id: Id, storages: &Storages) -> Option<(String, (StorageType, Span))> {
    let &[key, root, offset, count] = views.sequence(id)? else { return None };
    let (kind, span) = storages.get(&views.key(root)?)?;
    let part = span.part(views.int(offset)?, views.int(count)?, kind.element)?;
    Some((views.key(key)?, (*kind, part)))
}

/// Each tensor is announced by its key, storage and type; axes, strides and offset follow.
fn read_tensors<R: Read>(
    input: &mut Input<R>,
    storages: &Storages,
) -> Result<HashMap<String, Result<Stored, Unreadable>>, ReadError> {
    let mut tensors = HashMap::new();
    let count = expect(input, "the number of tensors", "a number", |p, id| p.int::<u64>(id))?;
    for _ in 0..count {
        let announced = "key, storage and type";
        let (key, storage) = expect(input, "a tensor", announced, |pickle, id| {
            let &[name, storage, _class] = pickle.sequence(id)? else { return None };
            Some((pickle.key(name)?, pickle.key(storage)?))
        })?;
        let axes = u32::from_le_bytes(input.array()?);
        input.array::<4>()?;
        let mut numbers = |count: u64| {
            let bytes = input.bytes(8 * count)?;
            let words = bytes.as_chunks::<8>().0.iter();
            let sizes = words.map(|&word| usize::try_from(i64::from_le_bytes(word)));
            Ok::<_, ReadError>(sizes.collect::<Result<Vec<_>, _>>().ok())
        };
        let (shape, strides) = (numbers(axes.into())?, numbers(axes.into())?);
        let offset = numbers(1)?.and_then(|offset| offset.first().copied());
        let tensor = match (storages.get(&storage), shape, strides, offset) {
            (None, ..) => Err(Unreadable::Storage { key: storage }),
            (Some((kind, span)), Some(shape), Some(strides), Some(offset)) => {
                kind.number().and_then(|dtype| Stored::new(dtype, shape, strides, offset, *span))
            }
            _ => Err(Unreadable::Outside),
        };
        tensors.insert(key, tensor);
    }
    Ok(tensors)
}
