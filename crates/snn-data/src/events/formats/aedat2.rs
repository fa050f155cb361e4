//! AEDAT 2.0: a text header, then big-endian pairs of a 32-bit address and a 32-bit time.
//!
//! Source: iniVation, AEDAT file formats, section AEDAT 2.0; address layouts of jAER's chips.

use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault, be32, line, text},
    records::{Bits, Common, Lanes, NONE, Record, append},
};

/// Where the bits of an address lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// DVS128: OFF in bit 0, x in bits 1..=7, y in bits 8..=14; bit 15 marks external events.
    Dvs128,
    /// DAVIS: ON in bit 11, x in bits 12..=21, y in bits 22..=30; frames, inertial data (bit 31)
    /// and external events (bit 10) lie in between and are passed over.
    Davis,
    /// Any other sensor: x is the low 16 bits, y is 0, every event is ON.
    Plain,
}

/// Records of [`Address::Dvs128`].
pub(crate) struct Dvs128;

impl Record for Dvs128 {
    const SIZE: usize = 8;
    const LANES: Lanes = Lanes {
        time: [7, 6, 5, 4],
        place: [3, 2, 1, 0],
        time_mask: u32::MAX,
        right: 1,
        right_mask: 0x7f,
        left: 8,
        left_mask: 0x7f << 16,
        on: Bits::None(1),
        odd: [SIGN, Self::OTHER],
    };

    fn event(r: &[u8], high: i64) -> Event {
        let (a, t) = (be32(r), i64::from(be32(&r[4..])));
        Event::new(t | high, (a >> 1 & 0x7f) as u16, (a >> 8 & 0x7f) as u16, a & 1 == 0)
    }

    fn is_odd(r: &[u8], like: u32) -> bool {
        odd::<Self>(r, like)
    }
}

impl Chip for Dvs128 {
    const OTHER: u32 = 0x8000;
}

/// Records of [`Address::Davis`].
pub(crate) struct Davis;

impl Record for Davis {
    const SIZE: usize = 8;
    /// The word of the place is the address without its lowest byte.
    const LANES: Lanes = Lanes {
        time: [7, 6, 5, 4],
        place: [2, 1, 0, NONE],
        time_mask: u32::MAX,
        right: 4,
        right_mask: 0x3ff,
        left: 2,
        left_mask: 0x1ff << 16,
        on: Bits::Any(1 << 3),
        odd: [SIGN, Self::OTHER >> 8],
    };

    fn event(r: &[u8], high: i64) -> Event {
        let (a, t) = (be32(r), i64::from(be32(&r[4..])));
        let (x, y) = (a >> 12 & 0x3ff, a >> 22 & 0x1ff);
        Event::new(t | high, x as u16, y as u16, a >> 11 & 1 == 1)
    }

    fn is_odd(r: &[u8], like: u32) -> bool {
        odd::<Self>(r, like)
    }
}

impl Chip for Davis {
    const OTHER: u32 = 0x8000_0400;
}

/// Records of [`Address::Plain`].
pub(crate) struct Plain;

impl Record for Plain {
    const SIZE: usize = 8;
    const LANES: Lanes = Lanes {
        time: [7, 6, 5, 4],
        place: [3, 2, NONE, NONE],
        time_mask: u32::MAX,
        right: 0,
        right_mask: 0xffff,
        left: 0,
        left_mask: 0,
        on: Bits::None(0),
        odd: [SIGN, 0],
    };

    fn event(r: &[u8], high: i64) -> Event {
        Event::new(i64::from(be32(&r[4..])) | high, be32(r) as u16, 0, true)
    }

    fn is_odd(r: &[u8], like: u32) -> bool {
        odd::<Self>(r, like)
    }
}

impl Chip for Plain {
    const OTHER: u32 = 0;
}

/// A layout with what else may stand between its events.
trait Chip: Record {
    /// Bits of an address that is no event.
    const OTHER: u32;
}

/// The sign of a time. Among times of one sign the clock has not started again.
const SIGN: u32 = 1 << 31;

fn odd<C: Chip>(r: &[u8], like: u32) -> bool {
    be32(r) & C::OTHER != 0 || (be32(&r[4..]) ^ like) & SIGN != 0
}

/// Decoder of AEDAT 2.0.
#[derive(Debug)]
pub(crate) struct Aedat2 {
    address: Option<Address>,
    named: bool,
    sensor: Option<Sensor>,
    in_header: bool,
    skipped: u64,
    /// Last time as stored, and what wraps of the 32-bit clock add to it.
    before: i32,
    wrapped: i64,
}

