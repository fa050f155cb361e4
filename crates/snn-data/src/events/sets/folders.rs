//! Datasets that keep a folder per class.

use super::{Part, Recording};
use crate::{DataError, Manifest};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder that holds `entry`: `dir`, `dir/<name>`, or a folder in either.
pub(super) fn root(manifest: &Manifest, dir: &Path, entry: &str) -> Result<PathBuf, DataError> {
    let outer = [dir.to_path_buf(), dir.join(&manifest.name)];
    let inner = outer.iter().filter(|f| f.is_dir()).map(|f| Ok((f, names(f)?)));
    let inner = inner.collect::<Result<Vec<_>, DataError>>()?;
    let inner = inner.iter().flat_map(|(f, names)| names.iter().map(move |n| f.join(n)));
    let found = outer.iter().cloned().chain(inner).find(|f| f.join(entry).exists());
    found.ok_or_else(|| DataError::Missing {
        dataset: manifest.name.clone(),
        dir: dir.into(),
        files: manifest.archives.iter().map(|a| a.name.clone()).collect(),
        sources: manifest.sources.clone(),
    })
}

/// Names in `dir`, sorted as text, which is the order of SpikingJelly and torchvision.
fn entries(dir: &Path) -> Result<Vec<String>, DataError> {
    let io = |source| DataError::Io { action: "read", path: dir.into(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Folders in `dir`, sorted.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, DataError> {
    let mut names = entries(dir)?;
    names.retain(|n| !n.starts_with('.') && dir.join(n).is_dir());
    Ok(names)
}

/// Files in `dir` whose name ends in `.ending`, sorted.
pub(super) fn files(dir: &Path, ending: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut names = entries(dir)?;
    names.retain(|n| n.rsplit_once('.').is_some_and(|(_, e)| e == ending) && !n.starts_with('.'));
    Ok(names.into_iter().map(|n| dir.join(n)).collect())
}

/// The recordings of every class, class after class.
pub(super) fn classes(
    dir: &Path,
    classes: &[String],
    ending: &str,
) -> Result<Vec<Recording>, DataError> {
    let mut recordings = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let found = files(&dir.join(class), ending)?;
        recordings.extend(found.into_iter().map(|path| Recording {
            path,
            part: Part::Whole,
            label,
        }));
    }
    Ok(recordings)
}
