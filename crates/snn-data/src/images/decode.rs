//! A person's image file as the input of a model.

use super::Image;
use crate::DataError;
use std::path::Path;

/// Decodes the PNG, JPEG or BMP file at `path` to 1 (grey) or 3 (red green blue) channels.
///
/// The format is told by content, not by name. Transparency is dropped and 16-bit samples are
/// brought to 8 bits; turning marks (EXIF) are not followed, as torchvision does not either.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Decode`].
///
/// # Panics
/// If `channels` is neither 1 nor 3.
pub fn decode(path: &Path, channels: usize) -> Result<Image, DataError> {
    let io = |source| DataError::Io { action: "read", path: path.into(), source };
    let reader = image::ImageReader::open(path).map_err(io)?.with_guessed_format().map_err(io)?;
    let decoded = reader.decode().map_err(|e| match e {
        image::ImageError::IoError(source) if source.raw_os_error().is_some() => io(source),
        e => DataError::Decode { path: path.into(), source: Box::new(e) },
    })?;
    let shape = |channels| [decoded.height() as usize, decoded.width() as usize, channels];
    let grey = !decoded.color().has_color();
    Ok(match channels {
        1 if grey => Image::new(shape(1), decoded.to_luma8().into_raw()),
        1 => to_grey(&Image::new(shape(3), decoded.to_rgb8().into_raw())),
        3 => Image::new(shape(3), decoded.to_rgb8().into_raw()),
        n => panic!("images have 1 or 3 channels, not {n}"),
    })
}

/// Height and width of the PNG, JPEG or BMP file at `path`; `None` for a file of another kind.
///
/// # Errors
/// As [`decode`].
pub fn size(path: &Path) -> Result<Option<[usize; 2]>, DataError> {
    let io = |source| DataError::Io { action: "read", path: path.into(), source };
    let file = std::io::BufReader::new(std::fs::File::open(path).map_err(io)?);
    let reader = image::ImageReader::new(file).with_guessed_format().map_err(io)?;
    if reader.format().is_none() {
        return Ok(None);
    }
    let wrong = |e| DataError::Decode { path: path.into(), source: Box::new(e) };
    let (width, height) = reader.into_dimensions().map_err(wrong)?;
    Ok(Some([height as usize, width as usize]))
}

/// Luma of ITU-R 601-2 with the rounding of Pillow: `(19595 R + 38470 G + 7471 B + 32768) >> 16`.
pub fn to_grey(image: &Image) -> Image {
    let [height, width, channels] = image.shape();
    if channels == 1 {
        return image.clone();
    }
    let pixels = image.pixels().chunks_exact(3).map(luma).collect();
    Image::new([height, width, 1], pixels)
}

/// Luma of one red green blue pixel.
pub(crate) fn luma(rgb: &[u8]) -> u8 {
    let weighted = 19595 * u32::from(rgb[0]) + 38470 * u32::from(rgb[1]) + 7471 * u32::from(rgb[2]);
    ((weighted + 0x8000) >> 16) as u8
}
