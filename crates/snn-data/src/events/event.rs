//! One event and the sensor that it comes from.

/// A change of brightness at one pixel, or a spike of one channel: 12 bytes, because memory bounds
/// most that is done with millions of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(C)] // the order that vector instructions read and write
pub struct Event {
    /// The low and the high half of the time.
    time: [u32; 2],
    x: u16,
    /// The row; the polarity in the highest bit.
    row: u16,
}

impl Event {
    /// Where the column and the row lie in its bytes.
    #[cfg(target_arch = "x86_64")]
    pub(super) const PLACE: usize = std::mem::offset_of!(Self, x);

    /// The last row that an event can have.
    pub const LAST_ROW: u16 = 0x7fff;

    /// An event at time `t` in microseconds, column `x`, row `y`; `p` is true for ON.
    ///
    /// # Panics
    /// If `y` lies behind [`LAST_ROW`](Self::LAST_ROW).
    pub const fn new(t: i64, x: u16, y: u16, p: bool) -> Self {
        assert!(y <= Self::LAST_ROW, "an event's row lies behind the last");
        Self { time: [t as u32, (t >> 32) as u32], x, row: y | (p as u16) << 15 }
    }

    /// As [`new`](Self::new); `None` for a row behind the last.
    pub fn checked(t: i64, x: u16, y: u16, p: bool) -> Option<Self> {
        (y <= Self::LAST_ROW).then(|| Self::new(t, x, y, p))
    }

    /// Time in microseconds, as stored; it may be negative where a 32-bit clock had wrapped.
    pub const fn t(self) -> i64 {
        (self.time[1] as i64) << 32 | self.time[0] as i64
    }

    /// Column from the left, as stored.
    pub const fn x(self) -> u16 {
        self.x
    }

    /// Row from the top, as stored. 0 where the sensor has one row.
    pub const fn y(self) -> u16 {
        self.row & Self::LAST_ROW
    }

    /// Polarity: true is ON, brighter.
    pub const fn p(self) -> bool {
        self.row > Self::LAST_ROW
    }

    /// The same at another time.
    pub const fn with_t(self, t: i64) -> Self {
        Self { time: [t as u32, (t >> 32) as u32], ..self }
    }

    /// The same at another place.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub const fn with_place(self, x: u16, y: u16) -> Self {
        Self::new(self.t(), x, y, self.p())
    }

    /// The same with another polarity.
    pub const fn with_p(self, p: bool) -> Self {
        Self { row: self.y() | (p as u16) << 15, ..self }
    }

    /// The row (t, x, y, p) that digests are made of: four little-endian 64-bit integers.
    pub fn row(self) -> [u8; 32] {
        let mut row = [0; 32];
        let values = [self.t(), i64::from(self.x()), i64::from(self.y()), i64::from(self.p())];
        for (bytes, value) in row.chunks_exact_mut(8).zip(values) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        row
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { x, .. } = self;
        let (t, y, p) = (self.t(), self.y(), self.p());
        f.debug_struct("Event").field("t", &t).field("x", x).field("y", &y).field("p", &p).finish()
    }
}

/// Size of a sensor in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Sensor {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Sensor {
    /// A sensor of `width` columns and `height` rows.
    pub const fn new(width: u16, height: u16) -> Self {
        Self { width, height }
    }

    /// Whether `event` lies on it.
    pub fn holds(self, event: Event) -> bool {
        event.x < self.width && event.y() < self.height
    }

    /// Height and width.
    pub fn size(self) -> [usize; 2] {
        [self.height.into(), self.width.into()]
    }

    /// Number of pixels.
    pub fn pixels(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }
}

impl std::fmt::Display for Sensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_holds_what_it_was_made_of(
            t: i64, x: u16, y in 0..=Event::LAST_ROW, p: bool,
            (later, left, top, on) in (any::<i64>(), any::<u16>(), 0..=Event::LAST_ROW, any::<bool>()),
        ) {
            let parts = |e: Event| (e.t(), e.x(), e.y(), e.p());
            let event = Event::new(t, x, y, p);
            prop_assert_eq!(parts(event), (t, x, y, p));
            prop_assert_eq!(parts(event.with_t(later)), (later, x, y, p));
            prop_assert_eq!(parts(event.with_place(left, top)), (t, left, top, p));
            prop_assert_eq!(parts(event.with_p(on)), (t, x, y, on));
            prop_assert_eq!(Event::checked(t, x, y, p), Some(event));
            prop_assert_eq!(Event::checked(t, x, Event::LAST_ROW + 1 + y, p), None);
        }
    }
}
