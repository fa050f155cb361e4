//! Time surfaces: how long ago each pixel fired.

use super::Slicing;
use crate::events::{Event, EventError, Sensor};

/// Time surfaces `[T, 2, H, W]` of the whole sensor, one every `dt` microseconds.
///
/// At the end of window i each pixel and polarity holds exp(-(t₀ + (i + 1) dt - t) / `tau`), t the
/// time of its latest event, and 0 where there was none. Source: Lagorce et al., *HOTS: a
/// hierarchy of event-based time-surfaces for pattern recognition*, TPAMI 2017, eq. 2, sampled
/// as by tonic.
///
/// # Errors
/// Those of [`Slicing::ranges`] for windows of `dt`; [`EventError::Outside`];
/// [`EventError::Setting`] unless `tau` is above 0.
pub fn time_surfaces(
    events: &[Event],
    sensor: Sensor,
    dt: i64,
    tau: f64,
    incomplete: bool,
) -> Result<Vec<f64>, EventError> {
    if tau.is_nan() || tau <= 0.0 {
        let (setting, expected) = ("tau", "above 0 us");
        return Err(EventError::Setting { setting, expected, found: tau.to_string() });
    }
    let slicing = Slicing::TonicTime { window: dt, overlap: 0, incomplete };
    let mut latest = vec![f64::NEG_INFINITY; 2 * sensor.pixels()];
    let mut surfaces = Vec::new();
    for (i, range) in slicing.ranges(events)?.into_iter().enumerate() {
        for (index, &event) in events.iter().enumerate().take(range.end).skip(range.start) {
            let (t, x, y, p) = (event.t(), event.x(), event.y(), event.p());
            if !sensor.holds(event) {
                return Err(EventError::Outside { index, x, y, sensor });
            }
            let row = usize::from(p) * usize::from(sensor.height) + usize::from(y);
            latest[row * usize::from(sensor.width) + usize::from(x)] = t as f64;
        }
        let now = ((i as i64 + 1) * dt + events[0].t()) as f64;
        surfaces.extend(latest.iter().map(|t| (-(now - t) / tau).exp()));
    }
    Ok(surfaces)
}
