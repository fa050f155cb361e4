//! RandAugment (Cubuk et al., NeurIPS 2020) in timm's form, as the field's recipes name it.

use super::{affine, colour, histogram, in_range};
use crate::{DataError, images::Image, random::Rng};
use rand::{RngExt, seq::IndexedRandom};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// RandAugment, written as timm writes it: `rand-m9-n1-mstd0.4-inc1`.
///
/// `m` is the magnitude (0..=10, default 10), `n` the number of operations (default 2), `mstd` the
/// standard deviation of the magnitude (default 0), `inc1` makes every operation stronger with the
/// magnitude. Geometry interpolates bicubically, as all published recipes set it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RandAugment {
    /// Strength of the operations, 0..=10.
    pub magnitude: f64,
    /// Operations drawn for an image, each then applied with probability 1/2.
    pub layers: usize,
    /// Standard deviation of the strength.
    pub std: f64,
    /// Whether posterize, solarize and the enhancements grow stronger with the magnitude.
    pub increasing: bool,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are timm's
pub enum Op {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    SolarizeAdd,
    Color,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
}

impl Op {
    /// Every operation, all drawn with the same probability.
    pub const ALL: [Self; 15] = [
        Self::AutoContrast,
        Self::Equalize,
        Self::Invert,
        Self::Rotate,
        Self::Posterize,
        Self::Solarize,
        Self::SolarizeAdd,
        Self::Color,
        Self::Contrast,
        Self::Brightness,
        Self::Sharpness,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
    ];

    /// Applies the operation at `magnitude` (0..=10).
    ///
    /// `sign` is 1 or -1 and turns those operations round that have two directions; `fill` has a
    /// value per channel for what geometry brings in from outside.
    ///
    /// # Panics
    /// If `fill` has fewer values than `image` has channels.
    pub fn apply(
        self,
        image: &Image,
        magnitude: f64,
        sign: f64,
        increasing: bool,
        fill: &[u8],
    ) -> Image {
        let level = magnitude / 10.0;
        let enhance = match increasing {
            true => (1.0 + sign * 0.9 * level).max(0.1),
            false => 1.8 * level + 0.1,
        };
        let steps = |full: f64| {
            let taken = (level * full) as u32;
            if increasing { full as u32 - taken } else { taken }
        };
        match self {
            Self::AutoContrast => histogram::autocontrast(image),
            Self::Equalize => histogram::equalize(image),
            Self::Invert => colour::invert(image),
            Self::Rotate => affine::rotate(image, sign * 30.0 * level, fill),
            Self::Posterize => colour::posterize(image, steps(4.0)),
            Self::Solarize => colour::solarize(image, steps(256.0)),
            Self::SolarizeAdd => colour::solarize_add(image, (level * 110.0) as u8),
            Self::Color => colour::colour(image, enhance),
            Self::Contrast => colour::contrast(image, enhance),
            Self::Brightness => colour::brightness(image, enhance),
            Self::Sharpness => colour::sharpness(image, enhance),
            Self::ShearX => affine::shear_x(image, sign * 0.3 * level, fill),
            Self::ShearY => affine::shear_y(image, sign * 0.3 * level, fill),
            Self::TranslateX => affine::translate_x(image, sign * 0.45 * level, fill),
            Self::TranslateY => affine::translate_y(image, sign * 0.45 * level, fill),
        }
    }
}

impl RandAugment {
    pub(super) fn validate(&self) -> Result<(), DataError> {
        let Self { magnitude, layers: _, std, increasing: _ } = self;
        in_range("augment.rand_augment m", *magnitude, 0.0, 10.0, "a magnitude from 0 to 10")?;
        in_range(
            "augment.rand_augment mstd",
            *std,
            0.0,
            f64::MAX,
            "a standard deviation, 0 or more",
        )
    }

    /// Applies `layers` random operations, each with probability 1/2.
    ///
    /// # Panics
    /// If `fill` has fewer values than `image` has channels.
    pub fn apply(&self, mut image: Image, fill: &[u8], rng: &mut Rng) -> Image {
        for _ in 0..self.layers {
            let Some(op) = Op::ALL.choose(rng) else { unreachable!("the list is not empty") };
            if rng.random_bool(0.5) {
                let noise: f64 = rng.sample(StandardNormal);
                let magnitude = (self.magnitude + self.std * noise).clamp(0.0, 10.0);
                let sign = if rng.random_bool(0.5) { -1.0 } else { 1.0 };
                image = op.apply(&image, magnitude, sign, self.increasing, fill);
            }
        }
        image
    }
}

impl FromStr for RandAugment {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let wrong = || DataError::Setting {
            setting: "augment.rand_augment",
            expected: "a policy such as `rand-m9-n1-mstd0.4-inc1`",
            found: format!("`{text}`"),
        };
        let mut policy = Self { magnitude: 10.0, layers: 2, std: 0.0, increasing: false };
        let mut parts = text.split('-');
        if parts.next() != Some("rand") {
            return Err(wrong());
        }
        for part in parts {
            let (key, value) =
                part.split_at(part.find(|c: char| !c.is_alphabetic()).ok_or_else(wrong)?);
            match key {
                "m" => policy.magnitude = value.parse().map_err(|_| wrong())?,
                "n" => policy.layers = value.parse().map_err(|_| wrong())?,
                "mstd" => policy.std = value.parse().map_err(|_| wrong())?,
                "inc" if value == "0" || value == "1" => policy.increasing = value == "1",
                _ => return Err(wrong()),
            }
        }
        policy.validate()?;
        Ok(policy)
    }
}

impl TryFrom<String> for RandAugment {
    type Error = DataError;

    fn try_from(text: String) -> Result<Self, DataError> {
        text.parse()
    }
}

impl fmt::Display for RandAugment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { magnitude, layers, std, increasing } = self;
        write!(f, "rand-m{magnitude}-n{layers}-mstd{std}-inc{}", u8::from(*increasing))
    }
}

impl From<RandAugment> for String {
    fn from(policy: RandAugment) -> Self {
        policy.to_string()
    }
}
