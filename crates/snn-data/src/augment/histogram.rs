//! Operations that look at the histogram of each channel, as Pillow's `ImageOps`.

use crate::images::Image;

/// Stretches each channel so that its darkest value becomes 0 and its lightest 255.
pub(super) fn autocontrast(image: &Image) -> Image {
    by_channel(image, |histogram| {
        let used = |v: &usize| histogram[*v] > 0;
        let (low, high) = ((0..256).find(used)?, (0..256).rfind(used)?);
        let scale = 255.0 / high.checked_sub(low).filter(|range| *range > 0)? as f64;
        let offset = -(low as f64) * scale;
        Some(std::array::from_fn(|v| (v as f64 * scale + offset) as u8))
    })
}

/// Spreads the values of each channel so that all are about equally frequent.
pub(super) fn equalize(image: &Image) -> Image {
    by_channel(image, |histogram| {
        let last = histogram.iter().rfind(|n| **n > 0)?;
        let step = (histogram.iter().sum::<usize>() - last) / 255;
        let mut below = step / 2;
        let levels = histogram.map(|n| {
            let level = below.checked_div(step);
            below += n;
            level.unwrap_or(0).min(255) as u8
        });
        (step > 0).then_some(levels)
    })
}

/// Replaces each channel by the table that `table` makes of its histogram, if it makes one.
fn by_channel(image: &Image, table: impl Fn(&[usize; 256]) -> Option<[u8; 256]>) -> Image {
    let channels = image.shape()[2];
    let mut out = image.clone();
    for c in 0..channels {
        let mut histogram = [0; 256];
        for &value in image.pixels().iter().skip(c).step_by(channels) {
            histogram[usize::from(value)] += 1;
        }
        if let Some(table) = table(&histogram) {
            for value in out.pixels_mut().iter_mut().skip(c).step_by(channels) {
                *value = table[usize::from(*value)];
            }
        }
    }
    out
}
