//! From data to positions, ticks and colours.

/// A linear map from data to coordinates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    domain: (f64, f64),
    range: (f64, f64),
}

impl Scale {
    pub(super) fn new(domain: (f64, f64), range: (f64, f64)) -> Self {
        Self { domain, range }
    }

    /// Where `x` lies; an empty domain puts everything in the middle.
    pub(super) fn at(&self, x: f64) -> f64 {
        self.range.0 + share(x, self.domain) * (self.range.1 - self.range.0)
    }
}

/// How far `x` is along the interval, 0 to 1 inside it. Halved before subtraction: the ends may
/// be too far apart for a float to hold the difference.
fn share(x: f64, (lo, hi): (f64, f64)) -> f64 {
    let width = hi / 2.0 - lo / 2.0;
    if width == 0.0 { 0.5 } else { (x / 2.0 - lo / 2.0) / width }
}

/// Least and greatest finite number, if there is one.
pub(super) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|x| x.is_finite()).fold(None, |range, x| match range {
        None => Some((x, x)),
        Some((lo, hi)) => Some((x.min(lo), x.max(hi))),
    })
}

/// Mean of the finite numbers; NaN if there is none.
pub(super) fn mean(values: &[f64]) -> f64 {
    let finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    finite.iter().sum::<f64>() / finite.len() as f64
}

/// Round numbers that cover an interval.
#[derive(Clone, Debug)]
pub(super) struct Ticks {
    /// The numbers, ascending; the first and the last enclose the interval.
    pub(super) at: Vec<f64>,
    step: f64,
}

impl Ticks {
    /// Steps of 1, 2 or 5 times a power of ten, about `count` of them.
    pub(super) fn covering((lo, hi): (f64, f64), count: usize) -> Self {
        let pad = if lo == hi { (lo.abs() * 0.1).max(1e-3) } else { 0.0 };
        let (lo, hi) = (lo - pad, hi + pad);
        let raw = (hi / count as f64 - lo / count as f64).abs();
        let power = 10f64.powi(raw.log10().floor() as i32);
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
        let step = step.into_iter().find(|s| *s >= raw * 0.999).unwrap_or(raw);
        let first = (lo / step + 1e-9).floor();
        let at: Vec<f64> = (0..=2 * count + 2)
            .map(|i| (first + i as f64) * step)
            .take_while(|x| *x - step < hi - 1e-9 * step)
            .collect();
        let covered = at.last().is_some_and(|last| *last >= hi - 1e-9 * step);
        if at.len() < 2 || !covered || !at.iter().all(|x| x.is_finite()) {
            return Self { at: vec![lo, hi], step: f64::NAN }; // too close or too far for steps
        }
        Self { at, step }
    }

    /// First and last tick.
    pub(super) fn domain(&self) -> (f64, f64) {
        let first = self.at.first().copied().unwrap_or(0.0);
        (first, self.at.last().copied().unwrap_or(first))
    }

    /// The tick `x` with the decimals that its step needs.
    pub(super) fn label(&self, x: f64) -> String {
        if x.abs() >= 1e6 || !self.step.is_finite() || self.step < 1e-6 {
            return format!("{x:.1e}");
        }
        let decimals = (-self.step.log10() + 1e-9).ceil().max(0.0) as usize;
        format!("{:.decimals$}", if x == 0.0 { 0.0 } else { x })
    }
}

/// Steps of a colour scale; the style sheet has a class for each.
pub(super) const LEVELS: usize = 32;

/// A colour scale.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ramp {
    /// From none to most.
    Amount,
    /// The same for what is wrong.
    Mistake,
    /// Laid over an image, which shows through where there is little.
    Cover,
}

impl Ramp {
    /// Letter that the names of its classes begin with.
    pub(super) fn letter(self) -> char {
        match self {
            Ramp::Amount => 'a',
            Ramp::Mistake => 'm',
            Ramp::Cover => 'c',
        }
    }

    /// Class of step `level`; a cell without one is hatched in grey.
    pub(super) fn class(self, level: Option<usize>) -> String {
        level.map_or("none".into(), |l| format!("{}{l}", self.letter()))
    }
}

/// Step of a colour scale for `x` between `lo` and `hi`; none if `x` is not finite.
pub(super) fn level(x: f64, range: (f64, f64)) -> Option<usize> {
    let steps = (LEVELS - 1) as f64;
    x.is_finite().then(|| (share(x, range) * steps).round().clamp(0.0, steps) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(interval: (f64, f64), count: usize) -> Vec<String> {
        let ticks = Ticks::covering(interval, count);
        ticks.at.iter().map(|&x| ticks.label(x)).collect()
    }

    #[test]
    fn ticks_are_round_and_enclose_the_interval() {
        assert_eq!(labels((0.0, 1.0), 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels((-1.0, 7.3), 5), ["-2", "0", "2", "4", "6", "8"]);
        assert_eq!(labels((3.0, 3.0), 3), ["2.6", "2.8", "3.0", "3.2", "3.4"]);
        for interval in [(0.0, f64::MAX), (f64::MIN, f64::MAX), (0.0, f64::MIN_POSITIVE)] {
            let (lo, hi) = Ticks::covering(interval, 5).domain();
            assert!(lo <= interval.0 && hi >= interval.1 * (1.0 - 1e-9), "{interval:?}");
        }
    }

    #[test]
    fn levels_span_the_range() {
        assert_eq!(level(0.0, (0.0, 2.0)), Some(0));
        assert_eq!(level(2.0, (0.0, 2.0)), Some(LEVELS - 1));
        assert_eq!(level(9.0, (0.0, 2.0)), Some(LEVELS - 1));
        assert_eq!(level(f64::NAN, (0.0, 2.0)), None);
    }

    #[test]
    fn what_is_not_finite_has_no_say() {
        assert_eq!(extent([f64::NAN, 2.0, f64::INFINITY, -1.0]), Some((-1.0, 2.0)));
        assert_eq!(extent([f64::NAN]), None);
        assert_eq!(mean(&[1.0, f64::NAN, 3.0]), 2.0);
        assert!(mean(&[]).is_nan());
    }
}
