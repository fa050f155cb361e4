//! Random scale, crop and mirror of an image together with its mask, and the fixed form for tests.

use super::IGNORE;
use crate::{
    DataError, Image,
    augment::{flip, in_range, interval, probability, uniform},
    images::resize::{cut, resize},
    random::Rng,
};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// The augmentation of the field's segmentation recipes (mmsegmentation's `RandomResize`,
/// `RandomCrop`, `RandomFlip`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentationAugment {
    /// Length of the shorter side before scaling; none keeps the size of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shorter: Option<usize>,
    /// Smallest and largest scale.
    pub scale: [f64; 2],
    /// Largest share of the crop that one class may take; ten crops are tried.
    pub most_of_one_class: f64,
    /// Probability of a mirror image.
    pub flip: f64,
}

impl Default for SegmentationAugment {
    fn default() -> Self {
        Self { shorter: None, scale: [0.5, 2.0], most_of_one_class: 0.75, flip: 0.5 }
    }
}

impl SegmentationAugment {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`DataError::Setting`] names the first that is out of its range.
    pub fn validate(&self) -> Result<(), DataError> {
        let Self { shorter, scale, most_of_one_class, flip } = self;
        if *shorter == Some(0) {
            let (setting, expected) = ("augment.shorter", "at least 1");
            return Err(DataError::Setting { setting, expected, found: "0".into() });
        }
        interval("augment.scale", *scale, 16.0, "0 < low <= high <= 16")?;
        let share = "a share from 0 to 1";
        in_range("augment.most_of_one_class", *most_of_one_class, 0.0, 1.0, share)?;
        probability("augment.flip", *flip)
    }

    /// A random part of `image` `[H, W, 3]` and `mask` `[H, W, 1]`, both of `size` (height,
    /// width). Where the scaled image is smaller, `fill` and [`IGNORE`] stand on the right and
    /// below.
    ///
    /// # Errors
    /// [`DataError::Shape`] when the image has no pixels.
    pub fn apply(
        &self,
        image: &Image,
        mask: &Image,
        size: [usize; 2],
        fill: &[u8],
        rng: &mut Rng,
    ) -> Result<(Image, Image), DataError> {
        let [height, width, _] = image.shape();
        let base = self.shorter.map_or(1.0, |s| s as f64 / height.min(width).max(1) as f64);
        let scale = base * uniform(rng, self.scale);
        let scaled = [height, width].map(|n| ((n as f64 * scale).round() as usize).max(1));
        let image = pad(&resize(image, scaled)?, size, fill);
        let mask = pad(&nearest(mask, scaled), size, &[IGNORE]);

        let [height, width, _] = image.shape();
        let mut window = [0; 2];
        for _ in 0..10 {
            window =
                [rng.random_range(0..=height - size[0]), rng.random_range(0..=width - size[1])];
            if greatest_share(&cut(&mask, window[0], window[1], size)) <= self.most_of_one_class {
                break;
            }
        }
        let [image, mask] = [image, mask].map(|i| cut(&i, window[0], window[1], size));
        Ok(match rng.random_bool(self.flip) {
            true => (flip(&image), flip(&mask)),
            false => (image, mask),
        })
    }
}

/// The whole of `image` and `mask` in `size` (height, width), sides in proportion, the rest on the
/// right and below filled with `fill` and [`IGNORE`].
///
/// # Errors
/// [`DataError::Shape`] when the image or `size` has no pixels.
pub fn letterbox(
    image: &Image,
    mask: &Image,
    size: [usize; 2],
    fill: &[u8],
) -> Result<(Image, Image), DataError> {
    let [height, width, channels] = image.shape();
    if height == 0 || width == 0 {
        let expected = [size[0], size[1], channels];
        return Err(DataError::Shape { expected, found: image.shape() });
    }
    let scale = (size[0] as f64 / height as f64).min(size[1] as f64 / width as f64);
    let side = |n: usize, limit| ((n as f64 * scale).round() as usize).clamp(1, limit);
    let scaled = [side(height, size[0].max(1)), side(width, size[1].max(1))];
    Ok((pad(&resize(image, scaled)?, size, fill), pad(&nearest(mask, scaled), size, &[IGNORE])))
}

/// The nearest value for each pixel (pixel centres at +0.5), since classes cannot be averaged.
fn nearest(mask: &Image, size: [usize; 2]) -> Image {
    let [height, width, _] = mask.shape();
    let source = |i: usize, from: usize, to: usize| ((2 * i + 1) * from / (2 * to)).min(from - 1);
    let columns: Vec<usize> = (0..size[1]).map(|x| source(x, width, size[1])).collect();
    let row = |y| columns.iter().map(move |&x| mask.pixel(source(y, height, size[0]), x)[0]);
    Image::new([size[0], size[1], 1], (0..size[0]).flat_map(row).collect())
}

/// Adds `fill` (a value per channel) on the right and below up to at least `size`.
fn pad(image: &Image, size: [usize; 2], fill: &[u8]) -> Image {
    let [height, width, channels] = image.shape();
    let (rows, columns) = (height.max(size[0]), width.max(size[1]));
    let pixel = |y: usize, x: usize| if y < height && x < width { image.pixel(y, x) } else { fill };
    let pixels = (0..rows).flat_map(|y| (0..columns).flat_map(move |x| pixel(y, x)));
    Image::new([rows, columns, channels], pixels.copied().collect())
}

/// Share of the most frequent class among the pixels that have one; 0 if none has.
fn greatest_share(mask: &Image) -> f64 {
    let mut counts = [0usize; 255];
    for &class in mask.pixels().iter().filter(|class| **class != IGNORE) {
        counts[usize::from(class)] += 1;
    }
    let all: usize = counts.iter().sum();
    counts.iter().max().map_or(0.0, |most| *most as f64 / all.max(1) as f64)
}
