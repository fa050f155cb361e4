//! Augmentation of frames as in the official recipes: one random map for all steps of a sample.

use crate::{events::EventError, random::Rng};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Augmentation of event frames `[T, H, W, C]`; every step of a sample is moved alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrameAugment {
    /// Probability of a mirror image.
    pub flip: f64,
    /// What happens to it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<FramePolicy>,
}

/// A recipe that draws one operation a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FramePolicy {
    /// Nothing, shear, shift, turn or cut-out, of 31 strengths: the `SNNAugmentWide` of the
    /// CIFAR10-DVS code of Spikformer (Zhou et al., ICLR 2023), which later transformers share.
    SnnAugmentWide,
    /// Roll by up to 3 pixels, turn or shear by up to 15 degrees: Li et al., *Neuromorphic data
    /// augmentation for training spiking neural networks*, ECCV 2022, as applied to CIFAR10-DVS in
    /// the code of TET (Deng et al., ICLR 2022).
    Nda,
}

/// One operation; places are counted from the centre of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Identity,
    /// The pixel at (x, y) shows what lay at (a x + b y + c, d x + e y + f).
    Affine([f64; 6]),
    /// Rows and columns move around the edges.
    Roll {
        rows: i64,
        columns: i64,
    },
    /// A square of this share of the frame becomes 0.
    CutOut {
        share: f64,
    },
}

fn rotate(degrees: f64) -> Op {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Op::Affine([cos, -sin, 0.0, sin, cos, 0.0])
}

fn shear(tangent: f64) -> Op {
    Op::Affine([1.0, tangent, 0.0, 0.0, 1.0, 0.0])
}

fn shift(columns: f64, rows: f64) -> Op {
    Op::Affine([1.0, 0.0, -columns, 0.0, 1.0, -rows])
}

impl FramePolicy {
    fn draw(self, rng: &mut Rng) -> Op {
        match self {
            Self::SnnAugmentWide => {
                let op = rng.random_range(0..6);
                // One of 31 values from -1 to 1, which the recipe then gives a random sign.
                let strength = f64::from(rng.random_range(0..31)) / 15.0 - 1.0;
                let strength = if rng.random() { -strength } else { strength };
                match op {
                    0 => Op::Identity,
                    1 => shear((0.3 * strength).tan()),
                    2 => shift((5.0 * strength).trunc(), 0.0),
                    3 => shift(0.0, (5.0 * strength).trunc()),
                    4 => rotate(30.0 * strength),
                    _ => Op::CutOut { share: 0.001 + 0.109 * rng.random::<f64>() },
                }
            }
            Self::Nda => {
                let mut degrees = || 30.0 * rng.random::<f64>() - 15.0;
                match (degrees(), rng.random_range(0..3)) {
                    (_, 0) => Op::Roll {
                        rows: rng.random_range(-3..=3),
                        columns: rng.random_range(-3..=3),
                    },
                    (degrees, 1) => rotate(degrees),
                    (degrees, _) => shear(degrees.to_radians().tan()),
                }
            }
        }
    }
}

impl Op {
    /// For each pixel of the result the pixel that it shows, or none for 0.
    fn sources(self, height: usize, width: usize, rng: &mut Rng) -> Vec<Option<usize>> {
        let inside = |x: i64, y: i64| {
            let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
            (x < width && y < height).then_some(y * width + x)
        };
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        match self {
            Self::Identity => (0..height * width).map(Some).collect(),
            Self::Affine([a, b, c, d, e, f]) => {
                let (cx, cy) = (width as f64 / 2.0 - 0.5, height as f64 / 2.0 - 0.5);
                let source = |(x, y): (usize, usize)| {
                    let (x, y) = (x as f64 - cx, y as f64 - cy);
                    let (u, v) = (a * x + b * y + c + cx, d * x + e * y + f + cy);
                    inside(u.round_ties_even() as i64, v.round_ties_even() as i64)
                };
                places.map(source).collect()
            }
            Self::Roll { rows, columns } => {
                let back = |place: usize, by: i64, size: usize| {
                    (place as i64 - by).rem_euclid(size as i64) as usize
                };
                let source = |(x, y)| Some(back(y, rows, height) * width + back(x, columns, width));
                places.map(source).collect()
            }
            Self::CutOut { share } => {
                let side = (share * (height * width) as f64).sqrt().round() as usize;
                if side >= height || side >= width {
                    return (0..height * width).map(Some).collect();
                }
                let top = rng.random_range(0..=height - side);
                let left = rng.random_range(0..=width - side);
                let cut = |x: usize, y: usize| {
                    (left..left + side).contains(&x) && (top..top + side).contains(&y)
                };
                places.map(|(x, y)| (!cut(x, y)).then_some(y * width + x)).collect()
            }
        }
    }
}

