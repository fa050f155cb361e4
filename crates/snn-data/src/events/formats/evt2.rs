//! Prophesee EVT 2.0: little-endian 32-bit words, whose top four bits are their type.
//!
//! Source: Prophesee, *EVT 2.0 format*.

use super::prophesee::Header;
use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault, le32},
};

const CD_OFF: u32 = 0x0;
const CD_ON: u32 = 0x1;
const TIME_HIGH: u32 = 0x8;

/// Decoder of EVT 2.0.
#[derive(Debug, Default)]
pub(crate) struct Evt2 {
    header: Header,
    /// Bits 6..=33 of the time, and what wraps of them add; none before the first time word.
    high: Option<u32>,
    wrapped: i64,
    skipped: u64,
}

impl Decode for Evt2 {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let used = self.header.read(input, last)?;
        if !self.header.is_done() {
            return Ok(used);
        }
        let words = input[used..].chunks_exact(4);
        let used = used + 4 * words.len();
        out.reserve(words.len());
        let mut base = self.high.map(|high| (i64::from(high) << 6) + self.wrapped);
        for word in words.map(le32) {
            match (word >> 28, base) {
                (kind @ (CD_OFF | CD_ON), Some(base)) => out.push(Event::new(
                    base + i64::from(word >> 22 & 0x3f),
                    (word >> 11 & 0x7ff) as u16,
                    (word & 0x7ff) as u16,
                    kind == CD_ON,
                )),
                (TIME_HIGH, _) => {
                    let high = word & 0x0fff_ffff;
                    // The clock of 34 bits starts again after more than four hours.
                    if self.high.is_some_and(|before| before > high && before - high > 1 << 27) {
                        self.wrapped += 1 << 34;
                    }
                    self.high = Some(high);
                    base = Some((i64::from(high) << 6) + self.wrapped);
                }
                _ => self.skipped += 1,
            }
        }
        Ok(used)
    }

    fn sensor(&self) -> Option<Sensor> {
        self.header.sensor()
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
