//! AEDAT 4.0: FlatBuffers in packets, each compressed by LZ4, Zstandard or not at all.
//!
//! Source: iniVation, AEDAT file formats, section AEDAT 4.0, and the schemas that dv-processing
//! publishes (IOHeader, EventPacket).

use super::flat::Table;
use crate::events::{
    Event, Sensor,
    bytes::{Decode, Fault, le32},
};
use std::io::Read;

const MAGIC: &[u8] = b"#!AER-DAT4.0\r\n";

/// Most bytes that a packet of events may have unpacked: about four million events.
const UNPACKED: u64 = 64 << 20;

/// Events after which a batch ends.
const BATCH: usize = 1 << 15;

#[derive(Clone, Copy, Debug)]
enum Compression {
    None,
    Lz4,
    Zstd,
}

/// A stream of events that the header announces.
#[derive(Clone, Copy, Debug)]
struct Stream {
    id: i32,
    sensor: Option<Sensor>,
}

#[derive(Debug)]
struct Body {
    compression: Compression,
    stream: Stream,
    others: usize,
    /// Position of the table that follows the packets, where the recorder wrote one.
    end: Option<u64>,
}

/// Decoder of AEDAT 4: the event stream of the lowest number, as tonic reads.
#[derive(Debug, Default)]
pub(crate) struct Aedat4 {
    body: Option<Body>,
    /// Position in the file of what comes next.
    at: u64,
    /// Bytes of a packet of another kind still to pass over.
    passing: u64,
    skipped: u64,
    unpacked: Vec<u8>,
}

/// Reads the stream descriptions, which are XML.
fn streams(xml: &str, at: usize) -> Result<(Stream, usize), Fault> {
    let wrong = |found: String| Fault::new(at, "description of the streams", "XML", found);
    let tree = roxmltree::Document::parse(xml).map_err(|e| wrong(e.to_string()))?;
    let attribute = |node: roxmltree::Node<'_, '_>, key: &str| {
        node.children()
            .find(|c| c.attribute("key") == Some(key))
            .and_then(|c| c.text())
            .map(str::trim)
            .map(String::from)
    };
    let mut found: Vec<Stream> = Vec::new();
    for node in
        tree.descendants().filter(|n| attribute(*n, "typeIdentifier").is_some_and(|t| t == "EVTS"))
    {
        let Some(id) = node.attribute("name").and_then(|n| n.parse().ok()) else { continue };
        let info = node.children().find(|c| c.attribute("name") == Some("info"));
        let number = |key| info.and_then(|i| attribute(i, key)).and_then(|v| v.parse().ok());
        let sensor = number("sizeX").zip(number("sizeY"));
        found.push(Stream { id, sensor: sensor.map(|(w, h)| Sensor::new(w, h)) });
    }
    let first = found.iter().min_by_key(|s| s.id).copied().ok_or_else(|| {
        Fault::new(at, "description of the streams", "a stream of events (EVTS)", "none")
    })?;
    Ok((first, found.len() - 1))
}

impl Aedat4 {
    /// Reads signature and header; returns their length, or `None` when more input is needed.
    fn header(&mut self, input: &[u8], last: bool) -> Result<Option<usize>, Fault> {
        let start = MAGIC.len() + 4;
        let short = || match last {
            true => Err(Fault::new(input.len(), "header", "a whole one", "the end of the file")),
            false => Ok(None),
        };
        let Some(head) = input.get(..start) else { return short() };
        if !head.starts_with(MAGIC) {
            let found = String::from_utf8_lossy(&head[..MAGIC.len()]).into_owned();
            return Err(Fault::new(0, "signature", "`#!AER-DAT4.0`", format!("{found:?}")));
        }
        let length = le32(&head[MAGIC.len()..]) as usize;
        if length > 16 << 20 {
            return Err(Fault::new(MAGIC.len(), "length of the header", "at most 16 MiB", length));
        }
        let end = start + length;
        let Some(bytes) = input.get(start..end) else { return short() };
        let shift = |fault: Fault| Fault { at: fault.at + start, ..fault };
        let table = Table::root(bytes).map_err(shift)?;
        let compression = match table.i32(0).map_err(shift)?.unwrap_or(0) {
            0 => Compression::None,
            1 | 2 => Compression::Lz4,
            3 | 4 => Compression::Zstd,
            other => return Err(Fault::new(start, "compression", "0 to 4", other)),
        };
        let position = table.i64(1).map_err(shift)?.unwrap_or(-1);
        let xml = table.vector(2, 1).map_err(shift)?.unwrap_or_default();
        let (stream, others) = streams(&String::from_utf8_lossy(xml), start)?;
        let after = end as u64;
        let table = u64::try_from(position).ok().filter(|&p| p >= after);
        self.body = Some(Body { compression, stream, others, end: table });
        Ok(Some(end))
    }

