//! Installing libtorch in the user's cache: download, verify, unpack, then one rename.
//!
//! Killed at any moment, it leaves nothing that looks installed, and the next call goes on with
//! what was downloaded.

mod error;
mod fetch;
mod lock;
mod progress;
mod space;
mod stub;
mod unpack;
mod wheels;

use std::env::consts;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::cache::Cache;
use super::{Libtorch, Origin, VERSION};
use error::Error;
use fetch::Pip;
use progress::Progress;
use stub::Compiler;
use wheels::{UNPACKED, WHEELS, Wheel};

/// What an installation is made with.
pub struct Means {
    platform: (&'static str, &'static str),
    pip: Pip,
    compiler: Compiler,
    wheels: Vec<Wheel>,
}

impl Means {
    pub fn of_machine() -> Self {
        Self {
            platform: (consts::OS, consts::ARCH),
            pip: Pip { python: "python3".into() },
            compiler: Compiler::of_user(),
            wheels: WHEELS.into(),
        }
    }
}

/// Installs libtorch in `cache`, unless another process just did.
///
/// # Errors
/// One line that says what is missing or went wrong, and what to do.
pub fn install(cache: &Cache, means: &Means) -> Result<Libtorch, Error> {
    if means.platform != ("linux", "x86_64") {
        let (os, arch) = means.platform;
        return Err(Error::Platform { os, arch });
    }
    // Better now than after the download.
    means.compiler.check()?;
    fs::create_dir_all(cache.folder()).map_err(Error::io("create", cache.folder()))?;
    let _lock = lock::acquire(&cache.lock())?;
    if let Some(found) = cache.libtorch() {
        return Ok(found);
    }
    let downloads = cache.downloads();
    fs::create_dir_all(&downloads).map_err(Error::io("create", &downloads))?;
    let unfinished = cache.unfinished();
    remove(&unfinished)?;

    let files = means.wheels.iter().map(|wheel| (wheel, downloads.join(wheel.file)));
    let files: Vec<(&Wheel, PathBuf)> = files.collect();
    let total = means.wheels.iter().map(|wheel| wheel.size).sum();
    let done = files.iter().map(|(wheel, path)| fetch::present(wheel, path)).sum();
    space::check(cache.folder(), total - done + UNPACKED)?;
    let mut progress = Progress::new("downloading libtorch", total, done);
    for (wheel, path) in &files {
        means.pip.fetch(wheel, path, &mut progress)?;
    }
    drop(progress);
    unpack::unpack(files.iter().map(|(_, path)| path.as_path()), &unfinished)?;
    means.compiler.make_stub(&unfinished.join("lib"))?;

    let installed = cache.installed();
    remove(&installed)?;
    fs::rename(&unfinished, &installed).map_err(Error::io("rename to", &installed))?;
    // What this leaves, the next call removes.
    let _ = fs::remove_dir_all(&downloads);
    Ok(Libtorch { root: installed, version: VERSION.into(), origin: Origin::Cache })
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests;
