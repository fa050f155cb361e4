//! A part of a dataset, for a quick look.

use crate::{DataError, loader::Source, random::Rng};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Samples that are used of a dataset, at equal distances in its order; all where none is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limit {
    /// Samples to train on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<usize>,
    /// Samples to test on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<usize>,
}

impl Limit {
    /// Checks that no part is empty.
    ///
    /// # Errors
    /// [`DataError::Setting`].
    pub fn validate(&self) -> Result<(), DataError> {
        for (setting, value) in [("limit.train", self.train), ("limit.test", self.test)] {
            if value == Some(0) {
                let (expected, found) = ("at least 1", "0".into());
                return Err(DataError::Setting { setting, expected, found });
            }
        }
        Ok(())
    }
}

/// `source`, or so many samples of it.
pub(super) fn limited(source: Arc<dyn Source>, count: Option<usize>) -> Arc<dyn Source> {
    match count.filter(|&count| count < source.len()) {
        Some(count) => Arc::new(Every { source, count }),
        None => source,
    }
}

struct Every {
    source: Arc<dyn Source>,
    count: usize,
}

impl Every {
    fn place(&self, i: usize) -> usize {
        i * self.source.len() / self.count
    }
}

impl Source for Every {
    fn len(&self) -> usize {
        self.count
    }

    fn shape(&self) -> [usize; 4] {
        self.source.shape()
    }

    fn classes(&self) -> usize {
        self.source.classes()
    }

    fn label(&self, i: usize) -> usize {
        self.source.label(self.place(i))
    }

    fn sample(&self, i: usize, rng: &mut Rng, out: &mut [f32]) -> Result<(), DataError> {
        self.source.sample(self.place(i), rng, out)
    }
}
