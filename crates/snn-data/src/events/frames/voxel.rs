//! Voxel grids: polarity spread over the two nearest steps.

use super::slice::sorted;
use crate::events::{Event, EventError, Sensor};

/// Voxel grid `[bins, H, W]` with linear interpolation in time.
///
/// An event at scaled time τ = bins (t - t₀) / (t₁ - t₀) adds p (1 - (τ - ⌊τ⌋)) to step ⌊τ⌋ and
/// p (τ - ⌊τ⌋) to the next, where p is 1 for ON and -1 for OFF; what falls past the last step is
/// left out. Source: Zhu et al., *Unsupervised event-based learning of optical flow, depth, and
/// egomotion*, CVPR 2019, eq. 1 and 2, with the scaling of time that tonic uses.
///
/// # Errors
/// [`EventError::TooFew`] unless two events differ in time; [`EventError::Unsorted`];
/// [`EventError::Outside`]; [`EventError::Setting`] for 0 bins.
pub fn voxel_grid(events: &[Event], sensor: Sensor, bins: usize) -> Result<Vec<f64>, EventError> {
    if bins == 0 {
        let (setting, expected) = ("bins", "at least 1");
        return Err(EventError::Setting { setting, expected, found: "0".into() });
    }
    sorted(events)?;
    let span = match (events.first(), events.last()) {
        (Some(first), Some(last)) if last.t() > first.t() => (last.t() - first.t()) as f64,
        _ => {
            let expected = "at least two of unlike time";
            return Err(EventError::TooFew { found: events.len(), expected });
        }
    };
    if let Some(index) = events.iter().position(|&e| !sensor.holds(e)) {
        let (x, y) = (events[index].x(), events[index].y());
        return Err(EventError::Outside { index, x, y, sensor });
    }
    let mut grid = vec![0.0; bins * sensor.pixels()];
    let first = events[0].t();
    let place = |event: &Event| {
        let tau = bins as f64 * (event.t() - first) as f64 / span;
        let pixel = usize::from(event.y()) * usize::from(sensor.width) + usize::from(event.x());
        let polarity = if event.p() { 1.0 } else { -1.0 };
        (tau as usize, tau.fract(), pixel, polarity)
    };
    // The lower steps first, then the upper ones, so that sums have tonic's order.
    for (step, fraction, pixel, polarity) in events.iter().map(place) {
        if step < bins {
            grid[step * sensor.pixels() + pixel] += polarity * (1.0 - fraction);
        }
    }
    for (step, fraction, pixel, polarity) in events.iter().map(place) {
        if step + 1 < bins {
            grid[(step + 1) * sensor.pixels() + pixel] += polarity * fraction;
        }
    }
    Ok(grid)
}
