//! Label files: PNGs whose values are classes, not colours.

use crate::{DataError, Image};
use png::{BitDepth, ColorType, Decoder, DecodingError, Transformations};
use std::{fs::File, io::BufReader, path::Path};

/// Most bytes of a label file once unpacked: 16,384 x 16,384 pixels.
const MOST_BYTES: usize = 1 << 28;

/// Reads the values of a grey or palette PNG of 8 bits or fewer as they are, `[H, W, 1]`.
///
/// A palette is not followed: entry k of it is class k, as Pillow's mode `P` has it.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Foreign`] when the file is no PNG of that kind or is damaged.
pub fn read_label(path: &Path) -> Result<Image, DataError> {
    let io = |source| DataError::Io { action: "read", path: path.into(), source };
    let foreign = |found: String| DataError::Foreign {
        path: path.into(),
        what: "label file",
        expected: "a grey or palette PNG of at most 8 bits".into(),
        found,
    };
    let damaged = |e: DecodingError| match e {
        DecodingError::IoError(e) if e.raw_os_error().is_some() => io(e),
        e => foreign(format!("one that cannot be decoded ({e})")),
    };
    let mut decoder = Decoder::new(BufReader::new(File::open(path).map_err(io)?));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let (kind, depth) = (info.color_type, info.bit_depth);
    let bits = match (kind, depth) {
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::One) => 1,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Two) => 2,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Four) => 4,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Eight) => 8,
        _ => return Err(foreign(format!("{kind:?} of {depth:?} bits"))),
    };
    let (height, width) = (info.height as usize, info.width as usize);
    // A damaged header must not ask for all memory.
    let size = reader.output_buffer_size().filter(|size| *size <= MOST_BYTES);
    let mut packed = vec![0; size.ok_or_else(|| foreign(format!("{height} x {width} pixels")))?];
    let frame = reader.next_frame(&mut packed).map_err(damaged)?;
    let mut values = Vec::with_capacity(height * width);
    for row in packed.chunks_exact(frame.line_size).take(height) {
        let unpack = |&byte: &u8| {
            (0..8 / bits).map(move |k| (byte >> (8 - bits * (k + 1))) & (0xff >> (8 - bits)))
        };
        values.extend(row.iter().flat_map(unpack).take(width));
    }
    Ok(Image::new([height, width, 1], values))
}
