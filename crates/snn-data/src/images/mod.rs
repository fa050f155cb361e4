//! Static images: containers, readers of the published files, decoding and resizing.

pub mod cifar;
pub mod decode;
pub mod digits;
pub mod folder;
pub mod idx;
pub mod imagenet;
pub(crate) mod locate;
mod raster;
pub mod resize;
mod set;
mod synsets;
pub mod tiny_imagenet;

pub use raster::Image;
pub use set::Images;

use crate::DataError;

/// Labelled pictures, in memory or decoded when they are asked for.
pub trait Pictures: Send + Sync {
    /// Number of pictures.
    fn len(&self) -> usize;

    /// Whether there is no picture.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of classes.
    fn classes(&self) -> usize;

    /// Class of picture `i`, below [`classes`](Self::classes).
    fn label(&self, i: usize) -> usize;

    /// Picture `i`; pictures may differ in size.
    ///
    /// # Errors
    /// Whatever reading or decoding its file can meet.
    fn picture(&self, i: usize) -> Result<Image, DataError>;
}

/// Checks a label read from record `record` of the file at `path`.
fn check_label(
    path: &std::path::Path,
    record: usize,
    label: u8,
    classes: usize,
) -> Result<u16, DataError> {
    let found = usize::from(label);
    match found < classes {
        true => Ok(u16::from(label)),
        false => Err(DataError::Label { path: path.into(), record, found, classes }),
    }
}
