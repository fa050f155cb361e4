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
        Self { address, named, sensor, in_header: true, skipped: 0, before: i32::MIN, wrapped: 0 }
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

    /// A time that goes on where the 32-bit clock starts again.
    fn time(&mut self, stored: i32) -> i64 {
        if i64::from(stored) - i64::from(self.before) < i64::from(i32::MIN) {
            self.wrapped += 1 << 32;
        }
        self.before = stored;
        i64::from(stored) + self.wrapped
    }
}

impl Decode for Aedat2 {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let used = if self.in_header { self.header(input, last)? } else { 0 };
        if self.in_header {
            return Ok(used);
        }
        let body = &input[used..];
        let words = body.chunks_exact(8).map(|r| (be32(&r[..4]), be32(&r[4..]).cast_signed()));
        let (before, count) = (out.len(), (body.len() / 8) as u64);
        match self.address() {
            Address::Dvs128 => out.extend(words.filter(|(a, _)| a & 0x8000 == 0).map(|(a, t)| {
                let (x, y) = (a >> 1 & 0x7f, a >> 8 & 0x7f);
                Event { t: self.time(t), x: x as u16, y: y as u16, p: a & 1 == 0 }
            })),
            Address::Davis => {
                out.extend(words.filter(|(a, _)| a & 0x8000_0400 == 0).map(|(a, t)| {
                    let (x, y) = (a >> 12 & 0x3ff, a >> 22 & 0x1ff);
                    Event { t: self.time(t), x: x as u16, y: y as u16, p: a >> 11 & 1 == 1 }
                }));
            }
            Address::Plain => out.extend(words.map(|(a, t)| Event {
                t: self.time(t),
                x: a as u16,
                y: 0,
                p: true,
            })),
        }
        self.skipped += count - (out.len() - before) as u64;
        Ok(used + 8 * count as usize)
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
