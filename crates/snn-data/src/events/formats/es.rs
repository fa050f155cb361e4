//! Event Stream 2: delta-coded DVS, ATIS or generic events.
//!
//! Source: the reference decoder of the format's authors (Event Stream 2.0, file types generic, dvs
//! and atis).

use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault},
};

const MAGIC: &[u8] = b"Event Stream";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Any bytes with a time; counted, and each gives an event at (0, 0).
    Generic,
    Dvs,
    Atis,
}

/// Decoder of Event Stream.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    kind: Option<Kind>,
    sensor: Option<Sensor>,
    t: i64,
    skipped: u64,
    /// Bytes of a generic payload still to pass over.
    payload: u64,
}

impl EventStream {
    /// Reads the header; returns its length, or `None` when more input is needed.
    fn header(&mut self, input: &[u8], last: bool) -> Result<Option<usize>, Fault> {
        let short = |at| match last {
            true => Err(Fault::new(at, "header", "a whole one", "the end of the file")),
            false => Ok(None),
        };
        let Some(head) = input.get(..16) else { return short(input.len()) };
        if !head.starts_with(MAGIC) {
            let found = String::from_utf8_lossy(&head[..12]).into_owned();
            return Err(Fault::new(0, "signature", "`Event Stream`", format!("{found:?}")));
        }
        if head[12] != 2 {
            let found = format!("{}.{}.{}", head[12], head[13], head[14]);
            return Err(Fault::new(12, "version", "2.x", found));
        }
        let kind = match head[15] {
            0 => Kind::Generic,
            1 => Kind::Dvs,
            2 => Kind::Atis,
            other => return Err(Fault::new(15, "event type", "0, 1 or 2", other)),
        };
        self.kind = Some(kind);
        if kind == Kind::Generic {
            return Ok(Some(16));
        }
        let Some(size) = input.get(16..20) else {
            self.kind = None;
            return short(input.len());
        };
        let word = |i| u16::from_le_bytes([size[i], size[i + 1]]);
        self.sensor = Some(Sensor::new(word(0), word(2)));
        Ok(Some(20))
    }

    /// Events that follow a first byte of `t`-delta and flags.
    fn camera(&mut self, kind: Kind, input: &[u8], out: &mut Vec<Event>) -> Result<usize, Fault> {
        let sensor = self.sensor.unwrap_or(Sensor::new(u16::MAX, Event::LAST_ROW));
        let mut at = 0;
        while let Some(&first) = input.get(at) {
            let (delta, p, exposure) = match (kind, first) {
                // No event, only time that passes.
                (Kind::Dvs, 0xff) => {
                    self.t = self.t.saturating_add(127);
                    at += 1;
                    continue;
                }
                (Kind::Dvs, 0xfe) => {
                    at += 1;
                    continue;
                }
                (Kind::Dvs, _) => (first >> 1, first & 1 == 1, false),
                (_, 0xfc..) => {
                    self.t = self.t.saturating_add(63 * i64::from(first & 3));
                    at += 1;
                    continue;
                }
                (_, _) => (first >> 2, first & 2 != 0, first & 1 == 1),
            };
            let Some(place) = input.get(at + 1..at + 5) else { break };
            let x = u16::from_le_bytes([place[0], place[1]]);
            let y = u16::from_le_bytes([place[2], place[3]]);
            let event = Event::checked(self.t.saturating_add(delta.into()), x, y, p);
            let Some(event) = event.filter(|&event| sensor.holds(event)) else {
                let found = format!("({x}, {y})");
                return Err(Fault::new(at + 1, "coordinate", format!("below {sensor}"), found));
            };
            self.t = event.t();
            // Exposure events carry grey levels, not changes.
            match exposure {
                true => self.skipped += 1,
                false => out.push(event),
            }
            at += 5;
        }
        Ok(at)
    }

    fn generic(&mut self, input: &[u8], out: &mut Vec<Event>) -> Result<usize, Fault> {
        let mut at = 0;
        loop {
            let rest = (input.len() - at) as u64;
            let passed = self.payload.min(rest);
            at += passed as usize;
            self.payload -= passed;
            let Some(&first) = input.get(at) else { break };
            match first {
                0xff => self.t = self.t.saturating_add(0xfe),
                0xfe => {}
                delta => {
                    // Seven bits of the length a byte, the lowest first; bit 0 says that more follow.
                    let mut length = 0u64;
                    let mut index = 0;
                    loop {
                        let Some(&byte) = input.get(at + 1 + index) else { return Ok(at) };
                        if index == 5 {
                            return Err(Fault::new(at, "payload length", "below 2^35", "more"));
                        }
                        length |= u64::from(byte >> 1) << (7 * index);
                        index += 1;
                        if byte & 1 == 0 {
                            break;
                        }
                    }
                    self.t = self.t.saturating_add(delta.into());
                    out.push(Event::new(self.t, 0, 0, false));
                    self.payload = length;
                    at += index;
                }
            }
            at += 1;
        }
        Ok(at)
    }
}

impl Decode for EventStream {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let mut used = 0;
        if self.kind.is_none() {
            match self.header(input, last)? {
                Some(length) => used = length,
                None => return Ok(0),
            }
        }
        let Some(kind) = self.kind else { return Ok(0) };
        let body = &input[used..];
        let more = match kind {
            Kind::Generic => self.generic(body, out),
            Kind::Dvs | Kind::Atis => self.camera(kind, body, out),
        };
        more.map(|n| used + n).map_err(|fault| Fault { at: fault.at + used, ..fault })
    }

    fn sensor(&self) -> Option<Sensor> {
        self.sensor
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn notes(&self) -> Vec<String> {
        match self.kind {
            Some(Kind::Generic) => {
                vec!["generic payloads: each counts as an event at (0, 0)".into()]
            }
            _ => Vec::new(),
        }
    }
}
