//! Learning rates over the course of training.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A linear warm-up, half a cosine, then a cool-down at its end, as timm's
/// `CosineLRScheduler` with one cycle: the cosine runs from the start, the
/// warm-up replaces its beginning.
///
/// Times are in any one unit, epochs as a rule; fractions serve schedules that
/// change with every batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosine {
    /// Learning rate that the cosine starts from.
    pub lr: f64,
    /// Learning rate that the cosine ends at, and of the cool-down.
    pub min_lr: f64,
    /// Learning rate that the warm-up starts from.
    pub warmup_lr: f64,
    /// Length of the warm-up.
    pub warmup: f64,
    /// Length of the cosine, warm-up included.
    pub length: f64,
    /// Length of the cool-down.
    pub cooldown: f64,
}

impl Cosine {
    /// The learning rate at time `t`.
    pub fn at(&self, t: f64) -> f64 {
        if t < self.warmup {
            self.warmup_lr + (self.lr - self.warmup_lr) * t / self.warmup
        } else if t < self.length {
            self.min_lr + 0.5 * (self.lr - self.min_lr) * (1.0 + (PI * t / self.length).cos())
        } else {
            self.min_lr
        }
    }

    /// When training ends.
    pub fn end(&self) -> f64 {
        self.length + self.cooldown
    }
}
