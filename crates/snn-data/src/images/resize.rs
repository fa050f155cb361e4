//! Bicubic resizing with antialiasing, and the evaluation transform built on it.
//!
//! Own code, since published weights are judged on Pillow's pixels and the resizing crates come
//! near them for most sizes only.

use super::Image;
use crate::DataError;
use serde::{Deserialize, Serialize};

/// Resizes to `size` (height, width) by the bicubic kernel (a = -0.5), widened when shrinking.
///
/// This is what Pillow and torchvision (`antialias=True`) call bicubic, with Pillow's order and
/// rounding: the width first, rounded to 8 bits, then the height; weights in steps of 2^-22.
/// (Pillow 13 takes images far taller than wide the other way round, which no published weights
/// were judged on.)
///
/// # Errors
/// [`DataError::Shape`] when either image would have no pixels.
pub fn resize(image: &Image, size: [usize; 2]) -> Result<Image, DataError> {
    let [height, width, channels] = image.shape();
    let shape = [size[0], size[1], channels];
    if shape.contains(&0) || image.pixels().is_empty() {
        return Err(DataError::Shape { expected: shape, found: image.shape() });
    }
    let mut pixels = image.pixels().to_vec();
    if width != size[1] {
        pixels = resample(&pixels, width, channels, size[1]);
    }
    if height != size[0] {
        pixels = resample(&pixels, height, size[1] * channels, size[0]);
    }
    Ok(Image::new(shape, pixels))
}

/// Bits after the binary point of a weight.
const BITS: u32 = 22;

/// Resamples the middle axis of `pixels` `[_, length, inner]` to `target` positions.
fn resample(pixels: &[u8], length: usize, inner: usize, target: usize) -> Vec<u8> {
    let windows: Vec<Window> = (0..target).map(|i| Window::new(length, target, i)).collect();
    let mut out = Vec::with_capacity(pixels.len() / length * target);
    let mut sums = vec![0i32; inner];
    for block in pixels.chunks_exact(length * inner) {
        for window in &windows {
            sums.fill(1 << (BITS - 1));
            let lines = block[window.first * inner..].chunks_exact(inner);
            for (weight, line) in window.weights.iter().zip(lines) {
                for (sum, &pixel) in sums.iter_mut().zip(line) {
                    *sum += weight * i32::from(pixel);
                }
            }
            out.extend(sums.iter().map(|sum| (sum >> BITS).clamp(0, 255) as u8));
        }
    }
    out
}

/// Source positions that one target position sees, and their weights.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

impl Window {
    fn new(length: usize, target: usize, position: usize) -> Self {
        let (first, weights) = weights(length, target, position, cubic, 2.0);
        let fixed = |w: f64| (w * f64::from(1 << BITS)).round() as i32;
        Self { first, weights: weights.into_iter().map(fixed).collect() }
    }
}

/// The first of `length` positions that `position` of `target` sees, and the weights from there on,
/// of sum 1. `kernel` is 0 beyond `reach` and is widened when shrinking.
pub(crate) fn weights(
    length: usize,
    target: usize,
    position: usize,
    kernel: fn(f64) -> f64,
    reach: f64,
) -> (usize, Vec<f64>) {
    let scale = length as f64 / target as f64;
    let stretch = scale.max(1.0);
    let support = reach * stretch;
    let centre = (position as f64 + 0.5) * scale;
    let first = (centre - support + 0.5).max(0.0) as usize;
    let end = ((centre + support + 0.5) as usize).min(length);
    let weights: Vec<f64> =
        (first..end).map(|x| kernel((x as f64 - centre + 0.5) / stretch)).collect();
    let total: f64 = weights.iter().sum();
    (first, weights.into_iter().map(|w| w / total).collect())
}

/// Keys' cubic kernel with a = -0.5 (Keys 1981, eq. 15).
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0)
    } else {
        0.0
    }
}

/// Cuts out `size` (height, width) with its first pixel at row `top`, column `left`.
///
/// # Panics
/// If the window leaves the image.
pub fn cut(image: &Image, top: usize, left: usize, size: [usize; 2]) -> Image {
    let [height, width, channels] = image.shape();
    assert!(top + size[0] <= height && left + size[1] <= width, "the window leaves the image");
    let rows = image.pixels().chunks_exact(width * channels).skip(top).take(size[0]);
    let pixels = rows.flat_map(|row| &row[left * channels..(left + size[1]) * channels]);
    Image::new([size[0], size[1], channels], pixels.copied().collect())
}

/// The field's evaluation transform: bring the shorter side to `resize`, cut the centre out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalTransform {
    /// Length of the shorter side after resizing, in pixels.
    pub resize: usize,
    /// Height and width of the part that is kept.
    pub crop: [usize; 2],
}

impl EvalTransform {
    /// The middle of an image for a model that sees `height` x `width`: the shorter side of the
    /// image becomes the longer one of the two, so that the crop always fits.
    ///
    /// For a square, `Resize(side)` and `CenterCrop(side)` of torchvision.
    pub fn covering(height: usize, width: usize) -> Self {
        Self { resize: height.max(width), crop: [height, width] }
    }

    /// timm's convention: the crop is `fraction` (its `crop_pct`) of the resized shorter side.
    pub fn square(side: usize, fraction: f64) -> Self {
        Self { resize: (side as f64 / fraction).floor() as usize, crop: [side, side] }
    }

    /// Applies the transform, as torchvision's `Resize(resize, BICUBIC)` and `CenterCrop(crop)`.
    ///
    /// # Errors
    /// [`DataError::Shape`] as [`resize`], or when the crop is larger than the resized image.
    pub fn apply(&self, image: &Image) -> Result<Image, DataError> {
        let [height, width, channels] = image.shape();
        let Self { resize: side, crop } = *self;
        let wrong =
            || DataError::Shape { expected: [crop[0], crop[1], channels], found: image.shape() };
        if height == 0 || width == 0 {
            return Err(wrong());
        }
        // torchvision truncates the longer side to whole pixels.
        let size = if height <= width {
            [side, side * width / height]
        } else {
            [side * height / width, side]
        };
        let resized = resize(image, size)?;
        if crop[0] > size[0] || crop[1] > size[1] {
            return Err(wrong());
        }
        let [top, left] = [0, 1].map(|axis| half_to_even(size[axis] - crop[axis]));
        Ok(cut(&resized, top, left, crop))
    }
}

/// `n / 2` rounded as Python's `round`: halves go to the even neighbour.
fn half_to_even(n: usize) -> usize {
    let half = n / 2;
    if n % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_to_even_as_in_python() {
        // [round(n / 2) for n in range(8)] in Python 3.
        assert_eq!((0..8).map(half_to_even).collect::<Vec<_>>(), [0, 0, 1, 2, 2, 2, 3, 4]);
    }
}
