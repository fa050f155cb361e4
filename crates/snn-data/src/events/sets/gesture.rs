//! DVS128 Gesture. Source: Amir et al., *A low power, fully event-based gesture recognition system*,
//! CVPR 2017.

use super::{Part, Recording, folders};
use crate::DataError;
use std::{fs, path::Path};

fn text(path: &Path) -> Result<String, DataError> {
    fs::read_to_string(path).map_err(|source| DataError::Io {
        action: "read",
        path: path.into(),
        source,
    })
}

fn foreign(path: &Path, what: &'static str, expected: &str, found: String) -> DataError {
    DataError::Foreign { path: path.into(), what, expected: expected.into(), found }
}

/// The gestures of the trials that `list` names, one a line of each trial's label file.
pub(super) fn trials(root: &Path, list: &str) -> Result<Vec<Recording>, DataError> {
    let mut recordings = Vec::new();
    for name in text(&root.join(list))?.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let stem = name.strip_suffix(".aedat").ok_or_else(|| {
            foreign(&root.join(list), "trial", "a name that ends in .aedat", format!("`{name}`"))
        })?;
        if stem.contains(['/', '\\']) {
            return Err(foreign(&root.join(list), "trial", "a plain name", format!("`{name}`")));
        }
        let labels = root.join(format!("{stem}_labels.csv"));
        let path = root.join(name);
        for line in text(&labels)?.lines().skip(1).filter(|l| !l.trim().is_empty()) {
            let numbers: Vec<i64> = line.split(',').map_while(|n| n.trim().parse().ok()).collect();
            // Classes are counted from 1 in these files.
            let (label, start, end) = match numbers.as_slice() {
                [class, start, end] if *class > 0 => (*class as usize - 1, *start, *end),
                _ => {
                    let expected = "class,startTime_usec,endTime_usec";
                    return Err(foreign(&labels, "line", expected, format!("`{line}`")));
                }
            };
            recordings.push(Recording {
                path: path.clone(),
                part: Part::Between { start, end },
                label,
            });
        }
    }
    Ok(recordings)
}

/// tonic's packing: a folder a trial, in it `<class>.npy` per gesture.
pub(super) fn packed(dir: &Path) -> Result<Vec<Recording>, DataError> {
    let mut recordings = Vec::new();
    for trial in folders::names(dir)? {
        for path in folders::files(&dir.join(trial), "npy")? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let label = stem.parse().map_err(|_| {
                foreign(&path, "file name", "the number of a class", format!("`{stem}`"))
            })?;
            recordings.push(Recording { path, part: Part::Whole, label });
        }
    }
    Ok(recordings)
}
