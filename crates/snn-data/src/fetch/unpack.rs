//! Archives, unpacked so that nothing leaves the folder and nothing grows without bound.

use super::{
    FetchError, Progress,
    sums::{Receipt, hex},
};
use crate::manifest::{Archive, Nested};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{BufReader, Read, Write},
    path::{Component, Path, PathBuf},
};

/// Most bytes that a byte of an archive may become, and what small archives may have anyway.
/// Recordings and wave files shrink to a half or a quarter, text to a fifth.
const GROWTH: u64 = 200;
const ALLOWANCE: u64 = 64 << 20;

/// Most entries of an archive.
const ENTRIES: u64 = 10_000_000;

/// What is still allowed, and where it goes.
struct Target<'a> {
    archive: &'a Path,
    /// Temporary folder that the files go to.
    root: &'a Path,
    /// Folder below the root that names are taken from.
    prefix: PathBuf,
    bytes: u64,
    entries: u64,
    receipt: Receipt,
    progress: &'a dyn Progress,
}

impl Target<'_> {
    fn wrong(
        &self,
        what: impl ToString,
        expected: &'static str,
        found: impl ToString,
    ) -> FetchError {
        let (what, found) = (what.to_string(), found.to_string());
        FetchError::Unpack { archive: self.archive.into(), what, expected, found }
    }

    /// `name` below the root, if it stays below the prefix.
    fn inside(&mut self, name: &Path) -> Result<PathBuf, FetchError> {
        self.entries = self
            .entries
            .checked_sub(1)
            .ok_or_else(|| self.wrong("number of entries", "at most 10000000", "more"))?;
        let mut below = PathBuf::new();
        for part in name.components() {
            match part {
                Component::Normal(part) => below.push(part),
                Component::CurDir => {}
                _ => {
                    let found = format!("{:?}", name.display().to_string());
                    return Err(self.wrong(
                        "name of an entry",
                        "a path inside of the archive",
                        found,
                    ));
                }
            }
        }
        let empty = below.as_os_str().is_empty();
        let below = self.prefix.join(below);
        let text = below.to_string_lossy();
        // Names go into a list of lines.
        if empty || text.contains(['\n', '\r', '\\']) {
            let found = format!("{:?}", name.display().to_string());
            return Err(self.wrong("name of an entry", "a plain name", found));
        }
        Ok(below)
    }

    fn folder(&mut self, name: &Path) -> Result<(), FetchError> {
        if name.components().all(|c| c == Component::CurDir) {
            return Ok(());
        }
        let path = self.root.join(self.inside(name)?);
        fs::create_dir_all(&path).map_err(|e| FetchError::io("make", &path, e))
    }

    /// Writes one file of `size` bytes.
    fn file(&mut self, name: &Path, size: u64, input: &mut dyn Read) -> Result<(), FetchError> {
        let below = self.inside(name)?;
        let path = self.root.join(&below);
        if size > self.bytes {
            return Err(self.wrong(
                "unpacked size",
                "at most 200 times that of the archive",
                format!("more, at {}", below.display()),
            ));
        }
        self.bytes -= size;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| FetchError::io("make", parent, e))?;
        }
        let mut file = File::create(&path).map_err(|e| FetchError::io("write", &path, e))?;
        let (mut digest, mut buffer, mut count) = (Sha256::new(), vec![0; 1 << 16], 0u64);
        loop {
            let read = input.read(&mut buffer);
            let n = read.map_err(|e| self.wrong(below.display(), "whole and sound", e))?;
            count += n as u64;
            if n == 0 || count > size {
                break;
            }
            digest.update(&buffer[..n]);
            file.write_all(&buffer[..n]).map_err(|e| FetchError::io("write", &path, e))?;
        }
        if count != size {
            let found = if count > size { "longer" } else { "shorter" };
            return Err(self.wrong(below.display(), "as long as the archive says", found));
        }
        // Forward slashes on every system, so that notes and manifests look alike.
        let parts: Vec<String> =
            below.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
        self.receipt.0.push((hex(&digest.finalize()), size, parts.join("/")));
        self.progress.advance(size);
        Ok(())
    }

    fn zip(&mut self, path: &Path) -> Result<(), FetchError> {
        let file = File::open(path).map_err(|e| FetchError::io("read", path, e))?;
        let archive = zip::ZipArchive::new(BufReader::new(file));
        let mut archive = archive.map_err(|e| self.wrong("directory", "that of a zip", e))?;
        for i in 0..archive.len() {
            let entry = archive.by_index(i);
            let mut entry = entry.map_err(|e| self.wrong(format!("entry {i}"), "readable", e))?;
            let name = PathBuf::from(entry.name());
            if entry.is_symlink() {
                return Err(self.wrong(name.display(), "a file or a folder", "a link"));
            }
            if entry.is_dir() {
                self.folder(&name)?;
            } else {
                let size = entry.size();
                self.file(&name, size, &mut entry)?;
            }
        }
        Ok(())
    }

    fn tar(&mut self, input: impl Read) -> Result<(), FetchError> {
        let mut archive = tar::Archive::new(input);
        let entries = archive.entries().map_err(|e| self.wrong("beginning", "that of a tar", e))?;
        for entry in entries {
            let mut entry = entry.map_err(|e| self.wrong("entry", "readable", e))?;
            let kind = entry.header().entry_type();
            let name = entry.path().map(|p| p.into_owned());
            let name = name.map_err(|e| self.wrong("name of an entry", "text", e))?;
            match kind {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    let size = entry.size();
                    self.file(&name, size, &mut entry)?;
                }
                tar::EntryType::Directory => self.folder(&name)?,
                // Comments of some packers, no files.
                tar::EntryType::XGlobalHeader => {}
                other => {
                    let found = format!("{other:?}");
                    return Err(self.wrong(name.display(), "a file or a folder", found));
                }
            }
        }
        Ok(())
    }

    fn any(&mut self, path: &Path, name: &str) -> Result<(), FetchError> {
        let open =
            || File::open(path).map(BufReader::new).map_err(|e| FetchError::io("read", path, e));
        match Kind::of(name) {
            Some(Kind::Zip) => self.zip(path),
            Some(Kind::Tar) => self.tar(open()?),
            Some(Kind::TarGz) => self.tar(GzDecoder::new(open()?)),
            None => Err(self.wrong("name", "one that ends in .zip, .tar or .tar.gz", name)),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Zip,
    Tar,
    TarGz,
}

impl Kind {
    const ENDINGS: [(&str, Self); 4] =
        [(".zip", Self::Zip), (".tar", Self::Tar), (".tar.gz", Self::TarGz), (".tgz", Self::TarGz)];

    fn ending(name: &str) -> Option<(&'static str, Self)> {
        let name = name.to_ascii_lowercase();
        Self::ENDINGS.into_iter().find(|(ending, _)| name.ends_with(ending))
    }

    fn of(name: &str) -> Option<Self> {
        Self::ending(name).map(|(_, kind)| kind)
    }

    /// The name of an archive without its ending.
    fn stem(name: &str) -> Option<&str> {
        Self::ending(name).map(|(ending, _)| &name[..name.len() - ending.len()])
    }
}

/// Unpacks `path`, which is `archive` as published, into `folder`.
///
/// Everything goes to a temporary folder first and moves when it is whole.
pub(super) fn unpack(
    path: &Path,
    archive: &Archive,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Receipt, FetchError> {
    let name = &archive.name;
    let size = fs::metadata(path).map_err(|e| FetchError::io("read", path, e))?.len();
    let part = folder.join(format!(".unpacking-{name}"));
    remove(&part)?;
    fs::create_dir_all(&part).map_err(|e| FetchError::io("make", &part, e))?;
    progress.begin(&format!("unpack {name}"), 0, None);
    let bytes = size.saturating_mul(GROWTH).saturating_add(ALLOWANCE);
    let receipt = Receipt::default();
    let prefix = PathBuf::from(archive.into.as_deref().unwrap_or_default());
    let mut target =
        Target { archive: path, root: &part, prefix, bytes, entries: ENTRIES, receipt, progress };
    let done = target.any(path, name).and_then(|()| match archive.nested {
        Some(nested) => inner(&mut target, nested),
        None => Ok(()),
    });
    let receipt = target.receipt;
    progress.end();
    if let Err(error) = done {
        remove(&part)?;
        return Err(error);
    }
    move_into(&part, folder)?;
    remove(&part)?;
    Ok(receipt)
}

/// Unpacks the archives that an archive held, and removes them.
fn inner(target: &mut Target<'_>, nested: Nested) -> Result<(), FetchError> {
    let held = std::mem::take(&mut target.receipt.0);
    for entry in held {
        let Some(stem) = Kind::stem(&entry.2) else {
            target.receipt.0.push(entry);
            continue;
        };
        let path = target.root.join(&entry.2);
        target.prefix = match nested {
            Nested::Beside => Path::new(&entry.2).parent().unwrap_or(Path::new("")).into(),
            Nested::Folders => stem.into(),
        };
        target.any(&path, &entry.2)?;
        fs::remove_file(&path).map_err(|e| FetchError::io("remove", &path, e))?;
    }
    Ok(())
}

/// Moves everything in `from` to `to`; folders that are there already are filled up.
fn move_into(from: &Path, to: &Path) -> Result<(), FetchError> {
    let io = |e| FetchError::io("read", from, e);
    for entry in fs::read_dir(from).map_err(io)? {
        let entry = entry.map_err(io)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(io)?.is_dir() && target.is_dir() {
            move_into(&source, &target)?;
        } else {
            fs::rename(&source, &target).map_err(|e| FetchError::io("rename", &source, e))?;
        }
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(FetchError::io("remove", dir, e)),
        _ => Ok(()),
    }
}
