//! Time steps read as rows of frames.

use crate::{DataError, loader::Source, random::Rng};
use std::sync::Arc;

/// Samples whose time steps hold one row each, read as frames of several rows: `[T H, 1, W, C]` is
/// in memory what `[T, H, W, C]` is.
struct Folded {
    source: Arc<dyn Source>,
    shape: [usize; 4],
}

/// `source` with frames of `height` rows, where its samples are single rows that fill them;
/// otherwise as it is.
pub(super) fn fold(source: Arc<dyn Source>, height: usize) -> Arc<dyn Source> {
    match source.shape() {
        [rows, 1, width, channels] if height > 1 && rows % height == 0 => {
            Arc::new(Folded { source, shape: [rows / height, height, width, channels] })
        }
        _ => source,
    }
}

impl Source for Folded {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn shape(&self) -> [usize; 4] {
        self.shape
    }

    fn classes(&self) -> usize {
        self.source.classes()
    }

    fn label(&self, i: usize) -> usize {
        self.source.label(i)
    }

    fn sample(&self, i: usize, rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError> {
        self.source.sample(i, rng, out)
    }
}
