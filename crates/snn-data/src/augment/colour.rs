//! Colour, contrast, brightness, sharpness and point operations, as Pillow's `ImageEnhance` and
//! `ImageOps`.

use crate::images::{Image, decode::luma};

/// Between the grey picture (0), the image (1) and beyond.
pub(super) fn colour(image: &Image, factor: f64) -> Image {
    let channels = image.shape()[2];
    let grey = image.pixels().chunks_exact(channels).flat_map(|p| vec![brightness_of(p); channels]);
    blend(&Image::new(image.shape(), grey.collect()), image, factor)
}

/// Between the mean grey (0), the image (1) and beyond.
pub(super) fn contrast(image: &Image, factor: f64) -> Image {
    let channels = image.shape()[2];
    let pixels = image.pixels().chunks_exact(channels);
    let count = pixels.len() as f64;
    let sum: u64 = pixels.map(|p| u64::from(brightness_of(p))).sum();
    let mean = (sum as f64 / count + 0.5) as u8;
    blend(&Image::filled(image.shape(), mean), image, factor)
}

/// Between black (0), the image (1) and beyond.
pub(super) fn brightness(image: &Image, factor: f64) -> Image {
    blend(&Image::filled(image.shape(), 0), image, factor)
}

/// Between the smoothed image (0), the image (1) and beyond.
pub(super) fn sharpness(image: &Image, factor: f64) -> Image {
    blend(&smooth(image), image, factor)
}

/// The negative.
pub(super) fn invert(image: &Image) -> Image {
    map(image, |p| 255 - p)
}

/// Keeps the highest `bits` bits; with 0 bits the image is black.
pub(super) fn posterize(image: &Image, bits: u32) -> Image {
    let mask = (0xff00u32 >> bits.min(8)) as u8;
    map(image, |p| p & mask)
}

/// The negative of every value at or above `threshold` (0..=256).
pub(super) fn solarize(image: &Image, threshold: u32) -> Image {
    map(image, |p| if u32::from(p) < threshold { p } else { 255 - p })
}

/// Adds `amount` to every value below 128.
pub(super) fn solarize_add(image: &Image, amount: u8) -> Image {
    map(image, |p| if p < 128 { p.saturating_add(amount) } else { p })
}

fn map(image: &Image, f: impl Fn(u8) -> u8) -> Image {
    Image::new(image.shape(), image.pixels().iter().map(|&p| f(p)).collect())
}

/// `a + factor (b - a)`, saturated and truncated.
fn blend(a: &Image, b: &Image, factor: f64) -> Image {
    let factor = factor as f32;
    let mixed = |(&a, &b): (&u8, &u8)| {
        let (a, b) = (f32::from(a), f32::from(b));
        (a + factor * (b - a)) as u8
    };
    Image::new(a.shape(), a.pixels().iter().zip(b.pixels()).map(mixed).collect())
}

fn brightness_of(pixel: &[u8]) -> u8 {
    if pixel.len() == 3 { luma(pixel) } else { pixel[0] }
}

/// The kernel (1 1 1, 1 5 1, 1 1 1) / 13; the outermost pixels stay as they are.
fn smooth(image: &Image) -> Image {
    let [height, width, channels] = image.shape();
    let mut out = image.clone();
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            for c in 0..channels {
                let around: u32 = (y - 1..=y + 1)
                    .flat_map(|v| (x - 1..=x + 1).map(move |u| (v, u)))
                    .map(|(v, u)| u32::from(image.pixel(v, u)[c]))
                    .sum();
                let sum = around + 4 * u32::from(image.pixel(y, x)[c]);
                out.pixels_mut()[(y * width + x) * channels + c] = ((2 * sum + 13) / 26) as u8;
            }
        }
    }
    out
}
