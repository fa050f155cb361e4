//! Decoded samples kept on the disk and mapped into memory, so that a set is decoded once.
//!
//! A set is one file named by its [`Key`]: the hash of its source files and of all that was done
//! to them. Another file, order or transform is another key, so a stale set is never read.
//!
//! ```
//! use snn_data::cache::{Cache, Key};
//!
//! # let dir = tempfile::tempdir()?;
//! # let recording = dir.path().join("recording.bin");
//! # std::fs::write(&recording, [1, 2, 3])?;
//! let cache = Cache::at(dir.path().join("cache"));
//! let key = Key::new(&cache, "doubled, version 1", &[recording.clone()])?;
//! let set = cache.load_or_make(&key, 3, 1, |_, out| {
//!     let bytes = std::fs::read(&recording).unwrap();
//!     out.iter_mut().zip(bytes).for_each(|(o, b)| *o = 2 * b);
//!     Ok(())
//! })?;
//! assert_eq!(set.sample(0), [2, 4, 6]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod key;
mod store;

pub use key::Key;
pub use store::Frames;

use crate::DataError;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The folder that datasets are fetched to, each into a folder of its name: `$SNN_DATA_DIR`, else
/// `datasets` in the user's cache.
///
/// # Errors
/// Those of [`Cache::of_user`].
pub fn datasets() -> Result<PathBuf, DataError> {
    match env::var_os("SNN_DATA_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => Ok(dir.into()),
        None => Ok(Cache::of_user()?.dir().join("datasets")),
    }
}

/// A folder of decoded sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// The cache in `dir`, which is made when it is first written.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The user's cache: `$SNN_CACHE_DIR`, else `$XDG_CACHE_HOME/snn-data`, else
    /// `~/.cache/snn-data`.
    ///
    /// # Errors
    /// [`DataError::Setting`] when none of these and no home is known.
    pub fn of_user() -> Result<Self, DataError> {
        let set = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        set("SNN_CACHE_DIR")
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("snn-data")))
            .or_else(|| env::home_dir().map(|home| home.join(".cache").join("snn-data")))
            .map(Self::at)
            .ok_or_else(|| DataError::Setting {
                setting: "SNN_CACHE_DIR",
                expected: "a folder, as there is no home folder to put the cache into",
                found: "nothing".into(),
            })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The set of `key`, `count` samples of `size` bytes: mapped if it is there, else made, written
    /// under a temporary name, renamed, and mapped.
    ///
    /// `make(i, out)` writes sample i to `out` `[size]`; it runs on the threads of rayon and must
    /// give the same bytes for the same `key`. Memory stays within a few hundred samples.
    ///
    /// # Errors
    /// Those of `make`, and [`DataError::Io`]; the folder then holds no new set.
    pub fn load_or_make(
        &self,
        key: &Key,
        size: usize,
        count: usize,
        make: impl Fn(usize, &mut [u8]) -> Result<(), DataError> + Sync,
    ) -> Result<Frames, DataError> {
        let path = self.dir.join(format!("{key}.frames"));
        if let Some(frames) = Frames::open(&path, size, count)? {
            return Ok(frames);
        }
        self.make_dir()?;
        store::write(&path, size, count, make)?;
        Frames::open(&path, size, count)?.ok_or_else(|| DataError::Foreign {
            path,
            what: "size of the set just written",
            expected: format!("{count} samples of {size} bytes"),
            found: "another".into(),
        })
    }

    fn make_dir(&self) -> Result<(), DataError> {
        let io = |source| DataError::Io { action: "make", path: self.dir.clone(), source };
        fs::create_dir_all(&self.dir).map_err(io)
    }
}
