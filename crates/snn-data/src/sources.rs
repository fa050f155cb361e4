//! Training and test samples of any kind of data, by the name of the dataset.

use crate::{
    DataError, Dataset, Manifest,
    augment::{Augment, Augmented},
    cache::Cache,
    events::{
        frames::Slicing,
        sets::{Convention, EventFrames, EventSet, Recording, Splitting},
        transform::FrameAugment,
    },
    images::{imagenet, locate, resize::EvalTransform},
    loader::Source,
    manifest::Normalisation,
    sound::{LogMel, MelFrames, SoundSet},
};
use serde::{Deserialize, Serialize};
use std::{path::Path, sync::Arc};

/// Training and test samples of any dataset to classify, ready for the loader.
#[derive(Clone)]
pub struct Sources {
    /// Samples to train on.
    pub train: Arc<dyn Source>,
    /// Samples to test on.
    pub test: Arc<dyn Source>,
    /// Where they come from, normalisation.
    pub manifest: Manifest,
    /// Names of the classes in the order of their labels.
    pub classes: Vec<String>,
    /// How they were divided, for reports; with a SHA-256 of the list where there is no official
    /// division.
    pub split: String,
}

/// How recordings of an event camera become samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// Where one frame ends and the next begins.
    pub slicing: Slicing,
    /// Frames of a sample.
    pub steps: usize,
    /// Whose reading of the files is followed.
    #[serde(default)]
    pub convention: Convention,
    /// Division of datasets that have no official one.
    #[serde(default)]
    pub splitting: Splitting,
    /// What happens to training samples.
    #[serde(default)]
    pub augment: FrameAugment,
    /// Whether frames are kept in the user's cache ([`Cache::of_user`]), so that each file is read
    /// once.
    #[serde(default)]
    pub cache: bool,
}

/// How recordings of sound become samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundSettings {
    /// Length that sounds are cut or filled up to.
    pub samples: usize,
    /// Features of each step.
    #[serde(default)]
    pub mel: LogMel,
}

impl Sources {
    /// Samples of images in memory.
    ///
    /// # Errors
    /// Those of [`Augmented::new`].
    pub fn of(data: &Dataset, augment: &Augment) -> Result<Self, DataError> {
        Ok(Self {
            train: Arc::new(data.train_source(augment)?),
            test: Arc::new(data.test_source()?),
            manifest: data.manifest.clone(),
            classes: data.classes.clone(),
            split: data.manifest.split.clone(),
        })
    }

    /// Opens dataset `name` as [`Dataset::open`] does, and also `imagenet`, whose files are decoded
    /// each time they are asked for.
    ///
    /// `fit` brings ImageNet's pictures to one size (test pictures always, training pictures
    /// unless `augment` has a resized crop); without it they get a shorter side of 256 and lose
    /// all but the inner 224 x 224. Datasets of one size ignore it.
    ///
    /// # Errors
    /// Those of [`Dataset::open`], [`imagenet::open`] and [`Augmented::new`].
    pub fn open(
        name: &str,
        dir: Option<&Path>,
        augment: &Augment,
        fit: Option<EvalTransform>,
    ) -> Result<Self, DataError> {
        if name != "imagenet" {
            return Self::of(&Dataset::open(name, dir)?, augment);
        }
        let manifest = Manifest::named(name)?;
        let root = locate::folder(&manifest, dir, &["train", "val"])
            .or_else(|e| locate::folder(&manifest, dir, &[imagenet::KAGGLE]).map_err(|_| e))?;
        let (train, test) = imagenet::open(&root)?;
        let classes = train.class_names().to_vec();
        let normalisation =
            manifest.normalisation.clone().unwrap_or_else(|| Normalisation::none(3));
        let fit = fit.unwrap_or(EvalTransform { resize: 256, crop: [224, 224] });
        let source = |folder, augment: &Augment| {
            Augmented::fitted(Arc::new(folder), fit, &normalisation, augment)
        };
        let (train, test) = (source(train, augment)?, source(test, &Augment::default())?);
        let split = manifest.split.clone();
        Ok(Self { train: Arc::new(train), test: Arc::new(test), manifest, classes, split })
    }

    /// Opens a dataset of events as [`EventSet::open`] does; samples are frames `[T, H, W, C]`.
    ///
    /// # Errors
    /// Those of [`EventSet::open`], [`EventFrames::new`] and [`EventFrames::cached`].
    pub fn events(name: &str, dir: &Path, settings: &EventSettings) -> Result<Self, DataError> {
        let &EventSettings { slicing, steps, convention, splitting, augment, cache } = settings;
        let set = Arc::new(EventSet::open(name, dir, convention, splitting)?);
        let cache = cache.then(Cache::of_user).transpose()?;
        let source = |recordings: &[Recording], augment| {
            let set = Arc::clone(&set);
            let frames = EventFrames::new(set, recordings.to_vec(), slicing, steps, augment)?;
            cache.iter().try_fold(frames, |frames, cache| frames.cached(cache)).map(Arc::new)
        };
        Ok(Self {
            train: source(&set.train, augment)?,
            test: source(&set.test, FrameAugment::default())?,
            manifest: set.manifest.clone(),
            classes: set.classes.clone(),
            split: set.split.to_string(),
        })
    }

    /// Opens a dataset of sounds as [`SoundSet::open`] does; samples are log-mel features
    /// `[T, 1, bands, 1]`.
    ///
    /// # Errors
    /// Those of [`SoundSet::open`] and [`MelFrames::new`].
    pub fn sound(name: &str, dir: &Path, settings: &SoundSettings) -> Result<Self, DataError> {
        let SoundSet { manifest, train, test, .. } = SoundSet::open(name, dir)?;
        let source = |recordings| {
            let classes = manifest.class_count();
            MelFrames::new(recordings, classes, &settings.mel, settings.samples).map(Arc::new)
        };
        let (train, test) = (source(train)?, source(test)?);
        let (classes, split) = (manifest.classes.clone(), manifest.split.clone());
        Ok(Self { train, test, manifest, classes, split })
    }
}
