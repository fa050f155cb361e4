//! Filters of noise.

use crate::events::Event;
use std::collections::BTreeSet;

/// Pixels of a recording as a table: columns and rows up to the greatest that occurs.
struct Table {
    width: usize,
    height: usize,
    times: Vec<i64>,
}

impl Table {
    fn new(events: &[Event], start: i64) -> Self {
        let width = events.iter().map(|e| usize::from(e.x()) + 1).max().unwrap_or(0);
        let height = events.iter().map(|e| usize::from(e.y()) + 1).max().unwrap_or(0);
        Self { width, height, times: vec![start; width * height] }
    }

    fn place(&self, event: Event) -> usize {
        usize::from(event.y()) * self.width + usize::from(event.x())
    }
}

/// Keeps events that have a neighbour: one of the four pixels beside fired within `filter_time`
/// microseconds before. As tonic's `Denoise`, pixels count as having fired at time 0.
pub fn denoise(events: &[Event], filter_time: i64) -> Vec<Event> {
    let mut alive = Table::new(events, filter_time);
    let keep = |&event: &Event| {
        let (x, y, at) = (usize::from(event.x()), usize::from(event.y()), alive.place(event));
        alive.times[at] = event.t().saturating_add(filter_time);
        (x > 0 && alive.times[at - 1] > event.t())
            || (x + 1 < alive.width && alive.times[at + 1] > event.t())
            || (y > 0 && alive.times[at - alive.width] > event.t())
            || (y + 1 < alive.height && alive.times[at + alive.width] > event.t())
    };
    events
        .iter()
        .copied()
        .filter({
            let mut keep = keep;
            move |event| keep(event)
        })
        .collect()
}

/// Keeps events that come more than `period` microseconds after the last of their pixel, kept or
/// not; pixels count as having fired `period` before time 0. As tonic's `RefractoryPeriod`.
pub fn refractory(events: &[Event], period: i64) -> Vec<Event> {
    let mut last = Table::new(events, -period);
    let mut kept = Vec::new();
    for &event in events {
        let at = last.place(event);
        if event.t().saturating_sub(last.times[at]) > period {
            kept.push(event);
        }
        last.times[at] = event.t();
    }
    kept
}

/// Pixels `(x, y)` that fire more than `hertz` times a second over the whole recording.
pub fn hot_pixels(events: &[Event], hertz: f64) -> BTreeSet<(u16, u16)> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return BTreeSet::new();
    };
    let most = hertz * (last.t() - first.t()) as f64 * 1e-6;
    let mut table = Table::new(events, 0);
    for &event in events {
        let at = table.place(event);
        table.times[at] += 1;
    }
    let hot = |(at, &count): (usize, &i64)| {
        let pixel = ((at % table.width) as u16, (at / table.width) as u16);
        (count as f64 > most).then_some(pixel)
    };
    table.times.iter().enumerate().filter_map(hot).collect()
}

/// Leaves out every event of `pixels`.
pub fn drop_pixels(events: &[Event], pixels: &BTreeSet<(u16, u16)>) -> Vec<Event> {
    events.iter().copied().filter(|e| !pixels.contains(&(e.x(), e.y()))).collect()
}
