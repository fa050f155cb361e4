//! What makes a folder a usable libtorch.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Libtorch, Origin, VERSION};

/// Why a folder is of no use.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub enum Error {
    #[error(
        "LIBTORCH={} has no {missing}; expected the folder of libtorch {VERSION}, with lib and \
         include: set LIBTORCH to it, or unset LIBTORCH to have one found or installed",
        root.display()
    )]
    Incomplete { root: PathBuf, missing: String },
    #[error(
        "LIBTORCH={} is libtorch {found}, expected {VERSION}: set LIBTORCH to that version, or \
         unset LIBTORCH to have one found or installed",
        root.display()
    )]
    Version { root: PathBuf, found: String },
}

/// Older releases define their version in the first, newer ones in the second.
const VERSION_HEADERS: [&str; 2] =
    ["include/torch/csrc/api/include/torch/version.h", "include/torch/headeronly/version.h"];

impl Libtorch {
    /// The libtorch in `root`. The messages of errors are about the variable `LIBTORCH`: in the
    /// other places, what is of no use is passed over.
    pub fn open(root: &Path, origin: Origin) -> Result<Self, Error> {
        let incomplete = |missing| Error::Incomplete { root: root.to_owned(), missing };
        let version = version(root).ok_or_else(|| incomplete(VERSION_HEADERS[0].into()))?;
        if version != VERSION {
            return Err(Error::Version { root: root.to_owned(), found: version });
        }
        if let Some(missing) = needed().find(|file| !root.join(file).exists()) {
            return Err(incomplete(missing));
        }
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Ok(Self { root, version, origin })
    }
}

/// What torch-sys compiles and links with.
fn needed() -> impl Iterator<Item = String> {
    let libraries = ["torch", "torch_cpu", "c10"];
    let libraries = libraries.map(|name| format!("lib/{DLL_PREFIX}{name}{DLL_SUFFIX}"));
    libraries.into_iter().chain(["include/torch/csrc/api/include/torch/torch.h".into()])
}

fn version(root: &Path) -> Option<String> {
    let headers = VERSION_HEADERS.map(|header| fs::read_to_string(root.join(header)));
    let headers: String = headers.into_iter().flatten().collect();
    let part = |name: &str| {
        let mut values = headers.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("#define") && words.next() == Some(name)).then(|| words.next())?
        });
        values.next()
    };
    let major = part("TORCH_VERSION_MAJOR")?;
    let minor = part("TORCH_VERSION_MINOR")?;
    let patch = part("TORCH_VERSION_PATCH")?;
    Some(format!("{major}.{minor}.{patch}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Makes `root` look like a libtorch to all but a linker.
    pub fn pretend(root: &Path, version: &str) {
        let mut parts = version.split('.');
        let header: String = ["MAJOR", "MINOR", "PATCH"]
            .map(|name| format!("#define TORCH_VERSION_{name} {}\n", parts.next().unwrap()))
            .concat();
        for file in needed().chain([VERSION_HEADERS[1].into()]) {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &header).unwrap();
        }
    }

    #[test]
    fn a_libtorch_is_known_by_its_headers_and_libraries() {
        let folder = tempfile::tempdir().unwrap();
        pretend(folder.path(), VERSION);
        let found = Libtorch::open(folder.path(), Origin::Variable).unwrap();
        assert_eq!(found.version, VERSION);
        assert_eq!(found.root, folder.path().canonicalize().unwrap());
        assert_eq!(found.origin, Origin::Variable);
    }

    #[test]
    fn another_version_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        pretend(folder.path(), "2.5.1");
        let error = Libtorch::open(folder.path(), Origin::Variable).unwrap_err().to_string();
        let path = folder.path().display();
        assert!(
            error.starts_with(&format!("LIBTORCH={path} is libtorch 2.5.1, expected 2.11.0: set")),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Libtorch::open(folder.path(), Origin::Variable).unwrap_err().to_string();
        assert!(
            error.contains(" has no include/torch/csrc/api/include/torch/version.h;"),
            "{error}"
        );
        pretend(folder.path(), VERSION);
        for file in needed() {
            fs::rename(folder.path().join(&file), folder.path().join("aside")).unwrap();
            let error = Libtorch::open(folder.path(), Origin::Variable).unwrap_err();
            assert_eq!(
                error,
                Error::Incomplete { root: folder.path().to_owned(), missing: file.clone() }
            );
            fs::rename(folder.path().join("aside"), folder.path().join(&file)).unwrap();
        }
    }
}
