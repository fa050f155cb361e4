//! Where the bytes of a file come from, and the buffer that they go to.

use super::Event;
use std::{
    cell::Cell,
    fs::File,
    io::{self, Cursor, Read},
};

/// Bytes asked of a file at a time; the events of one piece fit a core's cache.
pub(super) const PIECE: usize = 256 << 10;

/// Most bytes of a buffer that is kept for the next file.
const KEPT: usize = 4 << 20;

/// Bytes of the beginning that a format is told by.
const START: usize = 8 << 10;

enum Source {
    /// Bytes `at..size` of a file on the disk, which threads read side by side.
    #[cfg(unix)]
    File {
        file: File,
        at: u64,
        size: u64,
    },
    Stream(Box<dyn Read + Send>),
}

/// Bytes from the front, through a buffer.
pub(super) struct Input {
    source: Source,
    buffer: Vec<u8>,
    /// The bytes not used yet are `buffer[start..end]`.
    start: usize,
    end: usize,
    ended: bool,
}

thread_local! {
    /// The buffer of the file before, whose pages need not be asked of the system again.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Input {
    /// The bytes of a file with its `size`, the first of which are read at once.
    pub fn file(file: File) -> io::Result<(Self, u64)> {
        let about = file.metadata()?;
        let size = about.len();
        #[cfg(unix)]
        if about.is_file() {
            let room = size.min(PIECE as u64) as usize;
            return Ok((Self::new(Source::File { file, at: 0, size }, room)?, size));
        }
        Ok((Self::stream(Box::new(file))?, size))
    }

    /// The bytes of a stream, the first of which are read at once.
    pub fn stream(input: Box<dyn Read + Send>) -> io::Result<Self> {
        Self::new(Source::Stream(input), PIECE)
    }

    fn new(source: Source, room: usize) -> io::Result<Self> {
        // A thread that ends may have lost it already.
        let buffer = SPARE.try_with(Cell::take).unwrap_or_default();
        let mut this = Self { source, buffer, start: 0, end: 0, ended: false };
        this.fill(room)?;
        Ok(this)
    }

    /// The beginning, by which a format is told.
    pub fn head(&self) -> &[u8] {
        &self.bytes()[..self.bytes().len().min(START)]
    }

    /// The bytes that are there.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether nothing follows the bytes that are there.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes of a file that are not read yet; `None` for a stream.
    pub fn left(&self) -> Option<u64> {
        match &self.source {
            #[cfg(unix)]
            Source::File { at, size, .. } => Some(size - at),
            Source::Stream(_) => None,
        }
    }

    /// Drops the first `count` of the bytes that are there.
    pub fn advance(&mut self, count: usize) {
        self.start += count;
    }

    /// Reads until `room` bytes are there, or the file ends.
    pub fn fill(&mut self, room: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let free = self.buffer.get_mut(self.end..room).unwrap_or_default();
        let count = match &mut self.source {
            #[cfg(unix)]
            Source::File { file, at, size } => {
                let left = usize::try_from(*size - *at).unwrap_or(usize::MAX);
                let most = left.min(free.len());
                let free = &mut free[..most];
                let count = shared::read(file, free, *at)?;
                *at += count as u64;
                self.ended = count < free.len() || at == size;
                count
            }
            Source::Stream(input) => {
                let count = full(free, |free, _| input.read(free))?;
                self.ended = count < free.len();
                count
            }
        };
        self.end += count;
        Ok(())
    }

    /// All bytes as a stream, those in the buffer first.
    pub fn into_stream(mut self) -> Box<dyn Read + Send> {
        let head = Cursor::new(self.bytes().to_vec());
        match std::mem::replace(&mut self.source, Source::Stream(Box::new(io::empty()))) {
            #[cfg(unix)]
            Source::File { file, at, .. } => Box::new(head.chain(shared::Rest { file, at })),
            Source::Stream(input) => Box::new(head.chain(input)),
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if self.buffer.len() <= KEPT {
            let buffer = std::mem::take(&mut self.buffer);
            let _ = SPARE.try_with(|spare| spare.set(buffer));
        }
    }
}

/// Calls `read` with the free part and its position until `buffer` is full or the bytes end.
fn full(
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8], usize) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match read(&mut buffer[count..], count) {
            Ok(0) => break,
            Ok(n) => count += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(count)
}

/// Reading a file at any place of it.
#[cfg(unix)]
mod shared {
    use super::full;
    use rayon::prelude::*;
    use std::{
        fs::File,
        io::{self, Read},
        os::unix::fs::FileExt,
    };

    /// Bytes that a thread reads at a time.
    const SHARE: usize = 128 << 10;

    /// Fills `buffer` from byte `at` of `file`, on all threads where this is one of rayon's.
    pub fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let share = |buffer: &mut [u8], at: u64| {
            full(buffer, |free, done| file.read_at(free, at + done as u64))
        };
        if buffer.len() < 2 * SHARE || rayon::current_thread_index().is_none() {
            return share(buffer, at);
        }
        let shares = buffer.par_chunks_mut(SHARE).enumerate();
        let counts =
            shares.map(|(i, buffer)| Ok((buffer.len(), share(buffer, at + (i * SHARE) as u64)?)));
        let mut total = 0;
        for (room, count) in counts.collect::<io::Result<Vec<_>>>()? {
            total += count;
            if count < room {
                break;
            }
        }
        Ok(total)
    }

    /// A file from byte `at` on.
    pub struct Rest {
        pub file: File,
        pub at: u64,
    }

    impl Read for Rest {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.file.read_at(buffer, self.at)?;
            self.at += count as u64;
            Ok(count)
        }
    }
}

/// Room for `count` events. Where it is much, the system is asked for large pages: giving out
/// 160 MB in pages of 4 KiB takes it longer than decoding ten million events takes us.
#[allow(unsafe_code)]
pub(super) fn room(count: usize) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    if events.try_reserve_exact(count).is_err() {
        return Vec::new();
    }
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4 << 10;
        let slots = events.spare_capacity_mut();
        let (pointer, size) = (slots.as_mut_ptr(), size_of_val(slots));
        let skip = pointer.addr().next_multiple_of(PAGE) - pointer.addr();
        if size >= 8 << 20 {
            // SAFETY: the range is part of the vector's own memory, and the advice changes no byte
            // of it. Where the system has no large pages it refuses, which does no harm.
            unsafe {
                libc::madvise(pointer.byte_add(skip).cast(), size - skip, libc::MADV_HUGEPAGE)
            };
        }
    }
    events
}
