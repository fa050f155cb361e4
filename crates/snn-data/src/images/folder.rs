//! Image files in folders, decoded when they are asked for.

use super::{Image, Images, Pictures, decode::decode};
use crate::{
    DataError,
    cache::{Cache, Key},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Labelled image files, red green blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    files: Vec<(PathBuf, u16)>,
    classes: Vec<String>,
}

impl Folder {
    /// # Panics
    /// If a label is not below the number of `classes`.
    pub fn new(files: Vec<(PathBuf, u16)>, classes: Vec<String>) -> Self {
        let sound = files.iter().all(|(_, label)| usize::from(*label) < classes.len());
        assert!(sound, "a label is not below {}", classes.len());
        Self { files, classes }
    }

    /// The images in `dir/<class>/<sub>/`, classes and files in the order of their names, as
    /// torchvision's `ImageFolder` has them; `sub` may be empty.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::Foreign`] when there is no class folder, more than 65,536,
    /// or one without an image.
    pub fn by_class(dir: &Path, sub: &str) -> Result<Self, DataError> {
        let folders: Vec<PathBuf> = entries(dir)?.into_iter().filter(|p| p.is_dir()).collect();
        let wrong = |path: &Path, what, expected: &str, found: usize| DataError::Foreign {
            path: path.into(),
            what,
            expected: expected.into(),
            found: found.to_string(),
        };
        if folders.is_empty() || folders.len() > 1 << 16 {
            let what = "number of class folders";
            return Err(wrong(dir, what, "from 1 to 65536", folders.len()));
        }
        let mut files = Vec::new();
        for (label, folder) in (0..).zip(&folders) {
            let inner = folder.join(sub);
            let before = files.len();
            files.extend(images_in(&inner)?.into_iter().map(|path| (path, label)));
            if files.len() == before {
                return Err(wrong(&inner, "number of images", "at least 1", 0));
            }
        }
        Ok(Self { files, classes: folders.iter().map(|f| name(f)).collect() })
    }

    /// The pictures, which all have `size` (height, width), decoded once into `cache`.
    ///
    /// # Errors
    /// Those of decoding and of the cache; [`DataError::Foreign`] for a picture of another size.
    pub fn decoded(&self, size: [usize; 2], cache: &Cache) -> Result<Images, DataError> {
        let files: Vec<PathBuf> = self.files.iter().map(|(path, _)| path.clone()).collect();
        let shape = [size[0], size[1], 3];
        let key = Key::new(cache, &format!("decoded to {shape:?}, version 1"), &files)?;
        let frames = cache.load_or_make(&key, shape.iter().product(), files.len(), |i, out| {
            let picture = self.picture(i)?;
            if picture.shape() != shape {
                return Err(DataError::Foreign {
                    path: files[i].clone(),
                    what: "image shape",
                    expected: format!("{shape:?}"),
                    found: format!("{:?}", picture.shape()),
                });
            }
            out.copy_from_slice(picture.pixels());
            Ok(())
        })?;
        Ok(Images::from_cache(shape, frames, self.labels(), self.classes.len()))
    }

    /// Names of the classes in the order of their labels.
    pub fn class_names(&self) -> &[String] {
        &self.classes
    }

    /// Files and their labels.
    pub fn files(&self) -> &[(PathBuf, u16)] {
        &self.files
    }

    /// All labels.
    pub fn labels(&self) -> Vec<u16> {
        self.files.iter().map(|(_, label)| *label).collect()
    }
}

impl Pictures for Folder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn classes(&self) -> usize {
        self.classes.len()
    }

    fn label(&self, i: usize) -> usize {
        usize::from(self.files[i].1)
    }

    fn picture(&self, i: usize) -> Result<Image, DataError> {
        decode(&self.files[i].0, 3)
    }
}

/// Image files directly in `dir`, sorted; other files are passed over.
///
/// # Errors
/// [`DataError::Io`].
pub fn images_in(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let image = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        ["jpg", "jpeg", "png", "bmp"].contains(&extension.to_ascii_lowercase().as_str())
    };
    Ok(entries(dir)?.into_iter().filter(image).collect())
}

/// Everything directly in `dir` that is not hidden, sorted.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io { action: "read", path: dir.into(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if !name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Last part of a path.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
