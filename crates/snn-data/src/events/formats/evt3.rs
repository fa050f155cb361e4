//! Prophesee EVT 3.0: little-endian 16-bit words that change a state: row, time, base column.
//!
//! Source: Prophesee, *EVT 3.0 format*.

use super::prophesee::Header;
use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault},
};

const ADDR_Y: u16 = 0x0;
const ADDR_X: u16 = 0x2;
const VECT_BASE_X: u16 = 0x3;
const VECT_12: u16 = 0x4;
const VECT_8: u16 = 0x5;
const TIME_LOW: u16 = 0x6;
const TIME_HIGH: u16 = 0x8;

/// Most columns that an 11-bit address can name.
const COLUMNS: u16 = 1 << 11;

/// Decoder of EVT 3.0.
#[derive(Debug, Default)]
pub(crate) struct Evt3 {
    header: Header,
    /// Bits 12..=23 of the time; none before the first such word, when no event has a time yet.
    high: Option<u16>,
    low: u16,
    wrapped: i64,
    y: u16,
    base_x: u16,
    p: bool,
    skipped: u64,
}

impl Evt3 {
    fn time(&self) -> i64 {
        (i64::from(self.high.unwrap_or(0)) << 12 | i64::from(self.low)) + self.wrapped
    }

    /// Events of the columns whose bits are set, beginning at the base column.
    fn vector(&mut self, bits: u16, width: u16, t: i64, out: &mut Vec<Event>) -> Result<(), u16> {
        let mut left = bits;
        while left != 0 && self.high.is_some() {
            let x = self.base_x + left.trailing_zeros() as u16;
            if x >= COLUMNS {
                return Err(x);
            }
            out.push(Event::new(t, x, self.y, self.p));
            left &= left - 1;
        }
        self.base_x = self.base_x.saturating_add(width).min(COLUMNS);
        Ok(())
    }
}

/// Events after which a batch ends.
const BATCH: usize = 1 << 15;

impl Decode for Evt3 {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let used = self.header.read(input, last)?;
        if !self.header.is_done() {
            return Ok(used);
        }
        let (words, before) = (input[used..].chunks_exact(2), out.len());
        let end = used + 2 * words.len();
        let mut t = self.time();
        for (i, word) in words.map(|w| u16::from_le_bytes([w[0], w[1]])).enumerate() {
            let value = word & 0x0fff;
            match word >> 12 {
                ADDR_Y => self.y = value & 0x7ff,
                ADDR_X if self.high.is_some() => {
                    out.push(Event::new(t, value & 0x7ff, self.y, value >> 11 == 1));
                }
                VECT_BASE_X => (self.base_x, self.p) = (value & 0x7ff, value >> 11 == 1),
                kind @ (VECT_12 | VECT_8) => {
                    let (bits, width) =
                        if kind == VECT_12 { (value, 12) } else { (value & 0xff, 8) };
                    self.vector(bits, width, t, out).map_err(|x| {
                        Fault::new(used + 2 * i, "column of a vector event", "below 2048", x)
                    })?;
                }
                TIME_LOW => {
                    self.low = value;
                    t = self.time();
                }
                TIME_HIGH => {
                    // The clock of 24 bits starts again every 16.8 s; a smaller step back is
                    // disorder on the bus and no new turn.
                    if self.high.is_some_and(|before| before > value && before - value > 1 << 11) {
                        self.wrapped += 1 << 24;
                    }
                    if self.high != Some(value) {
                        // A new high word comes with a new low word; until then it is 0.
                        self.low = 0;
                    }
                    self.high = Some(value);
                    t = self.time();
                }
                _ => self.skipped += 1,
            }
            // A word may hold twelve events: what it unpacks to is bounded, not what it takes.
            if out.len() - before >= BATCH {
                return Ok(used + 2 * (i + 1));
            }
        }
        Ok(end)
    }

    fn sensor(&self) -> Option<Sensor> {
        self.header.sensor()
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
