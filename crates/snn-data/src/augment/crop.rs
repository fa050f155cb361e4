//! Random crops and mirror images.

use super::{interval, log_uniform, uniform};
use crate::{
    DataError,
    images::{
        Image,
        resize::{cut, resize},
    },
    random::Rng,
};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Pads every side with `pad` black pixels and cuts a window of the old size out at random
/// (torchvision's `RandomCrop(size, padding=pad)`).
pub fn pad_and_crop(image: &Image, pad: usize, rng: &mut Rng) -> Image {
    let [height, width, channels] = image.shape();
    let (top, left) = (rng.random_range(0..=2 * pad), rng.random_range(0..=2 * pad));
    // Row y of the result is row y + top - pad of the image; the same goes for columns.
    let inside = |offset: usize, length: usize| {
        let first = pad.saturating_sub(offset).min(length);
        first..(length + pad).saturating_sub(offset).clamp(first, length)
    };
    let (rows, columns) = (inside(top, height), inside(left, width));
    let count = columns.len() * channels;
    let mut out = Image::filled([height, width, channels], 0);
    for y in rows.filter(|_| count > 0) {
        let target = (y * width + columns.start) * channels;
        let source = ((y + top - pad) * width + columns.start + left - pad) * channels;
        out.pixels_mut()[target..target + count]
            .copy_from_slice(&image.pixels()[source..source + count]);
    }
    out
}

/// Mirrors left and right.
pub fn flip(image: &Image) -> Image {
    let [_, width, channels] = image.shape();
    let rows = image.pixels().chunks_exact(width * channels);
    let pixels = rows.flat_map(|row| row.chunks_exact(channels).rev().flatten());
    Image::new(image.shape(), pixels.copied().collect())
}

/// A window of random area and aspect ratio, resized by bicubic interpolation
/// (`RandomResizedCrop` of torchvision and timm; Szegedy et al., CVPR 2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResizedCrop {
    /// Smallest and largest area of the window, as a fraction of the image.
    pub scale: [f64; 2],
    /// Smallest and largest width / height of the window.
    pub ratio: [f64; 2],
}

impl Default for ResizedCrop {
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

impl ResizedCrop {
    pub(super) fn validate(&self) -> Result<(), DataError> {
        let Self { scale, ratio } = self;
        interval("augment.resized_crop.scale", *scale, 1.0, "0 < low <= high <= 1")?;
        interval("augment.resized_crop.ratio", *ratio, f64::MAX, "0 < low <= high")
    }

    /// Cuts a window out and resizes it to `size` (height, width).
    ///
    /// # Errors
    /// [`DataError::Shape`] as [`resize`].
    pub fn apply(
        &self,
        image: &Image,
        size: [usize; 2],
        rng: &mut Rng,
    ) -> Result<Image, DataError> {
        let [height, width, _] = image.shape();
        let [top, left, h, w] = self.window(height, width, rng);
        resize(&cut(image, top, left, [h, w]), size)
    }

    /// Top, left, height and width of a random window; after ten misses the largest one in the
    /// centre whose aspect ratio is allowed.
    fn window(&self, height: usize, width: usize, rng: &mut Rng) -> [usize; 4] {
        let area = (height * width) as f64;
        for _ in 0..10 {
            let target = area * uniform(rng, self.scale);
            let ratio = log_uniform(rng, self.ratio);
            let w = (target * ratio).sqrt().round_ties_even() as usize;
            let h = (target / ratio).sqrt().round_ties_even() as usize;
            if (1..=height).contains(&h) && (1..=width).contains(&w) {
                let top = rng.random_range(0..=height - h);
                return [top, rng.random_range(0..=width - w), h, w];
            }
        }
        let [low, high] = self.ratio;
        let ratio = width as f64 / height as f64;
        let round = |x: f64, limit: usize| (x.round_ties_even() as usize).clamp(1, limit);
        let (h, w) = if ratio < low {
            (round(width as f64 / low, height), width)
        } else if ratio > high {
            (height, round(height as f64 * high, width))
        } else {
            (height, width)
        };
        [(height - h) / 2, (width - w) / 2, h, w]
    }
}