impl FrameAugment {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`EventError::Setting`] for a probability outside of 0 to 1.
    pub fn validate(&self) -> Result<(), EventError> {
        match (0.0..=1.0).contains(&self.flip) {
            true => Ok(()),
            false => Err(EventError::Setting {
                setting: "flip",
                expected: "a probability from 0 to 1",
                found: self.flip.to_string(),
            }),
        }
    }

    /// Changes `frames` `[T, H, W, C]` in place.
    ///
    /// # Panics
    /// If the length of `frames` is not the product of `shape`, or a setting is out of its range.
    pub fn apply(&self, frames: &mut [f32], shape: [usize; 4], rng: &mut Rng) {
        assert_eq!(frames.len(), shape.iter().product::<usize>(), "frames must have this shape");
        let [_, height, width, channels] = shape;
        let flip = self.flip > 0.0 && rng.random_bool(self.flip);
        let op = self.policy.map_or(Op::Identity, |policy| policy.draw(rng));
        if frames.is_empty() || (!flip && op == Op::Identity) {
            return;
        }
        let sources: Vec<Option<usize>> = op
            .sources(height, width, rng)
            .into_iter()
            // The mirror image comes first, so the operation looks into the mirror.
            .map(|s| s.map(|s| if flip { s - s % width + (width - 1 - s % width) } else { s }))
            .collect();
        let mut before = vec![0.0; height * width * channels];
        for frame in frames.chunks_exact_mut(height * width * channels) {
            before.copy_from_slice(frame);
            for (pixel, source) in frame.chunks_exact_mut(channels).zip(&sources) {
                match source {
                    Some(s) => pixel.copy_from_slice(&before[s * channels..(s + 1) * channels]),
                    None => pixel.fill(0.0),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, rng};

    fn moved(op: Op, frame: &[i32], width: usize) -> Vec<i32> {
        let sources = op.sources(frame.len() / width, width, &mut rng(0, 0, Purpose::Sample, 0));
        sources.iter().map(|s| s.map_or(0, |s| frame[s])).collect()
    }

    #[test]
    fn operations_move_as_torchvision_does() {
        let frame = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(moved(shift(1.0, 0.0), &frame, 3), [0, 1, 2, 0, 4, 5, 0, 7, 8]);
        assert_eq!(moved(shift(0.0, -1.0), &frame, 3), [4, 5, 6, 7, 8, 9, 0, 0, 0]);
        // Counter-clockwise for a positive angle.
        assert_eq!(moved(rotate(90.0), &frame, 3), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(moved(shear(1.0), &frame, 3), [0, 1, 2, 4, 5, 6, 8, 9, 0]);
        let roll = Op::Roll { rows: 1, columns: -1 };
        assert_eq!(moved(roll, &frame, 3), [8, 9, 7, 2, 3, 1, 5, 6, 4]);
    }

    #[test]
    fn cut_out_takes_a_square_of_the_right_size() {
        let frame = vec![1; 128 * 128];
        let left: i32 = moved(Op::CutOut { share: 0.05 }, &frame, 128).iter().sum();
        assert_eq!(128 * 128 - left, 29 * 29);
    }
}
