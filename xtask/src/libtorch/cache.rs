//! Where libtorch lies in the user's cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::{Libtorch, Origin, VERSION};

/// Neither of the variables that say where a user's cache is.
#[derive(Debug, thiserror::Error)]
#[error(
    "no place for a cache: neither XDG_CACHE_HOME nor HOME is an absolute path; set one of them, \
     or LIBTORCH to the folder of libtorch {VERSION}"
)]
pub struct NoCache;

/// The folder of this project in the user's cache.
#[derive(Debug)]
pub struct Cache(PathBuf);

impl Cache {
    /// `$XDG_CACHE_HOME/snn`, `~/.cache/snn` without that variable.
    pub fn of_user() -> Result<Self, NoCache> {
        Self::new(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
    }

    #[cfg(test)]
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    fn new(xdg_cache_home: Option<OsString>, home: Option<OsString>) -> Result<Self, NoCache> {
        let xdg = xdg_cache_home.map(PathBuf::from);
        let home = home.map(|home| Path::new(&home).join(".cache"));
        // The XDG specification ignores relative paths.
        let cache = xdg.into_iter().chain(home).find(|path| path.is_absolute()).ok_or(NoCache)?;
        Ok(Self(cache.join("snn")))
    }

    /// What is installed. A folder of this name is complete, unless a person changed it.
    pub fn libtorch(&self) -> Option<Libtorch> {
        let found = Libtorch::open(&self.installed(), Origin::Cache).ok()?;
        // Left if the last installation was killed at its very end.
        let _ = fs::remove_dir_all(self.downloads());
        Some(found)
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    pub fn installed(&self) -> PathBuf {
        self.0.join(format!("libtorch-{VERSION}"))
    }

    /// Wheels, whole or in part.
    pub fn downloads(&self) -> PathBuf {
        self.0.join(format!("libtorch-{VERSION}.downloads"))
    }

    /// What becomes [`installed`](Self::installed) once it is complete.
    pub fn unfinished(&self) -> PathBuf {
        self.0.join(format!("libtorch-{VERSION}.unfinished"))
    }

    /// Locked by the process that installs.
    pub fn lock(&self) -> PathBuf {
        self.0.join(format!("libtorch-{VERSION}.lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::folder::tests::pretend;

    fn folder(xdg: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
        Cache::new(xdg.map(Into::into), home.map(Into::into)).ok().map(|cache| cache.0)
    }

    #[cfg(unix)]
    #[test]
    fn the_first_absolute_path_counts() {
        assert_eq!(folder(Some("/x"), Some("/home/a")), Some("/x/snn".into()));
        assert_eq!(folder(None, Some("/home/a")), Some("/home/a/.cache/snn".into()));
        assert_eq!(folder(Some("x"), Some("/home/a")), Some("/home/a/.cache/snn".into()));
        assert_eq!(folder(Some(""), None), None);
        assert_eq!(folder(None, Some("")), None);
        assert!(NoCache.to_string().starts_with("no place for a cache: "));
    }

    #[test]
    fn a_damaged_installation_does_not_count() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::at(home.path().to_owned());
        assert_eq!(cache.libtorch(), None);
        pretend(&cache.installed(), VERSION);
        fs::create_dir(cache.downloads()).unwrap();
        assert_eq!(cache.libtorch().unwrap().origin, Origin::Cache);
        assert!(!cache.downloads().exists());
        fs::remove_dir_all(cache.installed().join("lib")).unwrap();
        assert_eq!(cache.libtorch(), None);
    }
}