    /// Unpacks a packet of events and appends them.
    fn packet(
        unpacked: &mut Vec<u8>,
        compression: Compression,
        packet: &[u8],
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let plain = match compression {
            Compression::None => packet,
            Compression::Lz4 => unpack(lz4_flex::frame::FrameDecoder::new(packet), unpacked)?,
            Compression::Zstd => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(packet)
                    .map_err(|e| Fault::new(0, "packet", "a Zstandard frame", e))?;
                unpack(decoder, unpacked)?
            }
        };
        let length = plain.get(..4).map_or(0, |w| le32(w) as usize);
        let Some(buffer) = plain.get(4..).and_then(|b| b.get(..length)) else {
            let found = format!("{length} in {}", plain.len());
            return Err(Fault::new(0, "length of a packet", "what it holds", found));
        };
        // Offsets inside of a packet mean nothing in the file.
        let inside = |fault: Fault| Fault { at: 0, ..fault };
        let table = Table::root(buffer).map_err(inside)?;
        let events = table.vector(0, 16).map_err(inside)?.unwrap_or_default();
        let fits = events.chunks_exact(16).all(|e| e[9] & 0x80 == 0 && e[11] & 0x80 == 0);
        if !fits {
            return Err(Fault::new(0, "coordinate", "0 to 32767", "a negative one"));
        }
        out.extend(events.chunks_exact(16).map(|e| {
            let t = u64::from(le32(&e[4..])) << 32 | u64::from(le32(e));
            let [x, y] = [[e[8], e[9]], [e[10], e[11]]].map(u16::from_le_bytes);
            Event::new(t.cast_signed(), x, y, e[12] != 0)
        }));
        Ok(())
    }
}

/// Reads all of `input` into `buffer`, up to a limit that no honest packet reaches.
fn unpack(input: impl Read, buffer: &mut Vec<u8>) -> Result<&[u8], Fault> {
    buffer.clear();
    input
        .take(UNPACKED + 1)
        .read_to_end(buffer)
        .map_err(|e| Fault::new(0, "packet", "compressed bytes", e))?;
    if buffer.len() as u64 > UNPACKED {
        return Err(Fault::new(0, "packet", format!("at most {UNPACKED} bytes unpacked"), "more"));
    }
    Ok(buffer)
}

impl Decode for Aedat4 {
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault> {
        let mut used = 0;
        if self.body.is_none() {
            match self.header(input, last)? {
                Some(length) => used = length,
                None => return Ok(0),
            }
        }
        let Some(body) = &self.body else { return Ok(0) };
        let (start, before) = (self.at, out.len());
        loop {
            let rest = &input[used..];
            let passed = self.passing.min(rest.len() as u64);
            used += passed as usize;
            self.passing -= passed;
            let rest = &input[used..];
            if body.end.is_some_and(|end| start + used as u64 >= end) {
                // What follows is the recorder's own index.
                used += rest.len();
                break;
            }
            let Some(head) = rest.get(..8) else { break };
            let (id, size) = (le32(head).cast_signed(), le32(&head[4..]));
            if size > i32::MAX as u32 {
                return Err(Fault::new(used + 4, "size of a packet", "below 2^31", size));
            }
            if id != body.stream.id {
                self.skipped += 1;
                self.passing = size.into();
                used += 8;
                continue;
            }
            let Some(packet) = rest.get(8..8 + size as usize) else { break };
            Self::packet(&mut self.unpacked, body.compression, packet, out)
                .map_err(|fault| Fault { at: used + 8, ..fault })?;
            used += 8 + size as usize;
            // A few packets at a time keep the batches of the reader small.
            if out.len() - before > BATCH {
                break;
            }
        }
        self.at = start + used as u64;
        Ok(used)
    }

    fn sensor(&self) -> Option<Sensor> {
        self.body.as_ref()?.stream.sensor
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn notes(&self) -> Vec<String> {
        match &self.body {
            Some(body) if body.others > 0 => {
                vec![format!("{} more streams of events were not read", body.others)]
            }
            _ => Vec::new(),
        }
    }
}
