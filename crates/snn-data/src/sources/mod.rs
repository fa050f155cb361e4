//! Training and test samples of any kind of data, by the name of the dataset.

mod fold;
mod limit;
mod settings;

pub use limit::Limit;
pub use settings::{EventSettings, Settings, SoundSettings};

use crate::{
    DataError, Dataset, Manifest,
    augment::{Augment, Augmented},
    cache::Cache,
    events::{
        sets::{EventFrames, EventSet, Recording},
        transform::FrameAugment,
    },
    images::{imagenet, locate, resize::EvalTransform},
    loader::Source,
    manifest::Normalisation,
    sound::{MelFrames, SoundSet},
};
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

/// Frames that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSize {
    /// Frames of a sample; 1 where one image serves all time steps.
    pub steps: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl std::fmt::Display for FrameSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { steps, height, width } = self;
        let frames = if *steps == 1 { "frame" } else { "frames" };
        write!(f, "{steps} {frames} of {height} x {width}")
    }
}

/// Share of an ImageNet picture's shorter side that evaluation looks at: 224 of 256.
const CROP: f64 = 0.875;

impl Sources {
    /// Opens dataset `name` from its published files in `dir`, or where they were fetched to
    /// ([`datasets`](crate::datasets)), for a network that takes frames of `size`.
    ///
    /// Images and frames are resized to it; sounds, and recordings of a sensor with one row, fill
    /// frame after frame row by row, a row for each step of time. Channels are as the data has
    /// them, and so are the steps of images and of rows that do not fill whole frames: the caller
    /// compares shapes.
    ///
    /// # Errors
    /// [`DataError::UnknownDataset`]; [`DataError::Settings`] where `settings` lack the part for
    /// this kind of data or have another one; [`DataError::NoFolder`]; those of
    /// [`Sources::images`], [`Sources::events`] and [`Sources::sound`].
    pub fn open(
        name: &str,
        dir: Option<&Path>,
        settings: &Settings,
        size: FrameSize,
    ) -> Result<Self, DataError> {
        let manifest = Manifest::named(name)?;
        settings.suit(&manifest)?;
        settings.limit.validate()?;
        let archives: Vec<&str> = manifest.archives.iter().map(|a| a.name.as_str()).collect();
        let folder = || locate::folder_or_fetched(&manifest, dir, &archives);
        let all = match (&settings.events, &settings.sound) {
            (Some(events), _) => Self::events(name, &folder()?, events, size),
            (_, Some(sound)) => Self::sound(name, &folder()?, sound, size.height),
            _ => Self::images(name, dir, &settings.augment, [size.height, size.width]),
        };
        Ok(all?.limited(settings.limit))
    }

    /// The samples that `limit` leaves; `split` says so.
    fn limited(mut self, Limit { train, test }: Limit) -> Self {
        let all = [self.train.len(), self.test.len()];
        self.train = limit::limited(self.train, train);
        self.test = limit::limited(self.test, test);
        let left = [self.train.len(), self.test.len()];
        if left != all {
            let part = |i: usize| format!("{} of {}", left[i], all[i]);
            self.split += &format!("; {} training and {} test samples", part(0), part(1));
        }
        self
    }

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

    /// Opens images as [`Dataset::open`] does, and also those of `imagenet`, which are decoded each
    /// time they are asked for. All are brought to `size` (height, width): images of one size are
    /// resized, ImageNet's test pictures lose an eighth at the edges, and so do its training
    /// pictures unless `augment` has a resized crop.
    ///
    /// # Errors
    /// Those of [`Dataset::open`], [`imagenet::open`] and [`Augmented::new`].
    pub fn images(
        name: &str,
        dir: Option<&Path>,
        augment: &Augment,
        size: [usize; 2],
    ) -> Result<Self, DataError> {
        if name != "imagenet" {
            return Self::of(&Dataset::open(name, dir)?.resized(size)?, augment);
        }
        let manifest = Manifest::named(name)?;
        let root = locate::folder(&manifest, dir, &["train", "val"])
            .or_else(|e| locate::folder(&manifest, dir, &[imagenet::KAGGLE]).map_err(|_| e))?;
        let (train, test) = imagenet::open(&root)?;
        let classes = train.class_names().to_vec();
        let normalisation =
            manifest.normalisation.clone().unwrap_or_else(|| Normalisation::none(3));
        let covering = size[0].max(size[1]);
        let fit = EvalTransform { crop: size, ..EvalTransform::square(covering, CROP) };
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
    pub fn events(
        name: &str,
        dir: &Path,
        settings: &EventSettings,
        size: FrameSize,
    ) -> Result<Self, DataError> {
        let &EventSettings { slicing, convention, splitting, augment, cache } = settings;
        let set = Arc::new(EventSet::open(name, dir, convention, splitting)?);
        let cache = cache.then(Cache::of_user).transpose()?;
        // One row a step: as many steps as the frames have rows.
        let (steps, height) = match set.sensor.height {
            1 => (size.steps * size.height, 1),
            _ => (size.steps, size.height),
        };
        let source = |recordings: &[Recording], augment| {
            let set = Arc::clone(&set);
            let frames = EventFrames::new(set, recordings.to_vec(), slicing, steps, augment)?;
            let frames = match &cache {
                Some(cache) => frames.cached(cache)?,
                None => frames,
            };
            let frames = frames.resized([height, size.width])?;
            Ok::<_, DataError>(fold::fold(Arc::new(frames), size.height))
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
    /// `[T, H, bands, 1]`, H = `height` windows in a frame where they fill whole frames, else 1.
    ///
    /// # Errors
    /// Those of [`SoundSet::open`] and [`MelFrames::new`].
    pub fn sound(
        name: &str,
        dir: &Path,
        settings: &SoundSettings,
        height: usize,
    ) -> Result<Self, DataError> {
        let SoundSet { manifest, train, test, .. } = SoundSet::open(name, dir)?;
        let source = |recordings| {
            let classes = manifest.class_count();
            let frames = MelFrames::new(recordings, classes, &settings.mel, settings.samples)?;
            Ok::<_, DataError>(fold::fold(Arc::new(frames), height))
        };
        let (train, test) = (source(train)?, source(test)?);
        let (classes, split) = (manifest.classes.clone(), manifest.split.clone());
        Ok(Self { train, test, manifest, classes, split })
    }
}
