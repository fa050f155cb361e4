//! Affine geometry by bicubic interpolation, as Pillow's `Image.transform`.

use crate::images::Image;

/// Moves the pixels of `image` by an affine map.
///
/// `map` is `[a, b, c, d, e, f]`: the pixel at column x, row y shows what lies at column
/// `a x + b y + c`, row `d x + e y + f` of the image (pixel centres at +0.5). Places outside of
/// the image get `fill`, one value per channel. The cubic kernel is Pillow's for transforms
/// (a = -1), which is not the one it resizes with.
pub(super) fn affine(image: &Image, map: [f64; 6], fill: &[u8]) -> Image {
    let [height, width, channels] = image.shape();
    let mut out = Image::filled(image.shape(), 0);
    for (i, pixel) in out.pixels_mut().chunks_exact_mut(channels).enumerate() {
        let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
        let u = map[0] * x + map[1] * y + map[2];
        let v = map[3] * x + map[4] * y + map[5];
        let inside = (0.0..width as f64).contains(&u) && (0.0..height as f64).contains(&v);
        for (c, value) in pixel.iter_mut().enumerate() {
            *value = if inside { bicubic(image, u - 0.5, v - 0.5, c) } else { fill[c] };
        }
    }
    out
}

/// Shifts each row by `factor` pixels a row.
pub(super) fn shear_x(image: &Image, factor: f64, fill: &[u8]) -> Image {
    affine(image, [1.0, factor, 0.0, 0.0, 1.0, 0.0], fill)
}

/// Shifts each column by `factor` pixels a column.
pub(super) fn shear_y(image: &Image, factor: f64, fill: &[u8]) -> Image {
    affine(image, [1.0, 0.0, 0.0, factor, 1.0, 0.0], fill)
}

/// Moves the content left by `fraction` of the width.
pub(super) fn translate_x(image: &Image, fraction: f64, fill: &[u8]) -> Image {
    let pixels = fraction * image.shape()[1] as f64;
    affine(image, [1.0, 0.0, pixels, 0.0, 1.0, 0.0], fill)
}

/// Moves the content up by `fraction` of the height.
pub(super) fn translate_y(image: &Image, fraction: f64, fill: &[u8]) -> Image {
    let pixels = fraction * image.shape()[0] as f64;
    affine(image, [1.0, 0.0, 0.0, 0.0, 1.0, pixels], fill)
}

/// Turns counter-clockwise about the centre.
pub(super) fn rotate(image: &Image, degrees: f64, fill: &[u8]) -> Image {
    let [height, width, _] = image.shape();
    let (cx, cy) = (width as f64 / 2.0, height as f64 / 2.0);
    let (sin, cos) = (-degrees.to_radians()).sin_cos();
    let map = [cos, sin, cx - cos * cx - sin * cy, -sin, cos, cy + sin * cx - cos * cy];
    affine(image, map, fill)
}

/// Channel `c` at column `x`, row `y` (pixel centres at whole numbers), edges repeated.
fn bicubic(image: &Image, x: f64, y: f64, c: usize) -> u8 {
    let [height, width, _] = image.shape();
    let (left, top) = (x.floor(), y.floor());
    let at = |i: f64, limit: usize| (i.max(0.0) as usize).min(limit - 1);
    let rows = [-1.0, 0.0, 1.0, 2.0].map(|dy| {
        let row = at(top + dy, height);
        let taps =
            [-1.0, 0.0, 1.0, 2.0].map(|dx| f64::from(image.pixel(row, at(left + dx, width))[c]));
        cubic(taps, x - left)
    });
    cubic(rows, y - top) as u8 // saturates, truncates
}

/// Keys' cubic with a = -1 through four samples at -1, 0, 1, 2; `d` lies between 0 and 1.
fn cubic([v1, v2, v3, v4]: [f64; 4], d: f64) -> f64 {
    let p2 = v3 - v1;
    let p3 = 2.0 * (v1 - v2) + v3 - v4;
    let p4 = -v1 + v2 - v3 + v4;
    v2 + d * (p2 + d * (p3 + d * p4))
}
