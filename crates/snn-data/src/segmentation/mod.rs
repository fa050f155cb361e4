//! Segmentation: images with a class for every pixel, in the layouts of CamVid and ADE20K.
//!
//! A mask is an [`Image`] of one channel that holds classes 0..K, and [`IGNORE`] where a pixel
//! counts for nothing.

mod label;
mod loader;
mod transform;

pub use label::read_label;
pub use loader::{SegmentationBatch, SegmentationLoader};
pub use transform::{SegmentationAugment, letterbox};

use crate::{
    DataError, Image, Manifest,
    images::{
        decode::decode,
        folder::{images_in, name},
        locate,
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The mask value of pixels without a class.
pub const IGNORE: u8 = 255;

/// How a dataset writes classes into its label files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Class k is written as k; this value and [`IGNORE`] mean no class (CamVid: 11).
    From0 {
        /// The value that means no class.
        ignore: u8,
    },
    /// Class k is written as k + 1, and 0 means no class (ADE20K).
    From1,
}

/// Images and their label files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    pairs: Vec<(PathBuf, PathBuf)>,
    classes: usize,
    coding: Coding,
}

impl Pairs {
    /// Pairs of an image file and a label file.
    pub fn new(pairs: Vec<(PathBuf, PathBuf)>, classes: usize, coding: Coding) -> Self {
        Self { pairs, classes, coding }
    }

    /// Every image in `images` with the PNG of the same name in `labels`.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::Foreign`] for an image without a label, a label without an
    /// image, or no image at all.
    pub fn by_name(
        images: &Path,
        labels: &Path,
        classes: usize,
        coding: Coding,
    ) -> Result<Self, DataError> {
        let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_owned();
        let wrong = |path: &Path, expected: &str, found: String| DataError::Foreign {
            path: path.into(),
            what: "set of images and labels",
            expected: expected.into(),
            found,
        };
        let mut unused: BTreeMap<_, _> =
            images_in(labels)?.into_iter().map(|path| (stem(&path), path)).collect();
        let mut pairs = Vec::new();
        for image in images_in(images)? {
            let Some(label) = unused.remove(&stem(&image)) else {
                let found = format!("`{}` without one", name(&image));
                return Err(wrong(labels, "a label for every image", found));
            };
            pairs.push((image, label));
        }
        if let Some(label) = unused.values().next() {
            let found = format!("`{}` without one", name(label));
            return Err(wrong(images, "an image for every label", found));
        }
        if pairs.is_empty() {
            return Err(wrong(images, "at least one pair", "none".into()));
        }
        Ok(Self { pairs, classes, coding })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The colour image `[H, W, 3]` and the mask `[H, W, 1]` of pair `i`.
    ///
    /// # Errors
    /// Those of decoding; [`DataError::Foreign`] when the two differ in size;
    /// [`DataError::Label`] for a value that is no class, with the pixel's number as record.
    pub fn read(&self, i: usize) -> Result<(Image, Image), DataError> {
        let (image_path, label_path) = &self.pairs[i];
        let (image, mut mask) = (decode(image_path, 3)?, read_label(label_path)?);
        let size = |image: &Image| [image.shape()[0], image.shape()[1]];
        if size(&image) != size(&mask) {
            return Err(DataError::Foreign {
                path: label_path.clone(),
                what: "size (height, width)",
                expected: format!("{:?} as {} has", size(&image), image_path.display()),
                found: format!("{:?}", size(&mask)),
            });
        }
        for (record, value) in mask.pixels_mut().iter_mut().enumerate() {
            let class = match self.coding {
                Coding::From0 { ignore } if *value == ignore => IGNORE,
                Coding::From0 { .. } => *value,
                Coding::From1 => value.wrapping_sub(1),
            };
            if class != IGNORE && usize::from(class) >= self.classes {
                let (path, found) = (label_path.clone(), usize::from(*value));
                return Err(DataError::Label { path, record, found, classes: self.classes });
            }
            *value = class;
        }
        Ok((image, mask))
    }
}

/// Training and test pairs of segmentation dataset `dataset`, `camvid` or `ade20k`, below `dir`.
///
/// Layouts: `train/`, `trainannot/`, `test/`, `testannot/` (CamVid as SegNet packs it);
/// `images/{training,validation}/`, `annotations/{training,validation}/` (ADE20K).
///
/// # Errors
/// [`DataError::UnknownDataset`]; [`DataError::Setting`] for a dataset of another task;
/// [`DataError::NoFolder`], [`DataError::Missing`]; those of [`Pairs::by_name`].
pub fn open(dataset: &str, dir: Option<&Path>) -> Result<(Pairs, Pairs), DataError> {
    let manifest = Manifest::named(dataset)?;
    let (coding, folders) = match dataset {
        "camvid" => {
            (Coding::From0 { ignore: 11 }, [["train", "trainannot"], ["test", "testannot"]])
        }
        "ade20k" => (
            Coding::From1,
            [
                ["images/training", "annotations/training"],
                ["images/validation", "annotations/validation"],
            ],
        ),
        _ => {
            return Err(DataError::Setting {
                setting: "dataset",
                expected: "one with a class per pixel: camvid or ade20k",
                found: dataset.into(),
            });
        }
    };
    let root = locate::folder(&manifest, dir, folders.as_flattened())?;
    let pairs = |[images, labels]: [&str; 2]| {
        Pairs::by_name(&root.join(images), &root.join(labels), manifest.class_count(), coding)
    };
    Ok((pairs(folders[0])?, pairs(folders[1])?))
}
