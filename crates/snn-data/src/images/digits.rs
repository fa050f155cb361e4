//! The UCI handwritten digits: 1,797 images of 8 x 8 that travel inside the program.
//!
//! Alpaydin and Kaynak, *Optical recognition of handwritten digits*, UCI machine learning
//! repository 1998; the copy is the one of the `smartcore` crate.

use super::Images;
use crate::random::{Purpose, rng};
use rand::seq::SliceRandom;
use smartcore::dataset::digits::load_dataset;

/// Seed of the split; part of its definition, never to be changed.
const SPLIT_SEED: u64 = 2023;

/// Training (1,437) and test (360) images, values 0..=16 of the source scaled to 0..=255.
///
/// The source has no split of its own that fits its size, so this one is ours: shuffle by a fixed
/// seed, sort by class (stably), and every fifth image, beginning with the first, is for testing.
/// So each class has a fifth of its images in the test set, give or take one. The manifest states
/// the hash of the split.
pub fn split() -> (Images, Images) {
    let all = images();
    let (train, test) = divide(&all);
    (all.select(&train), all.select(&test))
}

/// All images in the order of the source.
fn images() -> Images {
    let source = load_dataset();
    let scale = |&v: &f32| (v * 255.0 / 16.0).round() as u8;
    let pixels = source.data.iter().map(scale).collect();
    let labels = source.target.iter().map(|&label| label as u16).collect();
    Images::new([8, 8, 1], pixels, labels, 10)
}

/// Indices for training and for testing.
fn divide(all: &Images) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.shuffle(&mut rng(SPLIT_SEED, 0, Purpose::Split, 0));
    order.sort_by_key(|&i| all.label(i));
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (rank, i) in order.into_iter().enumerate() {
        if rank % 5 == 0 { test.push(i) } else { train.push(i) }
    }
    (train, test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_split_never_changes() {
        let (train, test) = divide(&images());
        assert_eq!((train.len(), test.len()), (1437, 360));
        let mut parts: Vec<(usize, &str)> = train.into_iter().map(|i| (i, "train")).collect();
        parts.extend(test.into_iter().map(|i| (i, "test")));
        parts.sort_unstable();
        assert!(parts.iter().map(|(i, _)| *i).eq(0..1797));
        let lines: String = parts.iter().map(|(i, part)| format!("{part} {i}\n")).collect();
        let sum: String = Sha256::digest(lines).iter().map(|b| format!("{b:02x}")).collect();
        let stated = Manifest::named("digits").unwrap().split;
        assert!(stated.contains(&sum), "{sum} is not in: {stated}");
    }

    #[test]
    fn classes_are_spread_evenly() {
        let (train, test) = split();
        for class in 0..10 {
            let count =
                |images: &Images| (0..images.len()).filter(|&i| images.label(i) == class).count();
            let (train, test) = (count(&train), count(&test));
            assert!(test.abs_diff((train + test) / 5) <= 1, "{class}: {train} and {test}");
        }
    }
}
