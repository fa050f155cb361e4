//! Tiny-ImageNet-200 as its archive unpacks: `train/<wnid>/images/*.JPEG`, `val/images/*.JPEG`
//! with `val/val_annotations.txt`. The labels of its test folder were never published.

use super::folder::Folder;
use crate::DataError;
use std::{collections::HashMap, fs, path::Path};

/// Training and validation images below `dir`; classes are the sorted WordNet names.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Foreign`] for an annotation line without a file name and a
/// known class, and those of [`Folder::by_class`].
pub fn open(dir: &Path) -> Result<(Folder, Folder), DataError> {
    let train = Folder::by_class(&dir.join("train"), "images")?;
    let path = dir.join("val").join("val_annotations.txt");
    let text = fs::read_to_string(&path).map_err(|source| DataError::Io {
        action: "read",
        path: path.clone(),
        source,
    })?;
    let labels: HashMap<&str, u16> =
        train.class_names().iter().map(String::as_str).zip(0..).collect();
    let mut files = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut fields = line.split('\t');
        let (Some(file), Some(class)) = (fields.next(), fields.next()) else {
            return Err(foreign(&path, number, "file, class and box between tabs", line));
        };
        if file.contains(['/', '\\']) {
            return Err(foreign(&path, number, "a plain file name", file));
        }
        let Some(&label) = labels.get(class) else {
            return Err(foreign(&path, number, "a class of the training folder", class));
        };
        files.push((dir.join("val").join("images").join(file), label));
    }
    let classes = train.class_names().to_vec();
    Ok((train, Folder::new(files, classes)))
}

fn foreign(path: &Path, line: usize, expected: &str, found: &str) -> DataError {
    DataError::Foreign {
        path: path.into(),
        what: "an annotation",
        expected: expected.into(),
        found: format!("`{found}` in line {}", line + 1),
    }
}
