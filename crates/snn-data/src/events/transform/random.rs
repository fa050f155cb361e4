//! Random changes of recordings.

use super::geometry::{crop, event_rows};
use crate::{
    events::{Event, EventError, Sensor},
    random::Rng,
};
use rand::{RngExt, seq::index::sample};
use rand_distr::{Distribution, Normal};

fn share(setting: &'static str, value: f64) -> Result<(), EventError> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => {
            let expected = "from 0 to 1";
            Err(EventError::Setting { setting, expected, found: value.to_string() })
        }
    }
}

fn normal(setting: &'static str, deviation: f64) -> Result<Normal<f64>, EventError> {
    let wrong = || EventError::Setting {
        setting,
        expected: "a finite number of at least 0",
        found: deviation.to_string(),
    };
    if deviation.is_nan() || deviation < 0.0 {
        return Err(wrong());
    }
    Normal::new(0.0, deviation).map_err(|_| wrong())
}

/// Leaves out `probability` of the events, drawn without replacement and rounded to the nearest
/// number; tonic's `DropEvent`.
///
/// # Errors
/// [`EventError::Setting`] for a probability outside of 0 to 1.
pub fn drop_share(
    events: &[Event],
    probability: f64,
    rng: &mut Rng,
) -> Result<Vec<Event>, EventError> {
    share("drop", probability)?;
    let count = (probability * events.len() as f64 + 0.5) as usize;
    let mut gone = vec![false; events.len()];
    sample(rng, events.len(), count.min(events.len())).iter().for_each(|i| gone[i] = true);
    Ok(events.iter().zip(gone).filter(|(_, gone)| !gone).map(|(e, _)| *e).collect())
}

/// Leaves out an interval of `ratio` of the recording; tonic's `DropEventByTime`, which places it
/// between time 0 and the last event.
///
/// # Errors
/// [`EventError::Setting`] for a ratio outside of 0 to 1.
pub fn drop_interval(
    events: &[Event],
    ratio: f64,
    rng: &mut Rng,
) -> Result<Vec<Event>, EventError> {
    share("drop", ratio)?;
    let end = events.iter().map(|e| e.t()).max().unwrap_or(0) as f64;
    let length = end * ratio;
    let start = rng.random::<f64>() * (end - length);
    let inside = |e: &Event| (start..=start + length).contains(&(e.t() as f64));
    Ok(events.iter().copied().filter(|e| !inside(e)).collect())
}

/// Leaves out a box of `ratio` of the sensor's width and height; tonic's `DropEventByArea`.
///
/// # Errors
/// [`EventError::Setting`] for a ratio outside of 0 to 1.
pub fn drop_area(
    events: &[Event],
    sensor: Sensor,
    ratio: f64,
    rng: &mut Rng,
) -> Result<Vec<Event>, EventError> {
    share("drop", ratio)?;
    let cut = |side: u16| (f64::from(side) * ratio) as u16;
    let size = Sensor::new(cut(sensor.width), cut(sensor.height));
    let mut first =
        |side: u16, cut: u16| if side > cut { rng.random_range(0..side - cut) } else { 0 };
    let (left, top) = (first(sensor.width, size.width), first(sensor.height, size.height));
    let inside = |e: &Event| {
        e.x().checked_sub(left).is_some_and(|x| x < size.width)
            && e.y().checked_sub(top).is_some_and(|y| y < size.height)
    };
    Ok(events.iter().copied().filter(|e| !inside(e)).collect())
}

/// Cuts a window of `size` out of `sensor` at a random place; tonic's `RandomCrop`.
///
/// # Errors
/// [`EventError::Setting`] for a window that is larger than the sensor.
pub fn random_crop(
    events: &[Event],
    sensor: Sensor,
    size: Sensor,
    rng: &mut Rng,
) -> Result<Vec<Event>, EventError> {
    let room = sensor.width.checked_sub(size.width).zip(sensor.height.checked_sub(size.height));
    let Some((width, height)) = room else {
        let (setting, expected) = ("crop", "at most the size of the sensor");
        return Err(EventError::Setting { setting, expected, found: size.to_string() });
    };
    let corner = (rng.random_range(0..=width), rng.random_range(0..=height));
    Ok(crop(events, corner, size))
}

/// Moves every event by normal noise of `deviation` pixels in both directions, cut to whole pixels;
/// events that leave the sensor are left out. tonic's `SpatialJitter` with `clip_outliers`.
///
/// # Errors
/// [`EventError::Setting`] for a negative deviation.
pub fn jitter_space(
    events: &[Event],
    sensor: Sensor,
    deviation: f64,
    rng: &mut Rng,
) -> Result<Vec<Event>, EventError> {
    let noise = normal("spatial jitter", deviation)?;
    let mut moved = |place: u16| {
        let place = (f64::from(place) + noise.sample(rng)).trunc();
        (0.0..65536.0).contains(&place).then_some(place as u16)
    };
    let moved = events.iter().filter_map(|e| {
        let (x, y) = (moved(e.x()), moved(e.y()));
        Event::checked(e.t(), x?, y?, e.p())
    });
    Ok(moved.filter(|&e| sensor.holds(e)).collect())
}

/// Moves every time by normal noise of `deviation` microseconds and sorts the events; tonic's
/// `TimeJitter` with `sort_timestamps`.
///
/// # Errors
/// [`EventError::Setting`] for a negative deviation.
pub fn jitter_time(
    events: &[Event],
    deviation: f64,
    rng: &mut Rng,
) -> Result<Vec<Event>, EventError> {
    let noise = normal("time jitter", deviation)?;
    let moved = |e: &Event| e.with_t((e.t() as f64 + noise.sample(rng)) as i64);
    let mut events: Vec<Event> = events.iter().map(moved).collect();
    events.sort_by_key(|e| e.t());
    Ok(events)
}

/// Replaces each time t by `coefficient` t + `offset`; tonic's `TimeSkew`.
pub fn skew_time(events: &[Event], coefficient: f64, offset: f64) -> Vec<Event> {
    events.iter().map(|e| e.with_t((e.t() as f64 * coefficient + offset) as i64)).collect()
}

/// Adds `count` events, uniform over the sensor, both polarities and the time of the recording;
/// tonic's `UniformNoise`.
///
/// # Errors
/// [`EventError::TooFew`] without events to take the time from; [`EventError::Setting`] for a sensor
/// without pixels or with more rows than an event can name.
pub fn uniform_noise(
    events: &[Event],
    sensor: Sensor,
    count: usize,
    rng: &mut Rng,
) -> Result<Vec<Event>, EventError> {
    let times = events.iter().map(|e| e.t());
    let Some((first, last)) = times.clone().min().zip(times.max()) else {
        return Err(EventError::TooFew { found: 0, expected: "at least one" });
    };
    if sensor.pixels() == 0 {
        let (setting, expected) = ("sensor", "at least one pixel");
        return Err(EventError::Setting { setting, expected, found: sensor.to_string() });
    }
    event_rows(sensor)?;
    let mut noisy = events.to_vec();
    noisy.extend((0..count).map(|_| {
        let t = rng.random_range(first..=last);
        let (x, y) = (rng.random_range(0..sensor.width), rng.random_range(0..sensor.height));
        Event::new(t, x, y, rng.random())
    }));
    noisy.sort_by_key(|e| e.t());
    Ok(noisy)
}
