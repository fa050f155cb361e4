//! One file over HTTP: resumed, retried, checked, renamed.

use super::{FetchError, Progress, State, sums::sums};
use crate::manifest::{Archive, File};
use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};
use ureq::{Agent, http::Response};

/// Bytes read at a time.
const PIECE: usize = 1 << 16;

/// Longest pause between two tries, whatever the server asks for.
const LONGEST: Duration = Duration::from_secs(60);

/// A file and what is known to check it by.
pub(super) struct Wanted<'a> {
    pub name: &'a str,
    bytes: Option<u64>,
    md5: Option<&'a str>,
    sha256: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    pub fn archive(a: &'a Archive) -> Self {
        let (md5, sha256) = (a.md5.as_deref(), a.sha256.as_deref());
        Self { name: &a.name, bytes: a.bytes, md5, sha256 }
    }

    pub fn file(f: &'a File) -> Self {
        let (md5, sha256) = (f.md5.as_deref(), f.sha256.as_deref());
        Self { name: &f.name, bytes: f.bytes, md5, sha256 }
    }

    /// Checks size and sums of `path`.
    pub fn check(&self, path: &Path, progress: &dyn Progress) -> Result<(), FetchError> {
        let found = fs::metadata(path).map_err(|e| FetchError::io("read", path, e))?.len();
        if let Some(expected) = self.bytes.filter(|&bytes| bytes != found) {
            return Err(FetchError::Size { path: path.into(), expected, found });
        }
        let found = sums(path, self.md5.is_some(), self.sha256.is_some(), progress)?;
        for (kind, expected, found) in
            [("md5", self.md5, &found[0]), ("sha256", self.sha256, &found[1])]
        {
            if let (Some(expected), Some(found)) = (expected, found)
                && expected != found
            {
                let (path, expected) = (path.into(), expected.into());
                return Err(FetchError::Sum { path, kind, expected, found: found.clone() });
            }
        }
        Ok(())
    }

    pub fn state(&self, path: &Path, progress: &dyn Progress) -> Result<State, FetchError> {
        if !path.is_file() {
            return Ok(State::Missing);
        }
        match self.check(path, progress) {
            Ok(()) if self.md5.is_none() && self.sha256.is_none() => Ok(State::Unchecked),
            Ok(()) => Ok(State::Good),
            Err(FetchError::Sum { kind, expected, found, .. }) => {
                Ok(State::Wrong(format!("{kind} is {found}, expected {expected}")))
            }
            Err(FetchError::Size { expected, found, .. }) => {
                Ok(State::Wrong(format!("{found} bytes, expected {expected}")))
            }
            Err(other) => Err(other),
        }
    }
}

/// The name of `target` while it is not whole.
pub(super) fn part_name(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    target.with_file_name(name)
}

/// Why a try ended.
enum Failure {
    /// Another try may do better, after the pause that the server asks for.
    Again(String, Option<Duration>),
    /// This address will not give the file.
    Never(String),
    /// The disk refused.
    Disk(FetchError),
}

/// A client with patience.
pub(super) struct Http {
    agent: Agent,
    tries: u32,
    pause: Duration,
}

