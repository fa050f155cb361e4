//! Prophesee DAT (N-CARS, Gen1): a `%` header, two bytes, then eight bytes an event.
//!
//! Source: Prophesee, *DAT file format*: a little-endian 32-bit time in microseconds, then x in
//! bits 0..=13, y in bits 14..=27, polarity in bits 28..=31.

use super::prophesee::Header;
use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault, le32},
    records::{Bits, Common, Lanes, Record, append},
};

/// Event types whose layout is the one above: 2D and CD.
const TYPES: [u8; 2] = [0x00, 0x0c];

/// The eight bytes of an event.
pub(crate) struct Cd;

impl Record for Cd {
    const SIZE: usize = 8;
    const LANES: Lanes = Lanes {
        time: [0, 1, 2, 3],
        place: [4, 5, 6, 7],
        time_mask: u32::MAX,
        right: 0,
        right_mask: 0x3fff,
        left: 2,
        left_mask: 0x3fff << 16,
        on: Bits::Any(0xf << 28),
        odd: [0; 2],
    };

    fn event(r: &[u8], high: i64) -> Event {
        let (t, data) = (i64::from(le32(r)), le32(&r[4..]));
        let (x, y) = (data & 0x3fff, data >> 14 & 0x3fff);
        Event::new(t | high, x as u16, y as u16, data >> 28 != 0)
    }
}

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
        let whole = (input.len() - used) / Cd::SIZE * Cd::SIZE;
        append::<Cd>(&input[used..used + whole], Common::default(), out);
        Ok(used + whole)
    }

    fn sensor(&self) -> Option<Sensor> {
        self.header.sensor()
    }
}
