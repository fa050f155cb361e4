//! Random numbers that depend on what they are for, never on which thread draws them.

use rand::SeedableRng;

/// The generator handed to every random function of this crate.
pub type Rng = rand_chacha::ChaCha8Rng;

/// What a stream of random numbers serves; streams of unlike purpose are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Dividing a dataset that has no official split.
    Split = 1,
    /// Order of the samples of an epoch.
    Shuffle = 2,
    /// Augmentation of one sample.
    Sample = 3,
    /// Mixing of one batch.
    Mix = 4,
}

/// The stream of sample or batch `index` in `epoch` of a run with `seed`.
///
/// The four numbers are the key of the cipher, so any two streams are independent and none needs
/// another to be drawn first.
pub fn rng(seed: u64, epoch: u64, purpose: Purpose, index: u64) -> Rng {
    let mut key = [0; 32];
    for (word, value) in key.chunks_exact_mut(8).zip([seed, epoch, purpose as u64, index]) {
        word.copy_from_slice(&value.to_le_bytes());
    }
    Rng::from_seed(key)
}