impl Http {
    pub fn new(tries: u32, pause: Duration, timeout: Duration) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(timeout))
            .timeout_recv_response(Some(timeout))
            .timeout_per_read(Some(timeout))
            .user_agent(concat!("snn-data/", env!("CARGO_PKG_VERSION")))
            // Lengths and ranges count the bytes of the file, so it must come as it is.
            .accept_encoding("identity")
            .build()
            .new_agent();
        Self { agent, tries: tries.max(1), pause }
    }

    /// Downloads to `target`, from the first of `addresses` that gives the right file.
    pub fn download(
        &self,
        wanted: &Wanted<'_>,
        addresses: &[String],
        target: &Path,
        progress: &dyn Progress,
    ) -> Result<(), FetchError> {
        let part = part_name(target);
        let mut failures = Vec::new();
        for address in addresses {
            match self.try_address(wanted, address, &part, progress) {
                Ok(()) => {
                    return fs::rename(&part, target)
                        .map_err(|e| FetchError::io("rename", &part, e));
                }
                Err(Failure::Disk(error)) => return Err(error),
                Err(Failure::Again(why, _) | Failure::Never(why)) => {
                    progress.note(&format!("{address}: {why}"));
                    failures.push(format!("{address}: {why}"));
                }
            }
        }
        if failures.is_empty() {
            failures.push("the manifest names no address".into());
        }
        Err(FetchError::Download { name: wanted.name.into(), failures })
    }

    fn try_address(
        &self,
        wanted: &Wanted<'_>,
        address: &str,
        part: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        // Bytes of another address may be of another version.
        let origin = part.with_extension("from");
        if fs::read_to_string(&origin).ok().as_deref().map(first_line) != Some(address) {
            discard(part)?;
        }
        let mut fresh = false;
        let (mut left, mut pause) = (self.tries, self.pause);
        loop {
            let before = size(part);
            let failure = match self.attempt(wanted, address, part, &origin, progress) {
                Ok(()) => match wanted.check(part, progress) {
                    Ok(()) => {
                        // Only a leftover if this fails.
                        let _ = fs::remove_file(&origin);
                        return Ok(());
                    }
                    Err(error @ (FetchError::Sum { .. } | FetchError::Size { .. })) => {
                        discard(part)?;
                        let why = tell(&error);
                        // What was resumed may have been spoiled before; once is worth a try.
                        if fresh {
                            return Err(Failure::Never(why));
                        }
                        fresh = true;
                        Failure::Again(why, None)
                    }
                    Err(error) => return Err(Failure::Disk(error)),
                },
                Err(failure) => failure,
            };
            let Failure::Again(why, asked) = failure else { return Err(failure) };
            if size(part) > before {
                (left, pause) = (self.tries, self.pause);
            } else {
                left -= 1;
            }
            if left == 0 {
                return Err(Failure::Never(format!("{why} ({} tries)", self.tries)));
            }
            let wait = asked.unwrap_or(pause).min(LONGEST);
            progress.note(&format!("{why}; trying again in {:.1} s", wait.as_secs_f32()));
            sleep(wait);
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Asks once, beginning where `part` ends.
    fn attempt(
        &self,
        wanted: &Wanted<'_>,
        address: &str,
        part: &Path,
        origin: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let have = size(part);
        if have > 0 && wanted.bytes == Some(have) {
            return Ok(());
        }
        let mut request = self.agent.get(address);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
            let note = fs::read_to_string(origin).unwrap_or_default();
            if let Some(tag) = note.lines().nth(1).filter(|tag| !tag.is_empty()) {
                request = request.header("If-Range", tag);
            }
        }
        let mut response = request.call().map_err(|e| Failure::Again(e.to_string(), None))?;
        let status = response.status().as_u16();
        let resumed = match status {
            200 => false,
            206 if range_start(&response) == Some(have) => true,
            // Nothing is left to send.
            416 if have > 0 && range_total(&response) == Some(have) => return Ok(()),
            // The rest that was asked for does not exist: begin anew, and do not resume.
            206 | 416 => {
                discard(part)?;
                return Err(Failure::Again(format!("status {status} for another range"), None));
            }
            202 | 408 | 425 | 429 | 500.. => {
                let after = header(&response, "retry-after").and_then(|v| v.parse().ok());
                let asked = after.map(Duration::from_secs);
                return Err(Failure::Again(format!("status {status}"), asked));
            }
            _ => return Err(Failure::Never(format!("status {status}"))),
        };
        let done = if resumed { have } else { 0 };
        let length = header(&response, "content-length").and_then(|v| v.parse::<u64>().ok());
        let total = length.map(|l| l.saturating_add(done));
        if let (Some(expected), Some(total)) = (wanted.bytes, total)
            && expected != total
        {
            let why = format!("the server offers {total} bytes, expected {expected}");
            return Err(Failure::Never(why));
        }
        let page = header(&response, "content-type").is_some_and(|t| t.starts_with("text/html"));
        if page && !wanted.name.ends_with(".html") {
            return Err(Failure::Never("the server answers with a web page".into()));
        }
        let disk = |action, e| Failure::Disk(FetchError::io(action, part, e));
        if !resumed {
            discard(part)?;
        }
        let tag = header(&response, "etag").filter(|tag| !tag.starts_with("W/"));
        let note = format!("{address}\n{}\n", tag.unwrap_or_default());
        fs::write(origin, note).map_err(|e| disk("write", e))?;
        let file = OpenOptions::new().create(true).append(true).open(part);
        let mut file = file.map_err(|e| disk("write", e))?;
        progress.begin(wanted.name, done, total.or(wanted.bytes));
        let limit = total.or(wanted.bytes).unwrap_or(u64::MAX);
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; PIECE];
        let mut count = done;
        let outcome = loop {
            match body.read(&mut buffer) {
                Ok(0) if total.is_some_and(|total| count < total) => {
                    let total = total.unwrap_or_default();
                    let why = format!("the connection ended after {count} of {total} bytes");
                    break Err(Failure::Again(why, None));
                }
                Ok(0) => break Ok(()),
                Ok(n) => {
                    count += n as u64;
                    if count > limit {
                        break Err(Failure::Never(format!("more than {limit} bytes came")));
                    }
                    file.write_all(&buffer[..n]).map_err(|e| disk("write", e))?;
                    progress.advance(n as u64);
                }
                Err(e) => {
                    let why = format!("the connection broke after {count} bytes ({e})");
                    break Err(Failure::Again(why, None));
                }
            }
        };
        progress.end();
        file.sync_all().map_err(|e| disk("write", e))?;
        if matches!(outcome, Err(Failure::Never(_))) {
            discard(part)?;
        }
        outcome
    }
}

fn header<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// First byte of the range that the server sends.
fn range_start<B>(response: &Response<B>) -> Option<u64> {
    let range = header(response, "content-range")?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

/// Size of the file that the server tells beside a range.
fn range_total<B>(response: &Response<B>) -> Option<u64> {
    header(response, "content-range")?.rsplit('/').next()?.trim().parse().ok()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn discard(part: &Path) -> Result<(), Failure> {
    match fs::remove_file(part) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::Disk(FetchError::io("remove", part, e)))
        }
        _ => Ok(()),
    }
}

/// The error without the temporary path in front of it.
fn tell(error: &FetchError) -> String {
    match error {
        FetchError::Sum { kind, expected, found, .. } => {
            format!("{kind} is {found}, expected {expected}")
        }
        FetchError::Size { expected, found, .. } => format!("{found} bytes, expected {expected}"),
        other => other.to_string(),
    }
}
