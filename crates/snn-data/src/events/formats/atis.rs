//! ATIS `.bin` of N-MNIST and N-Caltech101: five bytes an event, no header.
//!
//! Source: Orchard et al., *Converting static image datasets to spiking neuromorphic datasets
//! using saccades*, Frontiers in Neuroscience 2015: x, y, then polarity and a 23-bit time in
//! microseconds, big-endian.

use crate::events::{
    Event,
    bytes::{Decode, Fault},
    records::{Bits, Common, Lanes, NONE, Record, append},
};

/// Row that marks an overflow of the clock, and what it then adds.
const OVERFLOW_ROW: u8 = 240;
const OVERFLOW: i64 = 1 << 13;

/// The five bytes of an event.
pub(crate) struct Spike;

impl Record for Spike {
    const SIZE: usize = 5;
    const LANES: Lanes = Lanes {
        time: [4, 3, 2, NONE],
        place: [0, 2, 1, NONE],
        time_mask: 0x7f_ffff,
        right: 0,
        right_mask: 0xff_00ff,
        left: 0,
        left_mask: 0,
        on: Bits::Any(1 << 15),
        odd: [0, 0x80 << 16],
    };

    fn event(r: &[u8], high: i64) -> Event {
        let t = i64::from(u32::from_be_bytes([0, r[2] & 0x7f, r[3], r[4]]));
        Event::new(t | high, r[0].into(), r[1].into(), r[2] >> 7 == 1)
    }

    /// Row 128 or above, as the mark of an overflow.
    fn is_odd(r: &[u8], _like: u32) -> bool {
        r[1] >> 7 == 1
    }
}

/// Decoder of ATIS `.bin`.
#[derive(Debug)]
pub(crate) struct Atis {
    overflow_rule: bool,
    added: i64,
    skipped: u64,
}

impl Atis {
    /// With `overflow_rule`, an event in row 240 is no event but adds 2^13 us to all times after
    /// it, as in tonic; SpikingJelly has no such rule.
    pub fn new(overflow_rule: bool) -> Self {
        Self { overflow_rule, added: 0, skipped: 0 }
    }

    /// Decodes the records after an overflow of the clock.
    fn overflown(&mut self, records: &[u8], out: &mut Vec<Event>) {
        out.reserve(records.len() / Spike::SIZE);
        for r in records.chunks_exact(Spike::SIZE) {
            if r[1] == OVERFLOW_ROW {
                self.added += OVERFLOW;
                self.skipped += 1;
            } else {
                let event = Spike::event(r, 0);
                out.push(event.with_t(event.t() + self.added));
            }
        }
    }
}

impl Decode for Atis {
    fn decode(&mut self, input: &[u8], _last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let used = input.len() / Spike::SIZE * Spike::SIZE;
        if self.added > 0 {
            self.overflown(&input[..used], out);
            return Ok(used);
        }
        let before = out.len();
        let odd = append::<Spike>(&input[..used], Common::default(), out);
        if odd && self.overflow_rule {
            let mut records = input.chunks_exact(Spike::SIZE);
            let first = records.position(|r| r[1] == OVERFLOW_ROW);
            let first = first.unwrap_or(used / Spike::SIZE);
            out.truncate(before + first);
            self.overflown(&input[first * Spike::SIZE..used], out);
        }
        Ok(used)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
