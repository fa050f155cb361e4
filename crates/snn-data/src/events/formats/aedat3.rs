//! AEDAT 3.1: a text header, then packets of events of one type, little-endian.
//!
//! Source: iniVation, AEDAT file formats, section AEDAT 3.1 (28-byte packet headers).

use crate::events::{
    Event,
    bytes::{Decode, Fault, le32, line, text},
    records::{Bits, Common, Lanes, Record, append},
};

/// Type number of polarity events.
const POLARITY: u16 = 1;

/// The eight bytes of a polarity event.
pub(crate) struct Polarity;

impl Record for Polarity {
    const SIZE: usize = 8;
    const LANES: Lanes = Lanes {
        time: [4, 5, 6, 7],
        place: [0, 1, 2, 3],
        time_mask: u32::MAX,
        right: 17,
        right_mask: 0x7fff,
        left: 14,
        left_mask: 0x7fff << 16,
        on: Bits::Any(1 << 1),
        odd: [0; 2],
    };

    fn event(r: &[u8], high: i64) -> Event {
        let (data, t) = (le32(r), i64::from(le32(&r[4..])));
        let (x, y) = (data >> 17 & 0x7fff, data >> 2 & 0x7fff);
        Event::new(t | high, x as u16, y as u16, data >> 1 & 1 == 1)
    }
}

#[derive(Debug)]
enum Part {
    Header,
    PacketHeader,
    /// `left` more events of `size` bytes, whose times lie past `overflow`.
    Polarity {
        left: u64,
        size: usize,
        overflow: i64,
    },
    /// `left` more bytes of another kind.
    Other {
        left: u64,
    },
}

/// Decoder of AEDAT 3.1.
#[derive(Debug)]
pub(crate) struct Aedat3 {
    part: Part,
    drop_invalid: bool,
    skipped: u64,
}

impl Aedat3 {
    /// With `drop_invalid`, events whose valid bit is off are passed over; SpikingJelly and tonic
    /// keep them.
    pub fn new(drop_invalid: bool) -> Self {
        Self { part: Part::Header, drop_invalid, skipped: 0 }
    }

    fn packet(&mut self, header: &[u8]) -> Result<Part, Fault> {
        let kind = u16::from_le_bytes([header[0], header[1]]);
        let size = le32(&header[4..]);
        let overflow = le32(&header[12..]);
        let capacity = le32(&header[16..]);
        if overflow > i32::MAX as u32 {
            return Err(Fault::new(12, "time overflow", "below 2^31", overflow));
        }
        if kind != POLARITY {
            self.skipped += u64::from(le32(&header[20..])).min(u64::from(capacity));
            return Ok(Part::Other { left: u64::from(size) * u64::from(capacity) });
        }
        if !(8..=1 << 16).contains(&size) {
            return Err(Fault::new(4, "size of a polarity event", "8 to 65536 bytes", size));
        }
        let overflow = i64::from(overflow) << 31;
        Ok(Part::Polarity { left: capacity.into(), size: size as usize, overflow })
    }
}

impl Decode for Aedat3 {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            match &mut self.part {
                Part::Header => match rest.first() {
                    Some(b'#') => {
                        let Some(line) = line(rest, last, "header")? else { break };
                        used += line.len();
                        if text(line) == "#!END-HEADER" {
                            self.part = Part::PacketHeader;
                        }
                    }
                    // Without the closing line, the packets begin where no `#` stands.
                    Some(_) => self.part = Part::PacketHeader,
                    None => break,
                },
                Part::PacketHeader => {
                    let Some(header) = rest.get(..28) else { break };
                    self.part = self
                        .packet(header)
                        .map_err(|fault| Fault { at: fault.at + used, ..fault })?;
                    used += 28;
                }
                Part::Polarity { left: 0, .. } | Part::Other { left: 0 } => {
                    self.part = Part::PacketHeader;
                }
                Part::Polarity { left, size, overflow } => {
                    let count =
                        (rest.len() / *size).min(usize::try_from(*left).unwrap_or(usize::MAX));
                    if count == 0 {
                        break;
                    }
                    let body = &rest[..count * *size];
                    let (before, overflow) = (out.len(), *overflow);
                    if *size == Polarity::SIZE && !self.drop_invalid {
                        let common = Common { high: overflow, like: 0 };
                        append::<Polarity>(body, common, out);
                    } else {
                        let kept = body
                            .chunks_exact(*size)
                            .filter(|r| !self.drop_invalid || r[0] & 1 == 1);
                        out.extend(kept.map(|r| Polarity::event(r, overflow)));
                    }
                    self.skipped += (count - (out.len() - before)) as u64;
                    used += body.len();
                    *left -= count as u64;
                }
                Part::Other { left } => {
                    let count = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    if count == 0 {
                        break;
                    }
                    used += count;
                    *left -= count as u64;
                }
            }
        }
        Ok(used)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
