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
/// So each class has a fifth of its images in the test set, give or take one.
pub fn split() -> (Images, Images) {
    let source = load_dataset();
    let side = 8;
    let scale = |&v: &f32| (v * 255.0 / 16.0).round() as u8;
    let pixels = source.data.iter().map(scale).collect();
    let labels: Vec<u16> = source.target.iter().map(|&l| l as u16).collect();
    let all = Images::new([side, side, 1], pixels, labels, 10);

    let mut order: Vec<usize> = (0..all.len()).collect();
    order.shuffle(&mut rng(SPLIT_SEED, 0, Purpose::Split, 0));
    order.sort_by_key(|&i| all.label(i));
    let (test, train): (Vec<_>, Vec<_>) = order.iter().enumerate().partition(|(k, _)| k % 5 == 0);
    let indices =
        |part: Vec<(usize, &usize)>| part.into_iter().map(|(_, &i)| i).collect::<Vec<_>>();
    (all.select(&indices(train)), all.select(&indices(test)))
}
