//! A dataset by name: its files, checked and read.

use crate::{
    DataError, Images, Manifest,
    augment::{Augment, Augmented},
    cache::Cache,
    images::{cifar, digits, idx, locate, tiny_imagenet},
    manifest::Normalisation,
};
use std::{path::Path, sync::Arc};

/// Images to classify, divided for training and testing.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Images to train on.
    pub train: Arc<Images>,
    /// Images to test on.
    pub test: Arc<Images>,
    /// Where they come from, normalisation.
    pub manifest: Manifest,
    /// Names of the classes in the order of their labels.
    pub classes: Vec<String>,
}

impl Dataset {
    /// Reads dataset `name` from the published files in `dir`, in `dir/<name>`, or in the folder
    /// of either that the archive unpacks into; without `dir`, where they were fetched to
    /// ([`datasets`](crate::datasets)). `digits` is part of the program and needs no files.
    ///
    /// `tiny-imagenet` is decoded once into the user's cache ([`Cache::of_user`]) and mapped from
    /// there. `imagenet` does not fit into memory: see [`Sources`](crate::Sources).
    ///
    /// # Errors
    /// [`DataError::UnknownDataset`]; [`DataError::NotImages`] for another kind of data;
    /// [`DataError::NoFolder`] and [`DataError::Missing`] say which files to get from where; the
    /// errors of the readers ([`idx::read_images`], [`cifar::read`], [`tiny_imagenet::open`]);
    /// [`DataError::Foreign`] when a file is sound but holds another number of images.
    pub fn open(name: &str, dir: Option<&Path>) -> Result<Self, DataError> {
        let manifest = Manifest::named(name)?;
        let (train, test, classes) = read(&manifest, dir)?;
        let dataset = Self { train: Arc::new(train), test: Arc::new(test), manifest, classes };
        dataset.check(dir.unwrap_or(Path::new("")))?;
        Ok(dataset)
    }

    /// Training images as a source for the loader, augmented and normalised.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a setting of `augment` that is out of range.
    pub fn train_source(&self, augment: &Augment) -> Result<Augmented<Images>, DataError> {
        Augmented::new(Arc::clone(&self.train), &self.normalisation(), augment)
    }

    /// Test images as a source for the loader, normalised and otherwise as they are.
    ///
    /// # Errors
    /// None in practice: nothing is set that could be out of range.
    pub fn test_source(&self) -> Result<Augmented<Images>, DataError> {
        Augmented::new(Arc::clone(&self.test), &self.normalisation(), &Augment::default())
    }

    /// The manifest's normalisation, or plain scaling to 0..1 where it has none.
    pub fn normalisation(&self) -> Normalisation {
        let none = || Normalisation::none(self.train.shape()[2]);
        self.manifest.normalisation.clone().unwrap_or_else(none)
    }

    /// The same images brought to `size` (height, width) by
    /// [`resize`](crate::images::resize::resize).
    ///
    /// # Errors
    /// [`DataError::Shape`] when they would have no pixels.
    pub fn resized(mut self, size: [usize; 2]) -> Result<Self, DataError> {
        for images in [&mut self.train, &mut self.test] {
            if images.shape()[..2] != size {
                *images = Arc::new(images.resized(size)?);
            }
        }
        Ok(self)
    }

    /// Holds what was read against the manifest.
    fn check(&self, dir: &Path) -> Result<(), DataError> {
        let found = [self.train.len(), self.test.len()];
        let expected = [self.manifest.train, self.manifest.test];
        let wrong = |what, expected: String, found: String| {
            Err(DataError::Foreign { path: dir.into(), what, expected, found })
        };
        if found != expected {
            let text = |n: [usize; 2]| format!("{} + {}", n[0], n[1]);
            return wrong("number of training + test images", text(expected), text(found));
        }
        let shapes = [self.train.shape(), self.test.shape()];
        match self.manifest.shape.map(|s| s.dims()) {
            Some(expected) if shapes != [expected; 2] => {
                wrong("image shape", format!("{expected:?}"), format!("{shapes:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// Training and test images of any dataset that fits into memory.
fn read(
    manifest: &Manifest,
    dir: Option<&Path>,
) -> Result<(Images, Images, Vec<String>), DataError> {
    let names: Vec<&str> = manifest.files.iter().map(|f| f.name.as_str()).collect();
    let classes = manifest.class_count();
    let (train, test) = match manifest.name.as_str() {
        "digits" => digits::split(),
        "mnist" | "fashion-mnist" => {
            let paths = locate::files(manifest, dir, &names)?;
            let [train, train_labels, test, test_labels] = paths.as_slice() else {
                unreachable!("the embedded manifest lists four files")
            };
            let train = idx::read_images(train, train_labels, classes)?;
            (train, idx::read_images(test, test_labels, classes)?)
        }
        "cifar10" | "cifar100" => {
            let (layout, records) = match classes {
                10 => (cifar::Layout::Cifar10, 10_000),
                _ => (cifar::Layout::Cifar100, manifest.train),
            };
            let paths = locate::files(manifest, dir, &names)?;
            let [train @ .., test] = paths.as_slice() else {
                unreachable!("the embedded manifest lists files")
            };
            let batches = train.iter().map(|path| cifar::read(path, layout, records));
            let train = Images::concat(batches.collect::<Result<_, _>>()?);
            (train, cifar::read(test, layout, manifest.test)?)
        }
        "tiny-imagenet" => {
            let root = locate::folder(manifest, dir, &["train", "val"])?;
            let (train, test) = tiny_imagenet::open(&root)?;
            let (cache, size) = (Cache::of_user()?, [64, 64]);
            let names = train.class_names().to_vec();
            return Ok((train.decoded(size, &cache)?, test.decoded(size, &cache)?, names));
        }
        "imagenet" => {
            return Err(DataError::NotImages {
                name: manifest.name.clone(),
                task: "more images than memory",
                hint: "open it as `Sources`",
            });
        }
        name => {
            return Err(DataError::NotImages {
                name: name.into(),
                task: manifest.task.data(),
                hint: "open it with the module of its kind",
            });
        }
    };
    Ok((train, test, manifest.classes.clone()))
}
