//! Image files for tests.

use std::{fs, path::Path};

/// A PNG of one colour, folders included.
pub fn png(path: &Path, [height, width]: [u32; 2], colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let format = image::ImageFormat::Png;
    image::RgbImage::from_pixel(width, height, image::Rgb(colour))
        .save_with_format(path, format)
        .unwrap();
}
