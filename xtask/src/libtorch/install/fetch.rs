//! Downloading through pip, so that a kill or a bad network costs only what was not yet written.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use sha2::{Digest, Sha256};

use super::error::Error;
use super::progress::Progress;
use super::wheels::Wheel;

/// Runs inside of pip; its beginning says what it prints.
const SCRIPT: &str = include_str!("fetch.py");

// Exit codes of the script; with any other, a connection failed.
const NO_PIP: i32 = 10;
const UNKNOWN_PIP: i32 = 11;
const NOT_FOUND: i32 = 12;

/// The pip of a Python interpreter, configured as its user likes.
pub struct Pip {
    /// A path, or a name on `PATH`.
    pub python: PathBuf,
}

impl Pip {
    /// Completes the file `path`, of which a beginning may be there, and verifies it.
    ///
    /// A connection that ends early is made anew as long as that brings the file further.
    pub fn fetch(&self, wheel: &Wheel, path: &Path, progress: &mut Progress) -> Result<(), Error> {
        loop {
            let before = present(wheel, path);
            if before == wheel.size {
                return verify(wheel, path);
            }
            let ended = self.fetch_more(wheel, path, progress);
            if present(wheel, path) <= before {
                ended?;
            }
        }
    }

    /// One connection. Without an error the file has its size.
    fn fetch_more(&self, wheel: &Wheel, path: &Path, progress: &mut Progress) -> Result<(), Error> {
        let have = present(wheel, path);
        let python = self.python.display().to_string();
        let mut child = Command::new(&self.python)
            .args(["-c", SCRIPT, wheel.file, &have.to_string()])
            .args(options(wheel.file))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::NoPython { python: python.clone() },
                _ => Error::io("start", &self.python)(error),
            })?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            unreachable!("both are piped");
        };
        let reason = thread::spawn(move || last_line(stderr));
        let written = append(stdout, wheel, have, path, progress);
        if written.is_err() || present(wheel, path) == wheel.size {
            // What more it sends is of no use. This fails only if it has ended by itself.
            let _ = child.kill();
        }
        let status = child.wait().map_err(Error::io("wait for", &self.python))?;
        let said = reason.join().unwrap_or_default();
        written?;
        let Wheel { file, size, .. } = *wheel;
        match (present(wheel, path), status.code()) {
            (have, _) if have == size => Ok(()),
            (_, Some(NO_PIP)) => Err(Error::NoPip { python, said }),
            (_, Some(UNKNOWN_PIP)) => Err(Error::UnknownPip { python, said }),
            (_, Some(NOT_FOUND)) => Err(Error::NotFound { file, python, said }),
            (have, _) => Err(Error::Interrupted { file, have, size, said }),
        }
    }
}

/// Bytes of `wheel` that the file `path` has. A file that is too long is something else.
pub fn present(wheel: &Wheel, path: &Path) -> u64 {
    fs::metadata(path).map(|file| file.len()).ok().filter(|len| *len <= wheel.size).unwrap_or(0)
}

/// Writes the script's `output` to the file `path`, of which the first `have` bytes are there.
fn append(
    output: impl Read,
    wheel: &Wheel,
    have: u64,
    path: &Path,
    progress: &mut Progress,
) -> Result<(), Error> {
    let failed = |error| Error::io("write", path)(error);
    let mut output = BufReader::new(output);
    let mut start = String::new();
    output.read_line(&mut start).map_err(Error::io("download", path))?;
    // Without a start there is no output but a reason, which the caller reads.
    let Ok(start) = start.trim_end().parse::<u64>() else { return Ok(()) };
    let start = start.min(have);

    let file = File::options().write(true).create(true).truncate(false).open(path);
    let mut file = file.map_err(failed)?;
    if file.metadata().map_err(failed)?.len() != start {
        file.set_len(start).map_err(failed)?;
    }
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    progress.lose(have - start);
    let mut rest = output.take(wheel.size - start);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = rest.read(&mut buffer).map_err(Error::io("download", path))?;
        if read == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..read]).map_err(failed)?;
        progress.gain(read as u64);
    }
}

/// The last line that says something: before it are warnings and where an exception passed.
fn last_line(mut stderr: impl Read) -> String {
    let mut said = Vec::new();
    // Only the text of a message depends on it.
    let _ = stderr.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or("the connection ended").trim().to_owned()
}

/// What makes pip look for wheels for Linux and one Python, on whatever it runs itself.
fn options(file: &str) -> Vec<&str> {
    let tags = file.trim_end_matches(".whl").rsplit('-').next().unwrap_or_default();
    let platform = tags.split('.').next().unwrap_or_default();
    let mut options = vec!["--no-cache-dir", "--no-input", "--no-deps", "--only-binary=:all:"];
    options.extend(["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"]);
    options.extend(["--platform", platform]);
    options
}

/// Removes the file and fails if it is not the one that is meant.
fn verify(wheel: &Wheel, path: &Path) -> Result<(), Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher).map_err(Error::io("read", path))?;
    let found = format!("{:x}", hasher.finalize());
    if found == wheel.sha256 {
        return Ok(());
    }
    fs::remove_file(path).map_err(Error::io("remove", path))?;
    Err(Error::Hash { file: wheel.file, expected: wheel.sha256, found })
}

#[cfg(all(test, unix))]
mod tests;
