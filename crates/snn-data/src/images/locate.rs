//! Finding the files of a dataset below the folder that a person names.

use crate::{DataError, Manifest};
use std::path::{Path, PathBuf};

/// Paths of `names`, looked for in `dir`, in `dir/<dataset name>`, and in the folder of either
/// that the published archive unpacks into; a name that ends in `.gz` may also lie there unpacked.
///
/// # Errors
/// [`DataError::NoFolder`] without `dir`, [`DataError::Missing`] naming every absent file.
pub fn files(
    manifest: &Manifest,
    dir: Option<&Path>,
    names: &[&str],
) -> Result<Vec<PathBuf>, DataError> {
    let folders = candidates(manifest, dir, names)?;
    let find = |name: &str| {
        let plain = name.strip_suffix(".gz").unwrap_or(name);
        folders.iter().flat_map(|f| [f.join(name), f.join(plain)]).find(|path| path.is_file())
    };
    let found: Vec<Option<PathBuf>> = names.iter().map(|name| find(name)).collect();
    let absent: Vec<&str> =
        names.iter().zip(&found).filter(|(_, f)| f.is_none()).map(|(n, _)| *n).collect();
    if !absent.is_empty() {
        return Err(missing(manifest, dir, &absent));
    }
    Ok(found.into_iter().flatten().collect())
}

/// The first folder among the same candidates that has everything in `entries`.
///
/// # Errors
/// [`DataError::NoFolder`] without `dir`, [`DataError::Missing`] naming the published archives.
pub fn folder(
    manifest: &Manifest,
    dir: Option<&Path>,
    entries: &[&str],
) -> Result<PathBuf, DataError> {
    let mut archives: Vec<&str> = manifest.archives.iter().map(|a| a.name.as_str()).collect();
    if archives.is_empty() {
        archives = entries.to_vec();
    }
    let folders = candidates(manifest, dir, &archives)?;
    let whole = |folder: &PathBuf| entries.iter().all(|entry| folder.join(entry).exists());
    folders.into_iter().find(whole).ok_or_else(|| missing(manifest, dir, &archives))
}

fn candidates(
    manifest: &Manifest,
    dir: Option<&Path>,
    names: &[&str],
) -> Result<Vec<PathBuf>, DataError> {
    let dir = folder_or_fetched(manifest, dir, names)?;
    let outer = [dir.to_path_buf(), dir.join(&manifest.name)];
    let unpacked = manifest.archives.iter().filter_map(|a| a.folder.as_deref());
    let inner = unpacked.flat_map(|f| outer.iter().map(move |d| d.join(f)));
    Ok(outer.iter().cloned().chain(inner).collect())
}

/// `dir`, or the folder of all datasets if this one was fetched.
///
/// # Errors
/// [`DataError::NoFolder`] naming `files`.
pub(crate) fn folder_or_fetched(
    manifest: &Manifest,
    dir: Option<&Path>,
    files: &[&str],
) -> Result<PathBuf, DataError> {
    let fetched = || crate::datasets().ok().filter(|d| d.join(&manifest.name).is_dir());
    dir.map(Path::to_path_buf).or_else(fetched).ok_or_else(|| DataError::NoFolder {
        dataset: manifest.name.clone(),
        files: files.iter().map(|n| n.to_string()).collect(),
        sources: manifest.sources.clone(),
    })
}

fn missing(manifest: &Manifest, dir: Option<&Path>, names: &[&str]) -> DataError {
    DataError::Missing {
        dataset: manifest.name.clone(),
        dir: dir.unwrap_or(Path::new(".")).into(),
        files: names.iter().map(|n| n.to_string()).collect(),
        sources: manifest.sources.clone(),
    }
}
