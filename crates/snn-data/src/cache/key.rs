//! The name of a set: a hash over its source files and what was done to them.

use super::Cache;
use crate::DataError;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::NamedTempFile;

/// Identity of a decoded set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What was known of a file when it was last hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    bytes: u64,
    /// Time of the last change, nanoseconds since 1970.
    changed: u64,
    sha256: String,
}

/// A file changed less than this ago is hashed again the next time: within it a second change
/// need not move the clock of the file system.
const SETTLED: Duration = Duration::from_secs(2);

impl Key {
    /// The key of what `transform` makes of `files`, in this order.
    ///
    /// `transform` names the computation with everything that it depends on: all settings, and a
    /// version that moves when the code gives other bytes.
    ///
    /// The content of every file is hashed, once: the cache remembers hashes by path, size and
    /// time of change.
    ///
    /// # Errors
    /// [`DataError::Io`] when a file cannot be read or the hashes cannot be kept.
    pub fn new(cache: &Cache, transform: &str, files: &[PathBuf]) -> Result<Self, DataError> {
        let store = cache.dir().join("hashes.txt");
        // Hashes only save time, so what cannot be read of the list is found out anew.
        let text = fs::read_to_string(&store).unwrap_or_default();
        let mut known: HashMap<String, Known> = text.lines().filter_map(line).collect();

        let hashed: Vec<(String, Known, bool)> = files
            .par_iter()
            .map(|path| {
                let name = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                let name = name.to_string_lossy().into_owned();
                let (now, settled) = hash(path, known.get(&name))?;
                Ok((name, now, settled))
            })
            .collect::<Result<_, DataError>>()?;

        let mut digest = Sha256::new();
        digest.update((transform.len() as u64).to_le_bytes());
        digest.update(transform);
        let mut news = false;
        for (name, now, settled) in hashed {
            digest.update(&now.sha256);
            if settled && known.get(&name) != Some(&now) {
                known.insert(name, now);
                news = true;
            }
        }
        if news {
            cache.make_dir()?;
            keep(&store, &known)?;
        }
        Ok(Self(digest.finalize().into()))
    }
}

/// The hash of the file at `path`, taken from `known` if the file is unchanged, and whether it
/// may be remembered.
fn hash(path: &Path, known: Option<&Known>) -> Result<(Known, bool), DataError> {
    let io = |source| DataError::Io { action: "read", path: path.into(), source };
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let time = metadata.modified().map_err(io)?;
    let changed = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    let bytes = metadata.len();
    if let Some(known) = known.filter(|k| k.bytes == bytes && k.changed == changed) {
        return Ok((known.clone(), true));
    }
    let settled = SystemTime::now().duration_since(time).is_ok_and(|age| age > SETTLED);
    let mut digest = Sha256::new();
    std::io::copy(&mut file, &mut digest).map_err(io)?;
    let sha256 = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok((Known { bytes, changed, sha256 }, settled))
}

/// Reads a line of the list: hash, size, time of change, path.
fn line(text: &str) -> Option<(String, Known)> {
    let mut fields = text.splitn(4, ' ');
    let sha256 = fields.next().filter(|hash| hash.len() == 64)?.to_owned();
    let (bytes, changed) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((fields.next()?.to_owned(), Known { bytes, changed, sha256 }))
}

/// Writes the list all or not at all.
fn keep(store: &Path, known: &HashMap<String, Known>) -> Result<(), DataError> {
    let io = |source| DataError::Io { action: "write", path: store.into(), source };
    let lines = known.iter().filter(|(name, _)| !name.contains(['\n', '\r']));
    let text: String =
        lines.map(|(name, k)| format!("{} {} {} {name}\n", k.sha256, k.bytes, k.changed)).collect();
    let folder = store.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::with_prefix_in("unfinished-", folder).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    file.persist(store).map_err(|e| io(e.error))?;
    Ok(())
}
