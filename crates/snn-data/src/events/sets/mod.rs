//! Datasets of events: their recordings, labels and splits, from the files as published.
//!
//! | name | recordings | split |
//! | --- | --- | --- |
//! | `dvs128-gesture` | AEDAT 3.1 with label files | official, by user |
//! | `dvs128-gesture-npy` | tonic's packing, one `.npy` a gesture | official, by user |
//! | `cifar10-dvs` | AEDAT 2.0, a folder a class | none: [`Splitting`] |
//! | `cifar10-dvs-aedat4` | tonic's packing as AEDAT 4 | none: [`Splitting`] |
//! | `nmnist` | ATIS `.bin`, a folder a class | official |
//! | `n-caltech101` | ATIS `.bin`, a folder a class | none: [`Splitting`] |
//! | `n-cars` | DAT, a folder a class | official |
//! | `asl-dvs` | MATLAB, a folder a class | none: [`Splitting`] |
//! | `shd`, `ssc` | HDF5 | official |
//!
//! Gen1 has boxes and no classes: see [`boxes`].

pub mod boxes;
mod folders;
mod gesture;
mod read;
mod source;
mod split;

pub use source::EventFrames;
pub use split::{Split, Splitting};

use super::{Sensor, SpikeFile, frames::Polarities};
use crate::{DataError, Manifest};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Whose reading of a dataset is followed, where libraries differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// SpikingJelly's, on which the published spiking transformers were trained: CIFAR10-DVS turned
    /// (x = 127 - row, y = 127 - column), ASL-DVS turned by half, no clock overflow in ATIS files.
    #[default]
    SpikingJelly,
    /// tonic's: clock overflow in ATIS files, N-Caltech101 moved to the upper left corner, addresses
    /// otherwise as stored.
    Tonic,
    /// Addresses, polarities and times as stored.
    Stored,
}

/// Which part of a file is a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Events from `start` on and before `end`, both in microseconds.
    Between {
        /// First microsecond.
        start: i64,
        /// First microsecond after it.
        end: i64,
    },
    /// Recording of that number in an HDF5 file.
    Item(usize),
}

/// One sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// File.
    pub path: PathBuf,
    /// Part of the file.
    pub part: Part,
    /// Class, from 0.
    pub label: usize,
}

/// A dataset of event recordings to classify.
#[derive(Clone, Debug)]
pub struct EventSet {
    /// Where it comes from.
    pub manifest: Manifest,
    /// Names of the classes in the order of their labels.
    pub classes: Vec<String>,
    /// Size of every recording's frame.
    pub sensor: Sensor,
    /// Whether polarities mean something.
    pub polarities: Polarities,
    /// Whose reading is followed.
    pub convention: Convention,
    /// Recordings to train on.
    pub train: Vec<Recording>,
    /// Recordings to validate on, where there is a third part.
    pub valid: Vec<Recording>,
    /// Recordings to test on.
    pub test: Vec<Recording>,
    /// How they were divided, for reports.
    pub split: Split,
    /// Opened HDF5 files.
    spikes: Vec<Arc<SpikeFile>>,
}

