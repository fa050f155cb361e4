//! Writing files so that nothing half-written is ever left under their name.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Writes `bytes` to `path` all or not at all, also across a power cut: to
/// `<path>.tmp` first, flushed to the disk, then renamed.
///
/// # Errors
/// Any I/O error; the temporary file is then removed and `path` is untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = Path::new(&name);
    let written = File::create(temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(temporary, path)
    });
    if written.is_err() {
        // The first error is the one to tell; a leftover cannot be helped then.
        let _ = fs::remove_file(temporary);
    }
    written
}
