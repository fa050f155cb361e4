//! Cuts and mirrors without chance.

use crate::events::{Event, EventError, Sensor};

/// Keeps events in the window of size `size` whose first pixel is `(left, top)`, and counts columns
/// and rows from there.
pub fn crop(events: &[Event], (left, top): (u16, u16), size: Sensor) -> Vec<Event> {
    let moved = events.iter().filter_map(|event| {
        let (x, y) = (event.x().checked_sub(left)?, event.y().checked_sub(top)?);
        Some(event.with_place(x, y))
    });
    moved.filter(|&event| size.holds(event)).collect()
}

/// Keeps events from `start` on and before `end`, both in microseconds.
pub fn between(events: &[Event], start: i64, end: i64) -> Vec<Event> {
    events.iter().copied().filter(|e| (start..end).contains(&e.t())).collect()
}

/// That an event can lie on every row of the sensor.
pub(super) fn event_rows(sensor: Sensor) -> Result<(), EventError> {
    if sensor.height <= Event::LAST_ROW + 1 {
        return Ok(());
    }
    let (setting, expected) = ("sensor", "at most 32768 rows");
    Err(EventError::Setting { setting, expected, found: sensor.to_string() })
}

fn mirrored(
    events: &[Event],
    sensor: Sensor,
    mirror: impl Fn(Event) -> Event,
) -> Result<Vec<Event>, EventError> {
    event_rows(sensor)?;
    if let Some(index) = events.iter().position(|&e| !sensor.holds(e)) {
        let (x, y) = (events[index].x(), events[index].y());
        return Err(EventError::Outside { index, x, y, sensor });
    }
    Ok(events.iter().map(|&event| mirror(event)).collect())
}

/// Mirrors columns.
///
/// # Errors
/// [`EventError::Outside`] for an event beyond the sensor; [`EventError::Setting`] for a sensor with
/// more rows than an event can name.
pub fn flip_x(events: &[Event], sensor: Sensor) -> Result<Vec<Event>, EventError> {
    mirrored(events, sensor, |e| e.with_place(sensor.width - 1 - e.x(), e.y()))
}

/// Mirrors rows.
///
/// # Errors
/// [`EventError::Outside`] for an event beyond the sensor; [`EventError::Setting`] for a sensor with
/// more rows than an event can name.
pub fn flip_y(events: &[Event], sensor: Sensor) -> Result<Vec<Event>, EventError> {
    mirrored(events, sensor, |e| e.with_place(e.x(), sensor.height - 1 - e.y()))
}

/// Exchanges ON and OFF.
pub fn flip_polarity(events: &[Event]) -> Vec<Event> {
    events.iter().map(|&e| e.with_p(!e.p())).collect()
}

/// Plays the recording backwards: times are counted from its end, the order and the polarities are
/// reversed, for what grows brighter grows darker then.
pub fn reverse_time(events: &[Event]) -> Vec<Event> {
    let last = events.iter().map(|e| e.t()).max().unwrap_or(0);
    events.iter().rev().map(|&e| e.with_t(last - e.t()).with_p(!e.p())).collect()
}
