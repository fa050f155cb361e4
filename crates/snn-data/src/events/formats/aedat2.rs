//! AEDAT 2.0: a text header, then big-endian pairs of a 32-bit address and a 32-bit time.
//!
//! Source: iniVation, AEDAT file formats, section AEDAT 2.0; address layouts of jAER's chips.

use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault, be32, line, text},
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

    /// Decodes records without exceptions: every address is an event, the clock does not wrap.
    fn plain(&self, block: &[u8], out: &mut Vec<Event>) {
        let words = block.chunks_exact(8).map(|r| (be32(&r[..4]), time(r) + self.wrapped));
        match self.address() {
            Address::Dvs128 => out.extend(words.map(|(a, t)| dvs128(a, t))),
            Address::Davis => out.extend(words.map(|(a, t)| davis(a, t))),
            Address::Plain => {
                out.extend(words.map(|(a, t)| Event { t, x: a as u16, y: 0, p: true }));
            }
        }
    }

    fn block(&mut self, block: &[u8], out: &mut Vec<Event>) {
        let other = match self.address() {
            Address::Dvs128 => 0x8000,
            Address::Davis => 0x8000_0400,
            Address::Plain => 0,
        };
        let (mut seen, mut first, mut last) = (0, i32::MAX, i32::MIN);
        for record in block.chunks_exact(8) {
            let t = be32(&record[4..]).cast_signed();
            (seen, first, last) = (seen | be32(record), first.min(t), last.max(t));
        }
        // Times that lie within half a turn of each other hold no start of the clock.
        let calm = i64::from(last.max(self.before)) - i64::from(first.min(self.before));
        if seen & other == 0 && calm <= i64::from(i32::MAX) {
            self.plain(block, out);
            self.before = block.last_chunk::<4>().map_or(self.before, |&b| i32::from_be_bytes(b));
            return;
        }
        for record in block.chunks_exact(8) {
            let t = be32(&record[4..]).cast_signed();
            // A clock of 32 bits that starts again goes on.
            if i64::from(t) - i64::from(self.before) < i64::from(i32::MIN) {
                self.wrapped += 1 << 32;
            }
            self.before = t;
            match be32(&record[..4]) & other {
                0 => self.plain(record, out),
                _ => self.skipped += 1,
            }
        }
    }
}

/// The time of a record, a signed number of 32 bits.
fn time(record: &[u8]) -> i64 {
    be32(&record[4..]).cast_signed().into()
}

fn dvs128(a: u32, t: i64) -> Event {
    Event { t, x: (a >> 1 & 0x7f) as u16, y: (a >> 8 & 0x7f) as u16, p: a & 1 == 0 }
}

fn davis(a: u32, t: i64) -> Event {
    Event { t, x: (a >> 12 & 0x3ff) as u16, y: (a >> 22 & 0x1ff) as u16, p: a >> 11 & 1 == 1 }
}

/// Bytes of the records that are looked through before they are decoded.
const BLOCK: usize = 8 << 10;

impl Decode for Aedat2 {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let used = if self.in_header { self.header(input, last)? } else { 0 };
        if self.in_header {
            return Ok(used);
        }
        let whole = (input.len() - used) / 8 * 8;
        out.reserve(whole / 8);
        for block in input[used..used + whole].chunks(BLOCK) {
            self.block(block, out);
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
