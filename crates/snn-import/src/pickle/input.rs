use std::io::{Read, Seek, SeekFrom};

use super::{PickleError, Problem};

/// Bytes whose end is known, so that no announced length is believed before it is checked.
pub(crate) struct Input<R> {
    reader: R,
    at: u64,
    end: u64,
}

impl<R: Read> Input<R> {
    /// Reads on from byte `at`, up to byte `end`.
    pub fn new(reader: R, at: u64, end: u64) -> Self {
        Self { reader, at, end }
    }

    /// Bytes read.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Bytes left.
    pub const fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// An error at this place.
    pub fn error(&self, problem: Problem) -> PickleError {
        PickleError { at: self.at, problem }
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, PickleError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: u64) -> Result<Vec<u8>, PickleError> {
        self.check(count)?;
        let mut bytes = vec![0; count as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The bytes up to the next line break, which is passed over.
    pub fn line(&mut self) -> Result<String, PickleError> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
                byte => line.push(byte),
            }
        }
    }

    fn check(&self, needed: u64) -> Result<(), PickleError> {
        let left = self.left();
        if needed <= left { Ok(()) } else { Err(self.error(Problem::Cut { needed, left })) }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), PickleError> {
        self.check(bytes.len() as u64)?;
        self.reader.read_exact(bytes).map_err(|e| self.error(e.into()))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

impl<R: Read + Seek> Input<R> {
    /// Passes over `count` bytes.
    pub fn skip(&mut self, count: u64) -> Result<(), PickleError> {
        self.check(count)?;
        self.at += count;
        self.reader.seek(SeekFrom::Start(self.at)).map_err(|e| self.error(e.into()))?;
        Ok(())
    }
}