impl EventSet {
    /// Lists the recordings of dataset `name` in `dir` or in `dir/<name>`.
    ///
    /// `splitting` divides datasets without official split and is ignored for the others.
    ///
    /// # Errors
    /// [`DataError::UnknownDataset`]; [`DataError::NotEvents`] for another kind of data;
    /// [`DataError::Missing`] says what to get from where; [`DataError::Foreign`] for labels and
    /// lists that cannot be understood; [`DataError::Events`] for HDF5 files.
    pub fn open(
        name: &str,
        dir: &Path,
        convention: Convention,
        splitting: Splitting,
    ) -> Result<Self, DataError> {
        let manifest = Manifest::named(name)?;
        let root = |entry: &str| folders::root(&manifest, dir, entry);
        let official = Split::official(&manifest.split);
        // The names lie in files that no reader opens; numbers stand for them.
        let numbers = || (0..manifest.class_count()).map(|class| class.to_string()).collect();
        let mut set = Self {
            classes: match manifest.classes.is_empty() {
                true => numbers(),
                false => manifest.classes.clone(),
            },
            sensor: Sensor::new(128, 128),
            polarities: Polarities::Apart,
            convention,
            train: Vec::new(),
            valid: Vec::new(),
            test: Vec::new(),
            split: official,
            spikes: Vec::new(),
            manifest: manifest.clone(),
        };
        match name {
            "dvs128-gesture" => {
                let root = root("DvsGesture/trials_to_train.txt")?.join("DvsGesture");
                set.train = gesture::trials(&root, "trials_to_train.txt")?;
                set.test = gesture::trials(&root, "trials_to_test.txt")?;
            }
            "dvs128-gesture-npy" => {
                let root = root("ibmGestureTrain")?;
                set.train = gesture::packed(&root.join("ibmGestureTrain"))?;
                set.test = gesture::packed(&root.join("ibmGestureTest"))?;
            }
            "nmnist" => {
                set.sensor = Sensor::new(34, 34);
                let root = root("Train")?;
                set.train = folders::classes(&root.join("Train"), &set.classes, "bin")?;
                set.test = folders::classes(&root.join("Test"), &set.classes, "bin")?;
            }
            "n-cars" => {
                set.sensor = Sensor::new(120, 100);
                let root = root("n-cars_train")?;
                set.train = folders::classes(&root.join("n-cars_train"), &set.classes, "dat")?;
                set.test = folders::classes(&root.join("n-cars_test"), &set.classes, "dat")?;
            }
            "cifar10-dvs" | "cifar10-dvs-aedat4" | "n-caltech101" | "asl-dvs" => {
                let (entry, below, ending) = match name {
                    "cifar10-dvs" => ("airplane", "", "aedat"),
                    "cifar10-dvs-aedat4" => ("airplane", "", "aedat4"),
                    "n-caltech101" => ("Caltech101", "Caltech101", "bin"),
                    _ => ("a", "", "mat"),
                };
                if name == "n-caltech101" || name == "asl-dvs" {
                    set.sensor = Sensor::new(240, 180);
                }
                let root = root(entry)?.join(below);
                if manifest.classes.is_empty() {
                    set.classes = folders::names(&root)?;
                }
                let all = folders::classes(&root, &set.classes, ending)?;
                (set.split, set.train, set.test) = splitting.divide(&root, all)?;
            }
            "shd" | "ssc" => {
                set.sensor = Sensor::new(700, 1);
                set.polarities = Polarities::Together;
                let root = root(&format!("{name}_train.h5"))?;
                set.train = set.open_spikes(&root.join(format!("{name}_train.h5")))?;
                if name == "ssc" {
                    set.valid = set.open_spikes(&root.join("ssc_valid.h5"))?;
                }
                set.test = set.open_spikes(&root.join(format!("{name}_test.h5")))?;
            }
            _ => {
                let (name, task) = (name.into(), manifest.task.data());
                return Err(DataError::NotEvents { name, task });
            }
        }
        set.check()?;
        Ok(set)
    }

    fn open_spikes(&mut self, path: &Path) -> Result<Vec<Recording>, DataError> {
        let file = SpikeFile::open(path)?;
        let recording = |(i, &label)| Recording { path: path.into(), part: Part::Item(i), label };
        let recordings = file.labels().iter().enumerate().map(recording).collect();
        self.spikes.push(Arc::new(file));
        Ok(recordings)
    }

    fn check(&self) -> Result<(), DataError> {
        let all = self.train.iter().chain(&self.valid).chain(&self.test);
        for (i, recording) in all.enumerate() {
            if recording.label >= self.classes.len() {
                return Err(DataError::Label {
                    path: recording.path.clone(),
                    record: i,
                    found: recording.label,
                    classes: self.classes.len(),
                });
            }
        }
        Ok(())
    }
}
