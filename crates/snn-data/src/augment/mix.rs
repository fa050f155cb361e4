//! Mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019) over a batch, as timm's
//! `Mixup` in batch mode.

use super::{in_range, probability};
use crate::{DataError, random::Rng};
use rand::RngExt;
use rand_distr::{Beta, Distribution};
use serde::{Deserialize, Serialize};

/// Mixing of each sample of a batch with its mirror: sample i with sample B - 1 - i.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Mixup draws its share from Beta(mixup, mixup); 0 is off.
    pub mixup: f64,
    /// CutMix draws its share from Beta(cutmix, cutmix); 0 is off.
    pub cutmix: f64,
    /// Probability that a batch is mixed at all.
    pub probability: f64,
    /// Probability of CutMix where both are on.
    pub switch: f64,
    /// First epoch (from 0) without mixing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_epoch: Option<usize>,
}

impl Default for Mix {
    fn default() -> Self {
        Self { mixup: 0.0, cutmix: 0.0, probability: 1.0, switch: 0.5, off_epoch: None }
    }
}

/// What happens to one batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mixing {
    /// `x_i = keep x_i + (1 - keep) x_(B-1-i)`.
    Mixup {
        /// Share of the sample itself.
        keep: f32,
    },
    /// The window of the mirror sample replaces that of the sample.
    CutMix {
        /// First row, end row.
        rows: [usize; 2],
        /// First column, end column.
        columns: [usize; 2],
        /// Share of the sample itself: the area outside of the window.
        keep: f32,
    },
}

impl Mixing {
    /// Share of the sample itself in its target.
    pub fn keep(&self) -> f32 {
        match *self {
            Self::Mixup { keep } | Self::CutMix { keep, .. } => keep,
        }
    }
}

impl Mix {
    pub(crate) fn validate(&self) -> Result<(), DataError> {
        let Self { mixup, cutmix, probability: p, switch, off_epoch: _ } = self;
        in_range("augment.mix.mixup", *mixup, 0.0, 1e3, "a Beta parameter from 0 to 1000")?;
        in_range("augment.mix.cutmix", *cutmix, 0.0, 1e3, "a Beta parameter from 0 to 1000")?;
        probability("augment.mix.probability", *p)?;
        probability("augment.mix.switch", *switch)
    }

    /// Decides what happens to a batch of `epoch` with frames of `height` x `width`.
    pub fn draw(&self, epoch: usize, [height, width]: [usize; 2], rng: &mut Rng) -> Option<Mixing> {
        let (mixup, cutmix) = (self.mixup > 0.0, self.cutmix > 0.0);
        let on = self.off_epoch.is_none_or(|off| epoch < off);
        if !on || !(mixup || cutmix) || !rng.random_bool(self.probability) {
            return None;
        }
        if !cutmix || (mixup && !rng.random_bool(self.switch)) {
            return Some(Mixing::Mixup { keep: share(self.mixup, rng) as f32 });
        }
        // The window has the shape of the frame and is cut off at its edges, so the share is
        // taken anew from what is left of it.
        let side = (1.0 - share(self.cutmix, rng)).sqrt();
        let rows = window(height, side, rng);
        let columns = window(width, side, rng);
        let area = (rows[1] - rows[0]) * (columns[1] - columns[0]);
        let keep = 1.0 - area as f32 / (height * width) as f32;
        Some(Mixing::CutMix { rows, columns, keep })
    }
}

/// A draw from Beta(alpha, alpha).
fn share(alpha: f64, rng: &mut Rng) -> f64 {
    match Beta::new(alpha, alpha) {
        Ok(beta) => beta.sample(rng),
        Err(e) => unreachable!("alpha {alpha} was checked to be above 0: {e}"),
    }
}

/// A window of `fraction` of `length` about a random centre, cut off at the ends.
fn window(length: usize, fraction: f64, rng: &mut Rng) -> [usize; 2] {
    let half = (length as f64 * fraction) as usize / 2;
    let centre = rng.random_range(0..length);
    [centre.saturating_sub(half), (centre + half).min(length)]
}

/// Mixes the samples of a batch in place.
///
/// # Shapes
/// `values`: `[B, T, H, W, C]` for `frame` = `[T, H, W, C]`; every time step is mixed alike.
///
/// # Panics
/// If `values` is not a whole number of samples, or a window leaves the frame.
pub fn mix(values: &mut [f32], frame: [usize; 4], mixing: Mixing) {
    let sample: usize = frame.iter().product();
    let mut samples: Vec<&mut [f32]> = values.chunks_exact_mut(sample).collect();
    let half = samples.len() / 2;
    let (front, back) = samples.split_at_mut(half);
    for (a, b) in front.iter_mut().zip(back.iter_mut().rev()) {
        match mixing {
            Mixing::Mixup { keep } => {
                for (a, b) in a.iter_mut().zip(b.iter_mut()) {
                    let (x, y) = (*a, *b);
                    *a = keep * x + (1.0 - keep) * y;
                    *b = keep * y + (1.0 - keep) * x;
                }
            }
            Mixing::CutMix { rows, columns, .. } => {
                let [_, height, width, channels] = frame;
                let row = width * channels;
                for y in
                    (0..frame[0] * height).filter(|y| (rows[0]..rows[1]).contains(&(y % height)))
                {
                    let span = y * row + columns[0] * channels..y * row + columns[1] * channels;
                    a[span.clone()].swap_with_slice(&mut b[span]);
                }
            }
        }
    }
}
