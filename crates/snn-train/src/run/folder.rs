use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use serde::Serialize;
use snn_core::files::write_atomic;

use super::{Config, RunError};

/// A run folder, locked as long as this lives (also against other processes, and released
/// however this one ends).
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
}

const COMMAND: &str = "# ";

impl RunFolder {
    /// Makes the folder `path` for a run of `config`, started by `command`.
    ///
    /// # Errors
    /// [`RunError::InUse`], [`RunError::Occupied`], [`RunError::Io`]; a folder that was made is
    /// then removed.
    pub fn create(path: &Path, config: &impl Serialize, command: &str) -> Result<Self, RunError> {
        let new = !path.exists();
        fs::create_dir_all(path).map_err(RunError::io("make the folder", path))?;
        let made = Self::fill(path, config, command);
        if made.is_err() && new {
            // The first error is the one to tell. What another process put there stays.
            let _ = fs::remove_file(path.join("lock")).and_then(|()| fs::remove_dir(path));
        }
        made
    }

    /// As [`RunFolder::create`], in the first of `parent/name-1`, `parent/name-2`, ... that does
    /// not exist.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn create_numbered(
        parent: &Path,
        name: &str,
        config: &impl Serialize,
        command: &str,
    ) -> Result<Self, RunError> {
        fs::create_dir_all(parent).map_err(RunError::io("make the folder", parent))?;
        for number in 1.. {
            let path = parent.join(format!("{name}-{number}"));
            if !path.exists() {
                match Self::create(&path, config, command) {
                    // Somebody else was faster.
                    Err(RunError::InUse { .. } | RunError::Occupied { .. }) => {}
                    made => return made,
                }
            }
        }
        unreachable!("numbers do not end")
    }

    /// Opens the folder `path` to go on with its run.
    ///
    /// # Errors
    /// [`RunError::NoRun`], [`RunError::InUse`], [`RunError::Io`], and those of [`Config::load`].
    pub fn open(path: &Path) -> Result<(Self, Config), RunError> {
        let folder = Self::reopen(path)?;
        let config = Config::load(&folder.file("config.toml"), &[])?;
        Ok((folder, config))
    }

    /// As [`RunFolder::open`], whatever the run is of.
    ///
    /// # Errors
    /// [`RunError::NoRun`], [`RunError::InUse`], [`RunError::Io`].
    pub fn reopen(path: &Path) -> Result<Self, RunError> {
        if !path.join("config.toml").is_file() {
            return Err(RunError::NoRun { path: path.into() });
        }
        let folder = Self::lock(path)?;
        folder.sweep()?;
        Ok(folder)
    }

    fn fill(path: &Path, config: &impl Serialize, command: &str) -> Result<Self, RunError> {
        let folder = Self::lock(path)?;
        if folder.file("config.toml").exists() {
            return Err(RunError::Occupied { path: path.into() });
        }
        let text = toml::to_string(config).map_err(|e| RunError::Config {
            origin: "the configuration cannot be written".into(),
            reason: e.to_string(),
        })?;
        folder.write("config.toml", format!("{COMMAND}{command}\n\n{text}").as_bytes())?;
        Ok(folder)
    }

    fn lock(path: &Path) -> Result<Self, RunError> {
        let file = path.join("lock");
        let lock = File::create(&file).map_err(RunError::io("make", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RunError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(RunError::io("lock", &file)(source)),
        }
    }

    /// Removes what a process that was killed while it wrote has left.
    fn sweep(&self) -> Result<(), RunError> {
        let read = || RunError::io("read", &self.path);
        for entry in fs::read_dir(&self.path).map_err(read())? {
            let path = entry.map_err(read())?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(&path).map_err(RunError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The command that made it.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn command(&self) -> Result<String, RunError> {
        let path = self.file("config.toml");
        let text = fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
        let line = text.lines().next().and_then(|line| line.strip_prefix(COMMAND));
        Ok(line.unwrap_or_default().to_owned())
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in it, all or nothing.
    ///
    /// # Errors
    /// [`RunError::Write`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.file(name);
        write_atomic(&path, bytes).map_err(|source| self.unwritten(path, bytes.len(), source))
    }

    pub(super) fn unwritten(
        &self,
        path: PathBuf,
        bytes: usize,
        source: std::io::Error,
    ) -> RunError {
        RunError::Write { path, bytes, folder: self.path.clone(), source }
    }
}
