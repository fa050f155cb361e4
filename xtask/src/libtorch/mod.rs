//! libtorch of the one version that tch 0.24 is made for: found, or installed for this user.

mod cache;
mod folder;
mod install;
mod python;
#[cfg(all(test, unix))]
pub mod testing;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

pub use cache::Cache;

/// The version that everything is built and tested with; torch-sys refuses others.
pub const VERSION: &str = "2.11.0";

/// Where the system's loader looks for libraries that are not on a program's rpath.
#[cfg(not(any(target_os = "macos", windows)))]
pub const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
#[cfg(target_os = "macos")]
pub const LIBRARY_PATH: &str = "DYLD_LIBRARY_PATH";
#[cfg(windows)]
pub const LIBRARY_PATH: &str = "PATH";

/// A complete libtorch of [`VERSION`].
#[derive(Debug, PartialEq, Eq)]
pub struct Libtorch {
    /// The folder that holds `lib` and `include`, as an absolute path.
    pub root: PathBuf,
    /// As its headers say.
    pub version: String,
    /// Who said that it is there.
    pub origin: Origin,
}

/// The places where libtorch is looked for, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// The variable `LIBTORCH`.
    Variable,
    /// A Python environment, named by its interpreter.
    Python(PathBuf),
    /// The user's cache, where this program puts it.
    Cache,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Variable => f.write_str("from the variable LIBTORCH"),
            Self::Python(python) => write!(f, "PyTorch of {}", python.display()),
            Self::Cache => f.write_str("from the user's cache"),
        }
    }
}

impl Libtorch {
    /// The value of [`LIBRARY_PATH`] that puts this libtorch before what is there already.
    pub fn library_path(&self) -> OsString {
        let before = std::env::var_os(LIBRARY_PATH).unwrap_or_default();
        let others = std::env::split_paths(&before).filter(|path| !path.as_os_str().is_empty());
        let lib = self.root.join("lib");
        // A path that the loader cannot be given is left to the rpath.
        std::env::join_paths(std::iter::once(lib).chain(others)).unwrap_or_default()
    }

    /// Lines for a POSIX shell after which plain `cargo` commands build and test on this libtorch.
    pub fn exports(&self) -> String {
        let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"));
        let (root, lib) = (quoted(&self.root), quoted(&self.root.join("lib")));
        // The shell's own value: the one of this process has additions by the cargo that started it.
        let others = format!("\"${{{LIBRARY_PATH}:+:${LIBRARY_PATH}}}\"");
        format!("export LIBTORCH={root}\nexport {LIBRARY_PATH}={lib}{others}\n")
    }
}

/// Finds libtorch, or installs it in the user's cache.
///
/// # Errors
/// If `LIBTORCH` is set to something else, or if libtorch is nowhere and cannot be installed.
pub fn obtain() -> Result<Libtorch> {
    let variable = std::env::var_os("LIBTORCH").filter(|root| !root.is_empty());
    let cache = Cache::of_user();
    match find(variable.map(PathBuf::from), python::interpreters(), cache.as_ref().ok())? {
        Some(found) => Ok(found),
        None => Ok(install::install(&cache?, &install::Means::of_machine())?),
    }
}

fn find(
    variable: Option<PathBuf>,
    interpreters: Vec<PathBuf>,
    cache: Option<&Cache>,
) -> Result<Option<Libtorch>, folder::Error> {
    if let Some(root) = variable {
        return Libtorch::open(&root, Origin::Variable).map(Some);
    }
    let python = interpreters.into_iter().find_map(python::torch);
    Ok(python.or_else(|| cache?.libtorch()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use folder::tests::pretend;

    #[cfg(unix)]
    #[test]
    fn the_variable_comes_before_python_and_python_before_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let [named, package] = ["named", "package"].map(|name| folder.path().join(name));
        let cache = Cache::at(folder.path().join("cache"));
        for root in [&named, &package, &cache.installed()] {
            pretend(root, VERSION);
        }
        let python = python::tests::interpreter(folder.path(), &package, "true");
        let origin = |variable: Option<&PathBuf>, interpreters: &[PathBuf]| {
            let found = find(variable.cloned(), interpreters.into(), Some(&cache)).unwrap();
            found.unwrap().origin
        };
        let interpreters = ["/no/such/python".into(), python.clone()];
        assert_eq!(origin(Some(&named), &interpreters), Origin::Variable);
        assert_eq!(origin(None, &interpreters), Origin::Python(python));
        assert_eq!(origin(None, &interpreters[..1]), Origin::Cache);
        assert_eq!(find(None, Vec::new(), None).unwrap(), None);
        // A mistake in the variable is not passed over.
        assert!(find(Some("/no/such/folder".into()), interpreters.into(), Some(&cache)).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn exports_survive_a_shell() {
        let root = PathBuf::from("/tmp/it's here");
        let libtorch = Libtorch { root, version: VERSION.into(), origin: Origin::Cache };
        let script = libtorch.exports() + &format!("echo \"$LIBTORCH|${LIBRARY_PATH}\"");
        let value = |before: Option<&str>| {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &script]).env_remove(LIBRARY_PATH);
            let output = shell.envs(before.map(|before| (LIBRARY_PATH, before))).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(value(None), "/tmp/it's here|/tmp/it's here/lib\n");
        assert_eq!(value(Some("/a:/b")), "/tmp/it's here|/tmp/it's here/lib:/a:/b\n");
    }
}
