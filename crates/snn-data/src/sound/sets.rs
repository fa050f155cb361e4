//! Spoken digits and commands, in folders as published.

use crate::{DataError, Manifest};
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Wave file.
    pub path: PathBuf,
    /// Class, from 0.
    pub label: usize,
}

/// A dataset of short sounds to classify.
#[derive(Clone, Debug, PartialEq)]
pub struct SoundSet {
    /// Where it comes from, names of the classes.
    pub manifest: Manifest,
    /// Recordings to train on.
    pub train: Vec<Recording>,
    /// Recordings to choose settings on; empty where there are two parts only.
    pub valid: Vec<Recording>,
    /// Recordings to test on.
    pub test: Vec<Recording>,
}

fn text(path: &Path) -> Result<String, DataError> {
    fs::read_to_string(path).map_err(|source| DataError::Io {
        action: "read",
        path: path.into(),
        source,
    })
}

/// Names in `dir`, sorted.
fn names(dir: &Path) -> Result<Vec<String>, DataError> {
    let io = |source| DataError::Io { action: "read", path: dir.into(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

impl SoundSet {
    /// Lists the recordings of `fsdd`, `speech-commands` or `speech-commands-v1` in `dir`, in
    /// `dir/<name>`, or in the folder that the archive of either unpacks into.
    ///
    /// # Errors
    /// [`DataError::UnknownDataset`]; [`DataError::NotSound`] for other data;
    /// [`DataError::Missing`]; [`DataError::Io`]; [`DataError::Foreign`] for a file name that tells
    /// no digit and number.
    pub fn open(name: &str, dir: &Path) -> Result<Self, DataError> {
        let manifest = Manifest::named(name)?;
        let outer = [dir.to_path_buf(), dir.join(name)];
        let inner = manifest.archives.iter().filter_map(|a| a.folder.as_deref());
        let inner = inner.flat_map(|f| outer.iter().map(move |d| d.join(f)));
        let folders: Vec<PathBuf> = outer.iter().cloned().chain(inner).collect();
        let find = |entry: &str| {
            let found = folders.iter().find(|f| f.join(entry).exists()).cloned();
            found.ok_or_else(|| DataError::Missing {
                dataset: name.into(),
                dir: dir.into(),
                files: vec![entry.into()],
                sources: manifest.sources.clone(),
            })
        };
        let mut set =
            Self { manifest: manifest.clone(), train: vec![], valid: vec![], test: vec![] };
        match name {
            "fsdd" => set.digits(&find("recordings")?.join("recordings"))?,
            "speech-commands" | "speech-commands-v1" => set.commands(&find("testing_list.txt")?)?,
            _ => {
                let task = manifest.task.data();
                return Err(DataError::NotSound { name: name.into(), task });
            }
        }
        Ok(set)
    }

    /// Free spoken digits: files `<digit>_<speaker>_<number>.wav`; numbers 0 to 4 are for testing.
    fn digits(&mut self, dir: &Path) -> Result<(), DataError> {
        for name in names(dir)?.iter().filter(|n| n.ends_with(".wav")) {
            let path = dir.join(name);
            let parts: Vec<&str> = name.trim_end_matches(".wav").split('_').collect();
            let told = match parts.as_slice() {
                [digit, _, number] => digit.parse().ok().zip(number.parse::<u32>().ok()),
                _ => None,
            };
            let Some((label, number)) = told.filter(|(d, _)| *d < 10) else {
                return Err(DataError::Foreign {
                    path,
                    what: "file name",
                    expected: "<digit>_<speaker>_<number>.wav".into(),
                    found: format!("`{name}`"),
                });
            };
            let part = if number < 5 { &mut self.test } else { &mut self.train };
            part.push(Recording { path, label });
        }
        Ok(())
    }

    /// Speech Commands: a folder a word, two lists of files.
    fn commands(&mut self, root: &Path) -> Result<(), DataError> {
        let list = |name: &str| -> Result<HashSet<String>, DataError> {
            Ok(text(&root.join(name))?.lines().map(|l| l.trim().to_string()).collect())
        };
        let (valid, test) = (list("validation_list.txt")?, list("testing_list.txt")?);
        for (label, word) in self.manifest.classes.iter().enumerate() {
            for name in names(&root.join(word))?.iter().filter(|n| n.ends_with(".wav")) {
                let below = format!("{word}/{name}");
                let part = match () {
                    () if valid.contains(&below) => &mut self.valid,
                    () if test.contains(&below) => &mut self.test,
                    () => &mut self.train,
                };
                part.push(Recording { path: root.join(below), label });
            }
        }
        Ok(())
    }
}
