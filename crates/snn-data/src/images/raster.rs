//! One picture.

/// One picture, 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    shape: [usize; 3],
    pixels: Vec<u8>,
}

impl Image {
    /// # Shapes
    /// `shape`: height, width, channels (1 grey, 3 red green blue); `pixels`: `[H, W, C]`.
    ///
    /// # Panics
    /// If `pixels` does not have `H * W * C` values.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>) -> Self {
        let count: usize = shape.iter().product();
        assert_eq!(pixels.len(), count, "pixels must be {shape:?}");
        Self { shape, pixels }
    }

    /// An image of one value.
    pub fn filled(shape: [usize; 3], value: u8) -> Self {
        Self { shape, pixels: vec![value; shape.iter().product()] }
    }

    /// Height, width, channels.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Pixels `[H, W, C]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Pixels `[H, W, C]`, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The channels at row `y`, column `x`.
    pub fn pixel(&self, y: usize, x: usize) -> &[u8] {
        let [_, width, channels] = self.shape;
        let start = (y * width + x) * channels;
        &self.pixels[start..start + channels]
    }
}
