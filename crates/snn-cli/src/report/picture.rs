//! Input images, as PNG inside the page.

use super::data::{Image, Sample};
use super::element::Element;
use super::svg::drawing;
use super::table::label;

/// Longest side of an image on the page.
const SIDE: f64 = 116.0;

/// Longest side that is kept, in pixels; of a larger image every n-th pixel is.
const KEPT: usize = 256;

/// Size at which the image is drawn, its longer side being `side`; none if it cannot be.
pub(super) fn frame(image: &Image, side: f64) -> Option<(f64, f64)> {
    let &Image { height, width, channels, ref pixels } = image;
    let values = height.checked_mul(width)?.checked_mul(channels)?;
    let drawable = values > 0 && values == pixels.len() && channels <= 3;
    let scale = side / width.max(height) as f64;
    drawable.then_some((width as f64 * scale, height as f64 * scale))
}

/// The sample with its classes. Other drawings show the image again by its `id`.
pub(super) fn sample_figure(sample: &Sample, id: &str) -> Element {
    let mut figure = Element::new("figure").class("sample");
    if let Some((width, height)) = frame(&sample.image, SIDE) {
        let picture = Element::new("image")
            .set("id", id)
            .set("width", width)
            .set("height", height)
            .set("preserveAspectRatio", "none")
            .set("href", data_uri(&sample.image));
        let picture = if sample.image.width.max(sample.image.height) < 100 {
            picture.class("pixels")
        } else {
            picture
        };
        figure = figure.child(drawing(width, height, "input image").child(picture));
    }
    let verdict = |class: &str, mark: &str, text: &str| {
        Element::new("span")
            .class(class)
            .child(Element::new("span").class("mark").text(mark))
            .child(label(text))
    };
    let mut caption = Element::new("figcaption");
    match (sample.label.as_str(), sample.prediction.as_str()) {
        ("", "") => return figure,
        (truth, "") => caption = caption.child(label(truth)),
        (truth, guess) if truth == guess => caption = caption.child(verdict("good", "✓ ", truth)),
        (truth, guess) => {
            caption = caption.child(label(if truth.is_empty() { "–" } else { truth }));
            caption = caption.child(verdict("bad", "✗ taken for ", guess));
        }
    }
    if sample.image.channels == 2 {
        caption = caption.child(Element::new("small").text("ON orange, OFF blue"));
    }
    figure.child(caption)
}

/// The image as `data:image/png`.
fn data_uri(image: &Image) -> String {
    let step = image.width.max(image.height).div_ceil(KEPT);
    let mut rgb = Vec::new();
    for y in (0..image.height).step_by(step) {
        for x in (0..image.width).step_by(step) {
            let at = (y * image.width + x) * image.channels;
            rgb.extend(colour(&image.pixels[at..at + image.channels]));
        }
    }
    let (width, height) = (image.width.div_ceil(step), image.height.div_ceil(step));
    format!("data:image/png;base64,{}", base64(&png(width, height, &rgb)))
}

/// RGB of a pixel. Events add up: ON is orange, OFF is blue, both are white.
fn colour(pixel: &[u8]) -> [u8; 3] {
    match *pixel {
        [grey] => [grey; 3],
        [off, on] => [on, ((u16::from(on) + u16::from(off)) * 3 / 5).min(255) as u8, off],
        [r, g, b] => [r, g, b],
        _ => unreachable!("`frame` admits 1 to 3 channels"),
    }
}

/// A PNG of 8-bit RGB values `[height, width, 3]`, its deflate blocks stored uncompressed: images
/// of a report are small. Source: PNG specification (W3C), RFC 1950, RFC 1951.
fn png(width: usize, height: usize, rgb: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in rgb.chunks(3 * width) {
        lines.push(0); // no filter
        lines.extend(line);
    }
    let mut zlib = vec![0x78, 0x01];
    let mut blocks = lines.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        zlib.push(u8::from(blocks.peek().is_none()));
        zlib.extend(length.to_le_bytes());
        zlib.extend((!length).to_le_bytes());
        zlib.extend(block);
    }
    zlib.extend(adler32(&lines).to_be_bytes());

    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB, deflate, the one filter method, not interlaced

    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", &header), (b"IDAT", &zlib), (b"IEND", &Vec::new())] {
        let body = [kind.as_slice(), data].concat();
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(&body);
        png.extend(crc32(&body).to_be_bytes());
    }
    png
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (a, b) = data.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % MODULUS;
        (a, (a + b) % MODULUS)
    });
    b << 16 | a
}

fn crc32(data: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), shift))
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for group in data.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | usize::from(*group.get(i).unwrap_or(&0)));
        for digit in 0..4 {
            let full = digit <= group.len();
            let value = DIGITS[bits >> (18 - 6 * digit) & 63];
            text.push(if full { char::from(value) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_reads_back() {
        for (width, height) in [(1, 1), (3, 2), (200, 150)] {
            let rgb: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
            let read = image::load_from_memory(&png(width, height, &rgb)).unwrap().into_rgb8();
            assert_eq!(read.dimensions(), (width as u32, height as u32));
            assert_eq!(read.into_raw(), rgb);
        }
    }

    #[test] // the test vectors of RFC 4648, section 10
    fn base64_is_padded() {
        for (data, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(data.as_bytes()), text);
        }
    }

    #[test]
    fn an_image_of_another_length_is_not_drawn() {
        let image = |pixels, channels| Image { height: 2, width: 4, channels, pixels };
        assert_eq!(frame(&image(vec![0; 8], 1), 100.0), Some((100.0, 50.0)));
        assert_eq!(frame(&image(vec![0; 7], 1), 100.0), None);
        assert_eq!(frame(&image(vec![0; 32], 4), 100.0), None);
        assert_eq!(frame(&image(vec![], 0), 100.0), None);
        let huge = Image { height: usize::MAX, width: 2, channels: 3, pixels: vec![] };
        assert_eq!(frame(&huge, 100.0), None);
    }
}
