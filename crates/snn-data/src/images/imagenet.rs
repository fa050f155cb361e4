//! ImageNet-1k (ILSVRC 2012): `train/<wnid>/*.JPEG` and the validation images, either sorted into
//! `val/<wnid>/` or all in `val/` beside one of the lists that are published with them.

use super::{
    folder::{Folder, entries, images_in, name},
    synsets,
};
use crate::DataError;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// Folder of the official development kit, which has the validation list.
const DEVKIT: &str = "ILSVRC2012_devkit_t12/data";

/// Where Kaggle's archive keeps `train` and `val`.
pub(crate) const KAGGLE: &str = "ILSVRC/Data/CLS-LOC";

/// Training and validation images below `dir` (or `dir/ILSVRC/Data/CLS-LOC`, as Kaggle packs it).
///
/// A class is the rank of its WordNet name among the sorted names, as torchvision and timm count.
/// The labels of validation images that lie together come from the first of these in `dir`:
///
/// - `ILSVRC2012_devkit_t12/data/` with `ILSVRC2012_validation_ground_truth.txt` and `meta.mat`,
///   the official list;
/// - `LOC_val_solution.csv`, Kaggle's list of WordNet names;
/// - `val.txt`, Caffe's list of classes.
///
/// # Errors
/// [`DataError::Io`], those of [`Folder::by_class`], and [`DataError::Foreign`] when the list is
/// absent, does not fit the images, or the two folders have unlike classes.
pub fn open(dir: &Path) -> Result<(Folder, Folder), DataError> {
    let kaggle = dir.join(KAGGLE);
    let images = if kaggle.is_dir() { kaggle } else { dir.to_path_buf() };
    let train = Folder::by_class(&images.join("train"), "")?;
    let val = images.join("val");
    if entries(&val)?.iter().any(|path| path.is_dir()) {
        let sorted = Folder::by_class(&val, "")?;
        if sorted.class_names() != train.class_names() {
            return Err(DataError::Foreign {
                path: val,
                what: "set of class folders",
                expected: format!("the {} of train", train.class_names().len()),
                found: sorted.class_names().len().to_string(),
            });
        }
        return Ok((train, sorted));
    }
    let files = images_in(&val)?;
    let labels = labels(dir, &files, train.class_names())?;
    let classes = train.class_names().to_vec();
    Ok((train, Folder::new(files.into_iter().zip(labels).collect(), classes)))
}

/// A label for each of `files`, which are sorted.
fn labels(dir: &Path, files: &[PathBuf], classes: &[String]) -> Result<Vec<u16>, DataError> {
    let ranks: Ranks = classes.iter().map(String::as_str).zip(0..).collect();
    let devkit = dir.join(DEVKIT);
    if devkit.is_dir() {
        return official(&devkit, files, &ranks);
    }
    let (kaggle, caffe) = (dir.join("LOC_val_solution.csv"), dir.join("val.txt"));
    let (path, labels) = if kaggle.is_file() {
        (&kaggle, kaggles_list(&kaggle, &ranks)?)
    } else if caffe.is_file() {
        (&caffe, caffes_list(&caffe, classes.len())?)
    } else {
        let expected = "a folder per class, or a list of labels beside val";
        let found = format!(
            "neither: put {DEVKIT}, LOC_val_solution.csv or val.txt into {}",
            dir.display()
        );
        return Err(foreign(&dir.join("val"), "validation labelling", expected, &found));
    };
    let label = |file: &PathBuf| {
        let label = labels.get(&stem(file)).copied();
        label.ok_or_else(|| foreign(path, "entry", &name(file), "absent"))
    };
    files.iter().map(label).collect()
}

/// WordNet name to label.
type Ranks<'a> = HashMap<&'a str, u16>;

fn rank(ranks: &Ranks, path: &Path, class: &str) -> Result<u16, DataError> {
    let rank = ranks.get(class).copied();
    rank.ok_or_else(|| foreign(path, "a class", "one of train's", &quoted(class)))
}

/// Labels by file name without extension, from lines after a heading such as
/// `ILSVRC2012_val_00000001,n01751748 111 108 441 193`.
fn kaggles_list(path: &Path, ranks: &Ranks) -> Result<HashMap<String, u16>, DataError> {
    let entry = |line: &str| {
        let Some((file, boxes)) = line.split_once(',') else {
            return Err(foreign(path, "a line", "file, comma, class", &quoted(line)));
        };
        let class = boxes.split(' ').next().unwrap_or_default();
        Ok((file.to_owned(), rank(ranks, path, class)?))
    };
    read(path)?.lines().skip(1).map(entry).collect()
}

/// Labels by file name without extension, from lines such as `ILSVRC2012_val_00000001.JPEG 65`.
fn caffes_list(path: &Path, classes: usize) -> Result<HashMap<String, u16>, DataError> {
    let entry = |line: &str| {
        let fields = line.split_once(' ').and_then(|(file, n)| Some((file, n.parse().ok()?)));
        let Some((file, label)) = fields.filter(|(_, n)| usize::from(*n) < classes) else {
            let expected = "file, space, class below train's number";
            return Err(foreign(path, "a line", expected, &quoted(line)));
        };
        Ok((stem(Path::new(file)), label))
    };
    read(path)?.lines().map(entry).collect()
}

/// A label for each of `files` by the development kit: line i of its list is the ILSVRC number of
/// validation image i, and `meta.mat` gives each number its WordNet name.
fn official(devkit: &Path, files: &[PathBuf], ranks: &Ranks) -> Result<Vec<u16>, DataError> {
    let meta = devkit.join("meta.mat");
    let bytes = fs::read(&meta).map_err(|source| DataError::Io {
        action: "read",
        path: meta.clone(),
        source,
    })?;
    let names = synsets::synsets(&bytes, &meta)?;
    let list = devkit.join("ILSVRC2012_validation_ground_truth.txt");
    let text = read(&list)?;
    let numbers: Vec<&str> = text.lines().collect();
    if numbers.len() != files.len() {
        let (expected, found) = (format!("{}, as many as images", files.len()), numbers.len());
        return Err(foreign(&list, "number of lines", &expected, &found.to_string()));
    }
    let label = |number: &str| {
        let Some(class) = number.trim().parse().ok().and_then(|n: u32| names.get(&n)) else {
            return Err(foreign(&list, "a line", "a number of meta.mat", &quoted(number)));
        };
        rank(ranks, &list, class)
    };
    numbers.into_iter().map(label).collect()
}

fn read(path: &Path) -> Result<String, DataError> {
    fs::read_to_string(path).map_err(|source| DataError::Io {
        action: "read",
        path: path.into(),
        source,
    })
}

fn quoted(text: &str) -> String {
    format!("`{text}`")
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn foreign(path: &Path, what: &'static str, expected: &str, found: &str) -> DataError {
    DataError::Foreign { path: path.into(), what, expected: expected.into(), found: found.into() }
}
