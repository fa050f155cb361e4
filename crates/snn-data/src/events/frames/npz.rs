//! Frames in `.npz`, as SpikingJelly keeps them.

use super::Frames;
use crate::events::{EventError, formats::npz::member, reader::Problem};
use std::path::Path;

/// Most numbers that are taken from a file.
const MOST: usize = 1 << 28;

/// Numbers read at a time.
const PIECE: usize = 1 << 16;

impl Frames {
    /// Reads the array `frames` of a `.npz`, as SpikingJelly writes it: `[T, C, H, W]`, or
    /// `[T, W]` for SHD and SSC, of any type of number.
    ///
    /// # Errors
    /// [`EventError::Io`]; [`EventError::Corrupt`] for another array or a damaged file.
    pub fn read_npz(path: &Path) -> Result<Self, EventError> {
        let read = || {
            let mut array = member(path, "frames")?;
            let wrong = || {
                let found = format!("{:?}", array.header.shape);
                Problem::new("shape of `frames`", "[T, C, H, W] or [T, W]", found)
            };
            let shape = match *array.header.shape {
                [steps, channels, height, width] => [steps, channels, height, width],
                [steps, width] => [steps, 1, 1, width],
                _ => return Err(wrong()),
            };
            if array.header.fields.len() != 1 || array.header.len() > MOST {
                return Err(wrong());
            }
            let field = array.header.fields[0].clone();
            let (size, mut left) = (array.header.size, array.header.len());
            let mut values = Vec::new();
            while left > 0 {
                let count = left.min(PIECE);
                let bytes = array.next(count)?;
                values.extend(bytes.chunks_exact(size).map(|b| field.value(b).real() as f32));
                left -= count;
            }
            Ok(Self { shape, values })
        };
        read().map_err(|problem| problem.at(path))
    }
}
