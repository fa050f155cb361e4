//! Dividing datasets that have no official split.

use super::Recording;
use crate::{
    DataError,
    random::{Purpose, rng},
};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// How a dataset without official split is divided, class by class; of n recordings ⌈share n⌉ are
/// for training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Splitting {
    /// Drawn by a seed.
    Seeded {
        /// Seed.
        seed: u64,
        /// Share for training.
        share: f64,
    },
    /// The first recordings in the order of their names (as text) are for training: what
    /// SpikingJelly's `split_to_train_test_set` does, and with it the code of most papers.
    First {
        /// Share for training.
        share: f64,
    },
}

impl Default for Splitting {
    /// Nine tenths for training, drawn by seed 0.
    fn default() -> Self {
        Self::Seeded { seed: 0, share: 0.9 }
    }
}

/// How a dataset was divided, for reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The rule in words.
    pub rule: String,
    /// SHA-256 over the lines `train <path>` and `test <path>` in the order of the paths below the
    /// dataset's folder; none for official splits.
    pub sha256: Option<String>,
}

impl Split {
    pub(super) fn official(rule: &str) -> Self {
        Self { rule: rule.into(), sha256: None }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.sha256 {
            Some(sum) => write!(f, "{} (sha256 {sum})", self.rule),
            None => f.write_str(&self.rule),
        }
    }
}

impl Splitting {
    /// Divides `all`, which is ordered by class and name, into training and test recordings.
    pub(super) fn divide(
        self,
        root: &Path,
        all: Vec<Recording>,
    ) -> Result<(Split, Vec<Recording>, Vec<Recording>), DataError> {
        let (Self::Seeded { share, .. } | Self::First { share }) = self;
        if !(0.0..=1.0).contains(&share) {
            return Err(DataError::Setting {
                setting: "share",
                expected: "from 0 to 1",
                found: share.to_string(),
            });
        }
        let (mut train, mut test, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for class in all.chunk_by(|a, b| a.label == b.label) {
            let mut order: Vec<usize> = (0..class.len()).collect();
            if let Self::Seeded { seed, .. } = self {
                let label = class[0].label as u64;
                order.shuffle(&mut rng(seed, 0, Purpose::Split, label));
            }
            let count = (share * class.len() as f64).ceil() as usize;
            let (mut first, mut rest) = (order[..count].to_vec(), order[count..].to_vec());
            first.sort_unstable();
            rest.sort_unstable();
            for (name, chosen, part) in [("train", first, &mut train), ("test", rest, &mut test)] {
                for i in chosen {
                    let below = class[i].path.strip_prefix(root).unwrap_or(&class[i].path);
                    let parts: Vec<_> =
                        below.components().map(|c| c.as_os_str().to_string_lossy()).collect();
                    lines.push((parts.join("/"), name));
                    part.push(class[i].clone());
                }
            }
        }
        lines.sort();
        let mut digest = Sha256::new();
        for (path, name) in lines {
            digest.update(format!("{name} {path}\n"));
        }
        let sum = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let rule = match self {
            Self::Seeded { seed, share } => format!("{share} of each class drawn by seed {seed}"),
            Self::First { share } => format!("first {share} of each class in the order of names"),
        };
        Ok((Split { rule, sha256: Some(sum) }, train, test))
    }
}
