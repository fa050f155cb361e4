use snn_hash::BitCodes;

/// How often two sets of spike trains fire together.
///
/// Counts add up over an evaluation: the rate is that of all spikes, not a mean of rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synchrony {
    /// Pairs of spikes that meet.
    pub coincident: u64,
    /// Spikes of both sides.
    pub spikes: u64,
}

impl Synchrony {
    /// `2 coincident / spikes`, 0 to 1; `None` if there is no spike at all.
    pub fn rate(&self) -> Option<f64> {
        (self.spikes > 0).then(|| 2.0 * self.coincident as f64 / self.spikes as f64)
    }

    /// Adds trains, step by step: bit `r` of code `i` of one side meets that of the other side if
    /// both fire in the same step.
    ///
    /// # Panics
    /// If the two sides differ in steps, codes or width.
    pub fn add(&mut self, a: &[BitCodes], b: &[BitCodes]) {
        assert_eq!(a.len(), b.len(), "as many steps on both sides");
        for (a, b) in a.iter().zip(b) {
            assert_eq!(a.len(), b.len(), "as many trains on both sides");
            for i in 0..a.len() {
                self.coincident += u64::from(a.overlap(i, b, i));
                self.spikes += u64::from(a.overlap(i, a, i)) + u64::from(b.overlap(i, b, i));
            }
        }
    }

    /// As [`Synchrony::add`], but spikes also meet within `tolerance` steps; each meets at most
    /// one, the earliest that is free.
    ///
    /// # Panics
    /// If the two sides differ in steps, codes or width.
    pub fn add_tolerant(&mut self, a: &[BitCodes], b: &[BitCodes], tolerance: usize) {
        assert_eq!(a.len(), b.len(), "as many steps on both sides");
        let Some(first) = a.first() else { return };
        let trains = |side: &[BitCodes], i: usize, r: usize| -> Vec<usize> {
            (0..side.len()).filter(|&t| side[t].get(i, r)).collect()
        };
        for i in 0..first.len() {
            for r in 0..first.bits() {
                let (a, b) = (trains(a, i, r), trains(b, i, r));
                self.spikes += (a.len() + b.len()) as u64;
                let (mut x, mut y) = (0, 0);
                while x < a.len() && y < b.len() {
                    if a[x].abs_diff(b[y]) <= tolerance {
                        self.coincident += 1;
                        (x, y) = (x + 1, y + 1);
                    } else if a[x] < b[y] {
                        x += 1;
                    } else {
                        y += 1;
                    }
                }
            }
        }
    }
}
