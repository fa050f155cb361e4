//! Random erasing (Zhong et al., AAAI 2020) as timm does it.

use super::{interval, log_uniform, probability, uniform};
use crate::{DataError, random::Rng};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// What stands in an erased rectangle; the image is normalised already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// Zero, which is the mean colour.
    #[default]
    Const,
    /// One normal random colour for the whole rectangle.
    Rand,
    /// A normal random value for every pixel and channel.
    Pixel,
}

/// Random erasing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Erase {
    /// Probability that an image loses a rectangle.
    pub probability: f64,
    /// What replaces it.
    pub fill: Fill,
    /// Smallest and largest area, as a fraction of the image.
    pub area: [f64; 2],
    /// Smallest and largest height / width.
    pub ratio: [f64; 2],
}

impl Default for Erase {
    fn default() -> Self {
        let (area, ratio) = ([0.02, 1.0 / 3.0], [0.3, 1.0 / 0.3]);
        Self { probability: 0.25, fill: Fill::Const, area, ratio }
    }
}

impl Erase {
    pub(super) fn validate(&self) -> Result<(), DataError> {
        let Self { probability: p, fill: _, area, ratio } = self;
        probability("augment.erase.probability", *p)?;
        interval("augment.erase.area", *area, 1.0, "0 < low <= high <= 1")?;
        interval("augment.erase.ratio", *ratio, f64::MAX, "0 < low <= high")
    }

    /// Erases at most one rectangle of `values`; it never spans the whole height or width.
    ///
    /// # Shapes
    /// `shape`: height, width, channels; `values`: `[H, W, C]`, normalised.
    ///
    /// # Panics
    /// If `values` does not have that many values.
    pub fn apply(&self, values: &mut [f32], shape: [usize; 3], rng: &mut Rng) {
        let [height, width, channels] = shape;
        assert_eq!(values.len(), height * width * channels, "values must be {shape:?}");
        if !rng.random_bool(self.probability) {
            return;
        }
        for _ in 0..10 {
            let target = (height * width) as f64 * uniform(rng, self.area);
            let ratio = log_uniform(rng, self.ratio);
            let h = (target * ratio).sqrt().round_ties_even() as usize;
            let w = (target / ratio).sqrt().round_ties_even() as usize;
            if h < height && w < width {
                let top = rng.random_range(0..=height - h);
                let left = rng.random_range(0..=width - w);
                let colour: Vec<f32> = (0..channels).map(|_| self.draw(rng)).collect();
                for y in top..top + h {
                    let row = (y * width + left) * channels;
                    for (i, value) in values[row..row + w * channels].iter_mut().enumerate() {
                        *value = match self.fill {
                            Fill::Pixel => rng.sample(StandardNormal),
                            Fill::Const | Fill::Rand => colour[i % channels],
                        };
                    }
                }
                return;
            }
        }
    }

    fn draw(&self, rng: &mut Rng) -> f32 {
        match self.fill {
            Fill::Const => 0.0,
            Fill::Rand | Fill::Pixel => rng.sample(StandardNormal),
        }
    }
}
