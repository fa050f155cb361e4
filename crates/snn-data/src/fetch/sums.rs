//! Sums of files, and notes of what an archive held.

use super::{Checked, FetchError, Progress, State};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// Bytes read at a time.
const PIECE: usize = 1 << 17;

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Hands all bytes of `path` to `take`.
fn read_through(
    path: &Path,
    progress: &dyn Progress,
    mut take: impl FnMut(&[u8]),
) -> Result<(), FetchError> {
    let io = |e| FetchError::io("read", path, e);
    let mut file = fs::File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    progress.begin(&format!("check {name}"), 0, Some(size));
    let mut buffer = vec![0; PIECE];
    loop {
        let count = file.read(&mut buffer).map_err(io)?;
        if count == 0 {
            break;
        }
        take(&buffer[..count]);
        progress.advance(count as u64);
    }
    progress.end();
    Ok(())
}

/// Sums of a file: MD5 and SHA-256, each only where `md5` or `sha256` asks for it.
pub(super) fn sums(
    path: &Path,
    md5: bool,
    sha256: bool,
    progress: &dyn Progress,
) -> Result<[Option<String>; 2], FetchError> {
    let (mut a, mut b) = (md5.then(Md5::new), sha256.then(Sha256::new));
    if md5 || sha256 {
        read_through(path, progress, |bytes| {
            a.iter_mut().for_each(|d| d.update(bytes));
            b.iter_mut().for_each(|d| d.update(bytes));
        })?;
    }
    Ok([a.map(|d| hex(&d.finalize())), b.map(|d| hex(&d.finalize()))])
}

/// What an archive held: SHA-256, size and path of every file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Receipt(pub Vec<(String, u64, String)>);

impl Receipt {
    pub fn path(folder: &Path, archive: &str) -> PathBuf {
        folder.join(".unpacked").join(format!("{archive}.sums"))
    }

    pub fn write(&self, folder: &Path, archive: &str) -> Result<(), FetchError> {
        let path = Self::path(folder, archive);
        let parent = folder.join(".unpacked");
        fs::create_dir_all(&parent).map_err(|e| FetchError::io("make", &parent, e))?;
        let lines: String =
            self.0.iter().map(|(sum, size, name)| format!("{sum} {size} {name}\n")).collect();
        let part = super::download::part_name(&path);
        fs::write(&part, lines).map_err(|e| FetchError::io("write", &part, e))?;
        fs::rename(&part, &path).map_err(|e| FetchError::io("rename", &part, e))
    }

    pub fn read(folder: &Path, archive: &str) -> Result<Option<Self>, FetchError> {
        let path = Self::path(folder, archive);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(|e| FetchError::io("read", &path, e))?;
        let parse = |(i, line): (usize, &str)| {
            let mut words = line.splitn(3, ' ');
            let entry = (|| {
                let sum = words.next()?.to_string();
                Some((sum, words.next()?.parse().ok()?, words.next()?.to_string()))
            })();
            entry.ok_or_else(|| FetchError::Receipt { path: path.clone(), line: i + 1 })
        };
        text.lines().enumerate().map(parse).collect::<Result<_, _>>().map(|e| Some(Self(e)))
    }

    pub fn check(
        &self,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Vec<Checked>, FetchError> {
        let check = |(sum, size, name): &(String, u64, String)| {
            let path = folder.join(name);
            let state = match fs::metadata(&path) {
                Err(_) => State::Missing,
                Ok(found) if found.len() != *size => {
                    State::Wrong(format!("{} bytes, expected {size}", found.len()))
                }
                Ok(_) => match sums(&path, false, true, progress)? {
                    [_, Some(found)] if found != *sum => {
                        State::Wrong(format!("sha256 is {found}, expected {sum}"))
                    }
                    _ => State::Good,
                },
            };
            Ok(Checked { name: name.clone(), state })
        };
        self.0.iter().map(check).collect()
    }
}
