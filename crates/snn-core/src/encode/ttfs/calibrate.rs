use ndarray::ArrayD;

use super::{Quantizer, TtfsError};

/// How often each level was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Histogram {
    /// A histogram of `levels` levels that has seen nothing.
    pub fn new(levels: u32) -> Self {
        Self { counts: vec![0; levels as usize] }
    }

    /// The histogram of what was counted elsewhere, from level 0 on.
    pub const fn from_counts(counts: Vec<u64>) -> Self {
        Self { counts }
    }

    /// The histogram of `x` under `quantizer`.
    ///
    /// # Errors
    /// [`TtfsError::NotFinite`].
    pub fn of(quantizer: &Quantizer, x: &ArrayD<f32>) -> Result<Self, TtfsError> {
        let mut histogram = Self::new(quantizer.levels());
        histogram.add(quantizer.quantize(x)?)?;
        Ok(histogram)
    }

    /// Adds levels that were seen.
    ///
    /// # Errors
    /// [`TtfsError::Level`] for one that it does not have; then nothing was added.
    pub fn add(&mut self, levels: impl IntoIterator<Item = u32>) -> Result<(), TtfsError> {
        let mut counts = self.counts.clone();
        let greatest = (counts.len() as u32).saturating_sub(1);
        for (index, found) in levels.into_iter().enumerate() {
            match counts.get_mut(found as usize) {
                Some(count) => *count += 1,
                None => return Err(TtfsError::Level { index, found, greatest }),
            }
        }
        self.counts = counts;
        Ok(())
    }

    /// How often each level was seen, from level 0 on.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Levels that were seen.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The mask level that silences the most: the most frequent; of equal ones that nearest to
    /// the zero point, of equally near ones the lower.
    ///
    /// # Errors
    /// [`TtfsError::Unseen`] if nothing was seen.
    pub fn mode(&self, quantizer: &Quantizer) -> Result<u32, TtfsError> {
        let zero_point = i64::from(quantizer.zero_point());
        let seen = (0u32..).zip(&self.counts).filter(|(_, count)| **count > 0);
        seen.min_by_key(|&(level, &count)| {
            (std::cmp::Reverse(count), (i64::from(level) - zero_point).abs(), level)
        })
        .map(|(level, _)| level)
        .ok_or(TtfsError::Unseen)
    }

    /// Share of what was seen that `mask` and `dead_zone` silence; NaN if nothing was seen.
    pub fn silent(&self, mask: u32, dead_zone: u32) -> f64 {
        let near = (0u32..).zip(&self.counts).filter(|(q, _)| q.abs_diff(mask) <= dead_zone);
        near.map(|(_, &count)| count).sum::<u64>() as f64 / self.total() as f64
    }
}
