//! How the files of a dataset become samples.

use crate::{
    Augment, DataError, Manifest,
    events::{
        frames::Slicing,
        sets::{Convention, Splitting},
        transform::FrameAugment,
    },
    manifest::Task,
    sound::LogMel,
};
use serde::{Deserialize, Serialize};

use super::Limit;

/// How the files of a dataset become samples. Each kind of data has its own part, and a dataset
/// takes that of its kind and no other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What happens to training images; of it only `mix` is for samples of other kinds too, and
    /// for the loader.
    pub augment: Augment,
    /// For recordings of events.
    pub events: Option<EventSettings>,
    /// For sounds.
    pub sound: Option<SoundSettings>,
    /// How many samples are used.
    pub limit: Limit,
}

/// How recordings of an event camera become samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// Where one frame ends and the next begins.
    pub slicing: Slicing,
    /// Whose reading of the files is followed.
    #[serde(default)]
    pub convention: Convention,
    /// Division of datasets that have no official one.
    #[serde(default)]
    pub splitting: Splitting,
    /// What happens to training samples.
    #[serde(default)]
    pub augment: FrameAugment,
    /// Whether frames are kept in the user's cache ([`Cache::of_user`](crate::cache::Cache)), so
    /// that each file is read once.
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

impl Settings {
    /// Checks that there is the part for the data of `manifest`, and no other that would be passed
    /// over in silence.
    pub(super) fn suit(&self, manifest: &Manifest) -> Result<(), DataError> {
        let (events, sound) = match manifest.task {
            Task::EventClassification => (true, false),
            Task::AudioClassification => (false, true),
            _ => (false, false),
        };
        let plain = Augment { mix: self.augment.mix.clone(), ..Augment::default() };
        let other = self.augment != plain && (events || sound);
        let parts = [
            ("events", self.events.is_some(), events),
            ("sound", self.sound.is_some(), sound),
            ("augment", other, false),
        ];
        match parts.into_iter().find(|(_, found, expected)| found != expected) {
            None => Ok(()),
            Some((part, _, needed)) => Err(DataError::Settings {
                dataset: manifest.name.clone(),
                data: manifest.task.data(),
                part,
                advice: match (part, needed) {
                    ("events", true) => "set `events`, such as events.slicing.number.frames=16",
                    ("events", false) => "take out `events`, which is for recordings of events",
                    ("sound", true) => "set `sound`, such as sound.samples=16000",
                    ("sound", false) => "take out `sound`, which is for sounds",
                    _ => "of `augment` only `mix` applies; frames have `events.augment`",
                },
            }),
        }
    }
}
