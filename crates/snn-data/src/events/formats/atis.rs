//! ATIS `.bin` of N-MNIST and N-Caltech101: five bytes an event, no header.
//!
//! Source: Orchard et al., *Converting static image datasets to spiking neuromorphic datasets
//! using saccades*, Frontiers in Neuroscience 2015: x, y, then polarity and a 23-bit time in
//! microseconds, big-endian.

use crate::events::{
    Event,
    bytes::{Decode, Fault},
};

/// Row that marks an overflow of the clock, and what it then adds.
const OVERFLOW_ROW: u8 = 240;
const OVERFLOW: i64 = 1 << 13;

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
}

fn event(r: &[u8], added: i64) -> Event {
    let t = i64::from(u32::from_be_bytes([0, r[2] & 0x7f, r[3], r[4]]));
    Event { t: t + added, x: r[0].into(), y: r[1].into(), p: r[2] >> 7 == 1 }
}

impl Decode for Atis {
    fn decode(&mut self, input: &[u8], _last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let records = input.chunks_exact(5);
        let used = 5 * records.len();
        if !self.overflow_rule {
            out.extend(records.map(|r| event(r, 0)));
            return Ok(used);
        }
        out.reserve(records.len());
        for r in records {
            if r[1] == OVERFLOW_ROW {
                self.added += OVERFLOW;
                self.skipped += 1;
            } else {
                out.push(event(r, self.added));
            }
        }
        Ok(used)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
