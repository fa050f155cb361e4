//! Formats that are a sequence of bytes: decoders that are fed piece by piece.

use super::{
    Event, Sensor,
    input::{Input, PIECE},
    reader::{Batches, Problem},
};

/// Turns the bytes of a file into events, a piece at a time.
pub(super) trait Decode: Send {
    /// Decodes from the start of `input`, appends the events to `out` and returns how many bytes
    /// it used; it is called again with the rest and more behind it.
    ///
    /// With `last` nothing more follows. What is then left over counts as trailing bytes.
    fn decode(&mut self, input: &[u8], last: bool, out: &mut Vec<Event>) -> Result<usize, Fault>;

    /// Size of the sensor as far as the file has told it yet.
    fn sensor(&self) -> Option<Sensor> {
        None
    }

    /// Records so far that are no events: frames, triggers, inertial data, ...
    fn skipped(&self) -> u64 {
        0
    }

    /// Remarks that a person should see.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A broken rule at byte `at` of the input.
#[derive(Debug)]
pub(super) struct Fault {
    pub at: usize,
    pub what: &'static str,
    pub expected: String,
    pub found: String,
}

impl Fault {
    pub fn new(
        at: usize,
        what: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self { at, what, expected: expected.to_string(), found: found.to_string() }
    }
}

/// Most bytes that one record may need at once.
const MOST: usize = 64 << 20;

/// Bytes that all threads read and decode together where the whole file is wanted, and the least
/// for which waking them pays.
const TOGETHER: usize = 2 << 20;
const WORTH: u64 = 1 << 20;

/// Feeds a decoder from a file.
pub(super) struct Bytes {
    input: Input,
    decoder: Box<dyn Decode>,
    /// Bytes to ask for at a time.
    piece: usize,
    /// Position in the file of the first byte that is not used.
    offset: u64,
    /// Whether the decoder can do nothing with the bytes that are there.
    stuck: bool,
    done: bool,
}

impl Bytes {
    pub fn new(input: Input, decoder: Box<dyn Decode>) -> Self {
        Self { input, decoder, piece: PIECE, offset: 0, stuck: false, done: false }
    }

    /// Reads a piece of the file and decodes what is there.
    fn step(&mut self, out: &mut Vec<Event>) -> Result<(), Problem> {
        let there = self.input.bytes().len();
        if !self.input.has_ended() && (self.stuck || there < PIECE / 2) {
            self.fill(there)?;
        }
        let (input, last) = (self.input.bytes(), self.input.has_ended());
        let used = self.decoder.decode(input, last, out).map_err(|fault| {
            let Fault { at, what, expected, found } = fault;
            let offset = Some(self.offset + at as u64);
            Problem::Corrupt { offset, what, expected, found }
        })?;
        self.stuck = used == 0;
        self.done = last && (self.stuck || used == input.len());
        self.input.advance(used);
        self.offset += used as u64;
        Ok(())
    }

    fn fill(&mut self, there: usize) -> Result<(), Problem> {
        // Twice what an unfinished record has shown so far, so that memory follows the file and
        // not the length that a damaged record claims.
        let room = if self.stuck { self.piece.max(2 * there) } else { self.piece };
        if room > 2 * MOST {
            let (what, expected) = ("record", format!("at most {MOST} bytes long"));
            let offset = Some(self.offset);
            return Err(Problem::Corrupt { offset, what, expected, found: "longer".into() });
        }
        Ok(self.input.fill(room)?)
    }
}

impl Batches for Bytes {
    fn next_batch(&mut self, out: &mut Vec<Event>) -> Result<bool, Problem> {
        let before = out.len();
        while !self.done && out.len() == before {
            self.step(out)?;
        }
        Ok(out.len() > before)
    }

    fn rest(&mut self, out: &mut Vec<Event>) -> Result<(), Problem> {
        if self.input.left().is_none_or(|left| left < WORTH) {
            while self.next_batch(out)? {}
            return Ok(());
        }
        self.piece = TOGETHER;
        rayon::scope(|_| {
            while self.next_batch(out)? {}
            Ok(())
        })
    }

    fn sensor(&self) -> Option<Sensor> {
        self.decoder.sensor()
    }