impl Aedat2 {
    /// `address` overrules what the header says of the chip.
    pub fn new(address: Option<Address>) -> Self {
        let (named, sensor) = (address.is_some(), None);
        Self { address, named, sensor, in_header: true, skipped: 0, before: 0, wrapped: 0 }
    }

    fn address(&self) -> Address {
        self.address.unwrap_or(Address::Dvs128)
    }

    /// Takes over what a header line says of the chip.
    fn note(&mut self, line: &str) {
        let Some(chip) = line.trim_start_matches(['#', ' ']).strip_prefix("AEChip:") else {
            return;
        };
        let chip = chip.rsplit('.').next().unwrap_or(chip).trim().to_ascii_lowercase();
        let (address, sensor) = match chip.as_str() {
            c if c.contains("dvs128") || c.contains("tmpdiff128") => {
                (Address::Dvs128, Some(Sensor::new(128, 128)))
            }
            c if c.contains("davis240") || c.contains("sbret10") => {
                (Address::Davis, Some(Sensor::new(240, 180)))
            }
            c if c.contains("davis346") => (Address::Davis, Some(Sensor::new(346, 260))),
            c if c.contains("davis640") => (Address::Davis, Some(Sensor::new(640, 480))),
            c if c.contains("davis") || c.contains("sbret") => (Address::Davis, None),
            _ => (Address::Plain, None),
        };
        if !self.named {
            self.address = Some(address);
        }
        if self.address == Some(address) {
            self.sensor = sensor;
        }
    }

    /// Reads header lines; returns the bytes used.
    fn header(&mut self, input: &[u8], last: bool) -> Result<usize, Fault> {
        let mut used = 0;
        while self.in_header {
            let rest = &input[used..];
            match rest.first() {
                Some(b'#') => {}
                Some(_) => self.in_header = false,
                None => break,
            }
            if !self.in_header {
                break;
            }
            let Some(line) = line(rest, last, "header")? else { break };
            // An address may begin with the byte `#`, but text holds no zero byte.
            if line.contains(&0) {
                self.in_header = false;
                break;
            }
            self.note(&text(line));
            self.in_header = !line.starts_with(b"#End Of ASCII Header");
            used += line.len();
        }
        Ok(used)
    }

    /// Whether the clock started again before time `t`.
    fn restarts(&self, t: i32) -> bool {
        i64::from(t) - i64::from(self.before) < i64::from(i32::MIN)
    }

    /// Decodes whole records, fast where each is an event and the clock goes on.
    fn records<C: Chip>(&mut self, records: &[u8], out: &mut Vec<Event>) {
        let Some(first) = records.get(4..8).map(|t| be32(t).cast_signed()) else { return };
        let length = out.len();
        if !self.restarts(first) {
            let high = self.wrapped - if first < 0 { 1 << 32 } else { 0 };
            let common = Common { high, like: first.cast_unsigned() };
            if !append::<C>(records, common, out) {
                self.before = records.last_chunk().map_or(first, |&t| i32::from_be_bytes(t));
                return;
            }
        }
        out.truncate(length);
        if records.len() > BLOCK {
            records.chunks(BLOCK).for_each(|block| self.records::<C>(block, out));
            return;
        }
        for record in records.chunks_exact(C::SIZE) {
            let t = be32(&record[4..]).cast_signed();
            // A clock of 32 bits that starts again goes on.
            if self.restarts(t) {
                self.wrapped += 1 << 32;
            }
            self.before = t;
            if be32(record) & C::OTHER == 0 {
                out.push(C::event(record, 0).with_t(i64::from(t) + self.wrapped));
            } else {
                self.skipped += 1;
            }
        }
    }
}

/// Bytes of the records that share a fate: all are plain, or each is looked at.
const BLOCK: usize = 8 << 10;

impl Decode for Aedat2 {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let used = if self.in_header { self.header(input, last)? } else { 0 };
        if self.in_header {
            return Ok(used);
        }
        let whole = (input.len() - used) / 8 * 8;
        let records = &input[used..used + whole];
        match self.address() {
            Address::Dvs128 => self.records::<Dvs128>(records, out),
            Address::Davis => self.records::<Davis>(records, out),
            Address::Plain => self.records::<Plain>(records, out),
        }
        Ok(used + whole)
    }

    fn sensor(&self) -> Option<Sensor> {
        self.sensor
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.address.is_none() {
            notes.push("the header names no chip: addresses read as those of a DVS128".into());
        }
        if self.wrapped > 0 {
            notes.push("the 32-bit clock started again; times go on".into());
        }
        notes
    }
}
