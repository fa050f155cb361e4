//! One installation at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::error::Error;

/// Waits until no other process holds the lock; the system frees it when a process ends.
pub fn acquire(path: &Path) -> Result<File, Error> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(Error::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            eprintln!("waiting for another process that installs libtorch ({})", path.display());
            file.lock().map_err(Error::io("lock", path))?;
            Ok(file)
        }
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn two_at_once_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = acquire(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
