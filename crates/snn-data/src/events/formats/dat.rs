//! Prophesee DAT (N-CARS, Gen1): a `%` header, two bytes, then eight bytes an event.
//!
//! Source: Prophesee, *DAT file format*: a little-endian 32-bit time in microseconds, then x in
//! bits 0..=13, y in bits 14..=27, polarity in bits 28..=31.

use super::prophesee::Header;
use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault, le32},
};

/// Event types whose layout is the one above: 2D and CD.
const TYPES: [u8; 2] = [0x00, 0x0c];

/// Decoder of DAT.
#[derive(Debug, Default)]
pub(crate) struct Dat {
    header: Header,
    checked: bool,
}

impl Decode for Dat {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let mut used = self.header.read(input, last)?;
        if !self.header.is_done() {
            return Ok(used);
        }
        if !self.checked {
            let Some(&[kind, size]) = input.get(used..used + 2) else { return Ok(used) };
            if !TYPES.contains(&kind) {
                return Err(Fault::new(used, "event type", "0 or 12", kind));
            }
            if size != 8 {
                return Err(Fault::new(used + 1, "size of an event", 8, size));
            }
            (self.checked, used) = (true, used + 2);
        }
        let records = input[used..].chunks_exact(8);
        used += 8 * records.len();
        out.extend(records.map(|r| {
            let (t, data) = (le32(r), le32(&r[4..]));
            let (x, y) = (data & 0x3fff, data >> 14 & 0x3fff);
            Event { t: t.into(), x: x as u16, y: y as u16, p: data >> 28 != 0 }
        }));
        Ok(used)
    }

    fn sensor(&self) -> Option<Sensor> {
        self.header.sensor()
    }
}
