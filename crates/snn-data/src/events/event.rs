//! One event and the sensor that it comes from.

/// A change of brightness at one pixel, or a spike of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)] // the order that vector instructions write
pub struct Event {
    /// Time in microseconds, as stored; it may be negative where a 32-bit clock had wrapped.
    pub t: i64,
    /// Column from the left, as stored.
    pub x: u16,
    /// Row from the top, as stored. 0 where the sensor has one row.
    pub y: u16,
    /// Polarity: true is ON, brighter.
    pub p: bool,
}

impl Event {
    /// The row (t, x, y, p) that digests are made of: four little-endian 64-bit integers.
    pub fn row(self) -> [u8; 32] {
        let mut row = [0; 32];
        let values = [self.t, i64::from(self.x), i64::from(self.y), i64::from(self.p)];
        for (bytes, value) in row.chunks_exact_mut(8).zip(values) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        row
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
        event.x < self.width && event.y < self.height
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
