//! Augmentation of static images: pure functions of an image and a stream of random numbers, and
//! the settings that choose among them.
//!
//! The order is timm's: crop, flip, RandAugment on 8-bit pixels; normalisation; random erasing;
//! then, over a batch, mixup or cutmix ([`mix`]).

mod affine;
mod colour;
mod crop;
mod erase;
mod histogram;
pub mod mix;
mod policy;
mod source;

pub use crop::{ResizedCrop, flip, pad_and_crop};
pub use erase::{Erase, Fill};
pub use mix::Mix;
pub use policy::{Op, RandAugment};
pub use source::Augmented;

use crate::{DataError, images::Image, random::Rng};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Which augmentations a run uses; everything is off unless it is set.
///
/// As TOML, with every key optional:
///
/// ```
/// # use snn_data::augment::Augment;
/// let augment: Augment = toml::from_str(r#"
///     pad = 4
///     flip = 0.5
///     rand_augment = "rand-m9-n1-mstd0.4-inc1"
///     erase = { probability = 0.25, fill = "const" }
///     mix = { mixup = 0.5, off_epoch = 200 }
/// "#)?;
/// augment.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Random crop and resize to the model's shape (Inception style).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resized_crop: Option<ResizedCrop>,
    /// Black pixels added on each side before a random crop back to the same size; 0 is off.
    pub pad: usize,
    /// Probability of a mirror image.
    pub flip: f64,
    /// Random operations on the colours and the geometry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rand_augment: Option<RandAugment>,
    /// Random rectangles removed after normalisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erase: Option<Erase>,
    /// Mixup and cutmix over a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<Mix>,
}

impl Augment {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`DataError::Setting`] names the first that is out of its range.
    pub fn validate(&self) -> Result<(), DataError> {
        let Self { resized_crop, pad: _, flip, rand_augment, erase, mix } = self;
        probability("augment.flip", *flip)?;
        resized_crop.as_ref().map_or(Ok(()), ResizedCrop::validate)?;
        rand_augment.as_ref().map_or(Ok(()), RandAugment::validate)?;
        erase.as_ref().map_or(Ok(()), Erase::validate)?;
        mix.as_ref().map_or(Ok(()), Mix::validate)
    }

    /// Crop, flip and RandAugment of one image. The result has the size (height, width) that is
    /// asked for if there is a resized crop, else that of `image`.
    ///
    /// `fill` holds a value per channel for pixels that geometry brings in from outside (timm
    /// takes the training mean).
    ///
    /// # Errors
    /// [`DataError::Shape`] when the image has no pixels to crop.
    pub fn apply(
        &self,
        mut image: Image,
        size: [usize; 2],
        fill: &[u8],
        rng: &mut Rng,
    ) -> Result<Image, DataError> {
        if let Some(crop) = &self.resized_crop {
            image = crop.apply(&image, size, rng)?;
        }
        if self.pad > 0 {
            image = pad_and_crop(&image, self.pad, rng);
        }
        if self.flip > 0.0 && rng.random_bool(self.flip) {
            image = flip(&image);
        }
        if let Some(policy) = &self.rand_augment {
            image = policy.apply(image, fill, rng);
        }
        Ok(image)
    }
}

/// Checks a probability.
pub(crate) fn probability(setting: &'static str, value: f64) -> Result<(), DataError> {
    in_range(setting, value, 0.0, 1.0, "a probability from 0 to 1")
}

/// Checks `low <= value <= high`, which also excludes NaN.
pub(crate) fn in_range(
    setting: &'static str,
    value: f64,
    low: f64,
    high: f64,
    expected: &'static str,
) -> Result<(), DataError> {
    match (low..=high).contains(&value) {
        true => Ok(()),
        false => Err(DataError::Setting { setting, expected, found: value.to_string() }),
    }
}

/// Checks `0 < low <= high <= limit`.
pub(crate) fn interval(
    setting: &'static str,
    [low, high]: [f64; 2],
    limit: f64,
    expected: &'static str,
) -> Result<(), DataError> {
    match low > 0.0 && low <= high && high <= limit {
        true => Ok(()),
        false => Err(DataError::Setting { setting, expected, found: format!("[{low}, {high}]") }),
    }
}

/// Draws from `[low, high]`.
pub(crate) fn uniform(rng: &mut Rng, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// Draws an aspect ratio whose logarithm is uniform over `[low, high]`.
fn log_uniform(rng: &mut Rng, [low, high]: [f64; 2]) -> f64 {
    uniform(rng, [low.ln(), high.ln()]).exp()
}
