//! Labelled images of one shape.

use super::{Image, Pictures, resize::resize};
use crate::{DataError, cache::Frames};
use rayon::prelude::*;
use std::{ops::Deref, sync::Arc};

/// Labelled images of one shape, all in memory or mapped from the cache.
#[derive(Clone, Debug)]
pub struct Images {
    shape: [usize; 3],
    pixels: Pixels,
    labels: Vec<u16>,
    classes: usize,
}

impl Images {
    /// # Shapes
    /// `shape`: height, width, channels; `pixels`: `[N, H, W, C]`; `labels`: `[N]`, each less
    /// than `classes`.
    ///
    /// # Panics
    /// If the lengths disagree, a label is out of range, or an image has no pixels.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u16>, classes: usize) -> Self {
        Self::from_pixels(shape, Pixels::Owned(pixels), labels, classes)
    }

    /// The frames of the cache, which hold pixels `[H, W, C]` of `shape`, as images.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn from_cache(shape: [usize; 3], frames: Frames, labels: Vec<u16>, classes: usize) -> Self {
        Self::from_pixels(shape, Pixels::Cached(Arc::new(frames)), labels, classes)
    }

    fn from_pixels(shape: [usize; 3], pixels: Pixels, labels: Vec<u16>, classes: usize) -> Self {
        let size: usize = shape.iter().product();
        assert!(size > 0, "an image must have pixels, not shape {shape:?}");
        assert_eq!(
            pixels.len(),
            labels.len() * size,
            "pixels must be [{}, {shape:?}]",
            labels.len()
        );
        assert!(labels.iter().all(|&l| usize::from(l) < classes), "a label is not below {classes}");
        Self { shape, pixels, labels, classes }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Height, width, channels of every image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Image `i`, `[H, W, C]`.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn image(&self, i: usize) -> &[u8] {
        let size: usize = self.shape.iter().product();
        &self.pixels[i * size..(i + 1) * size]
    }

    /// Class of image `i`.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn label(&self, i: usize) -> usize {
        usize::from(self.labels[i])
    }

    /// All labels, `[N]`.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            shape: self.shape,
            pixels: Pixels::Owned(indices.iter().flat_map(|&i| self.image(i)).copied().collect()),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            classes: self.classes,
        }
    }

    /// The images brought to `size` (height, width) by [`resize`].
    ///
    /// # Errors
    /// [`DataError::Shape`] when they would have no pixels.
    pub fn resized(&self, size: [usize; 2]) -> Result<Self, DataError> {
        let one = |i| resize(&Image::new(self.shape, self.image(i).to_vec()), size);
        let images: Vec<Image> =
            (0..self.len()).into_par_iter().map(one).collect::<Result<_, _>>()?;
        Ok(Self {
            shape: [size[0], size[1], self.shape[2]],
            pixels: Pixels::Owned(images.iter().flat_map(Image::pixels).copied().collect()),
            labels: self.labels.clone(),
            classes: self.classes,
        })
    }

    /// The images of `parts` one after another.
    ///
    /// # Panics
    /// If `parts` is empty or the shapes or class counts differ.
    pub fn concat(parts: Vec<Self>) -> Self {
        let Some(first) = parts.first() else { panic!("nothing to join") };
        let (shape, classes) = (first.shape, first.classes);
        let mut pixels = Vec::with_capacity(parts.iter().map(|p| p.pixels.len()).sum());
        let mut labels = Vec::new();
        for part in &parts {
            assert_eq!((part.shape, part.classes), (shape, classes), "parts must agree");
            pixels.extend_from_slice(&part.pixels);
            labels.extend_from_slice(&part.labels);
        }
        Self::new(shape, pixels, labels, classes)
    }
}

impl Pictures for Images {
    fn len(&self) -> usize {
        self.len()
    }

    fn classes(&self) -> usize {
        self.classes()
    }

    fn label(&self, i: usize) -> usize {
        self.label(i)
    }

    fn picture(&self, i: usize) -> Result<Image, DataError> {
        Ok(Image::new(self.shape, self.image(i).to_vec()))
    }
}

/// Pixels `[N, H, W, C]`.
#[derive(Clone, Debug)]
enum Pixels {
    Owned(Vec<u8>),
    Cached(Arc<Frames>),
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(pixels) => pixels,
            Self::Cached(frames) => frames.bytes(),
        }
    }
}