    fn skipped(&self) -> u64 {
        self.decoder.skipped()
    }

    fn trailing(&self) -> u64 {
        if self.done { self.input.bytes().len() as u64 } else { 0 }
    }

    fn notes(&self) -> Vec<String> {
        self.decoder.notes()
    }
}

/// Longest line of a text header.
const LINE: usize = 1 << 20;

/// The first line of `input` with its line end; `None` when more input is needed.
pub(super) fn line<'a>(
    input: &'a [u8],
    last: bool,
    what: &'static str,
) -> Result<Option<&'a [u8]>, Fault> {
    match input.iter().take(LINE).position(|&b| b == b'\n') {
        Some(end) => Ok(Some(&input[..=end])),
        None if input.len() >= LINE => {
            Err(Fault::new(0, what, format!("lines of at most {LINE} bytes"), "a longer one"))
        }
        None if last && !input.is_empty() => Ok(Some(input)),
        None => Ok(None),
    }
}

/// A line as text without its line end.
pub(super) fn text(line: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(line.trim_ascii_end())
}

/// Four bytes as a little-endian word.
pub(super) fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Four bytes as a big-endian word.
pub(super) fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::formats::{
        aedat2::Aedat2, aedat3::Aedat3, atis::Atis, dat::Dat, es::EventStream, evt2::Evt2,
        evt3::Evt3, text::Text,
    };
    use proptest::{collection::vec, prelude::*};

    /// Hands the bytes over in the pieces between `cuts`; returns events, skipped records, what is
    /// left over, and the place of the fault that ended it.
    fn feed(
        mut decoder: Box<dyn Decode>,
        bytes: &[u8],
        cuts: &[usize],
    ) -> (Vec<Event>, u64, usize, Option<usize>) {
        let (mut events, mut used) = (Vec::new(), 0);
        let ends = cuts.iter().map(|&c| c.min(bytes.len())).chain([bytes.len()]);
        let mut fault = None;
        for (i, end) in ends.enumerate() {
            loop {
                let last = i == cuts.len();
                match decoder.decode(&bytes[used..end.max(used)], last, &mut events) {
                    Ok(0) => break,
                    Ok(n) => used += n,
                    Err(f) => {
                        fault = Some(used + f.at);
                        return (events, decoder.skipped(), 0, fault);
                    }
                }
            }
        }
        (events, decoder.skipped(), bytes.len() - used, fault)
    }

    /// The beginning of a file, and a decoder for it.
    type Case = (&'static [u8], fn() -> Box<dyn Decode>);

    fn decoders() -> Vec<Case> {
        vec![
            (b"#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n", || Box::new(Aedat2::new(None))),
            (b"#!AER-DAT2.0\r\n", || Box::new(Aedat2::new(None))),
            (b"#!AER-DAT3.1\r\n#!END-HEADER\r\n\x01\0\x01\0\x08\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0\x09\0\0\0\x09\0\0\0", || {
                Box::new(Aedat3::new(false))
            }),
            (b"", || Box::new(Atis::new(true))),
            (b"% Width 304\n% Height 240\n\x00\x08", || Box::new(Dat::default())),
            (b"% evt 2.0\n\0\0\0\x80", || Box::new(Evt2::default())),
            (b"% evt 3.0\n% end\n\x01\x80", || Box::new(Evt3::default())),
            (b"Event Stream\x02\0\0\x01\xff\xff\xff\xff", || Box::new(EventStream::default())),
            (b"Event Stream\x02\0\0\x02\xff\xff\xff\xff", || Box::new(EventStream::default())),
            (b"Event Stream\x02\0\0\x00", || Box::new(EventStream::default())),
            (b"# comment\n1 2 3 1\n0.5 4 5 0\n", || Box::new(Text::default())),
        ]
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(body in vec(any::<u8>(), 0..200), mut cuts in vec(0usize..260, 0..12)) {
            cuts.sort();
            for (i, (head, decoder)) in decoders().into_iter().enumerate() {
                let bytes = [head, &body].concat();
                let whole = feed(decoder(), &bytes, &[]);
                prop_assert_eq!(feed(decoder(), &bytes, &cuts), whole, "decoder {}", i);
            }
        }
    }
}
