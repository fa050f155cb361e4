//! Getting datasets: download, check, unpack, all or nothing.
//!
//! A file appears under its final name only when it is whole and its sum is right. An interrupted
//! download goes on where it stopped. What an archive held is written down with sums, so that
//! [`Fetch::verify`] can check the unpacked files later.
//!
//! ```no_run
//! use snn_data::{Manifest, fetch::{Fetch, Silent}};
//!
//! let manifest = Manifest::named("nmnist")?;
//! let folder = Fetch::new("data".as_ref()).get(&manifest, &Silent)?;
//! println!("{} lies in {}", manifest.title, folder.display());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod download;
mod error;
mod sums;
mod unpack;

pub use error::{ByHand, FetchError};

use crate::{
    Manifest,
    manifest::{Archive, File},
};
use download::{Http, Wanted};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use sums::Receipt;

/// Told how the work goes on.
pub trait Progress: Sync {
    /// Work on `name` begins; `done` of `total` bytes are there already.
    fn begin(&self, name: &str, done: u64, total: Option<u64>);
    /// So many more bytes are done.
    fn advance(&self, bytes: u64);
    /// Work on the last name is over.
    fn end(&self);
    /// Something that a person should know.
    fn note(&self, text: &str);
}

/// Progress that nobody sees.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _name: &str, _done: u64, _total: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
    fn note(&self, _text: &str) {}
}

/// Where datasets go and how hard to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// Folder of all datasets; each has its own in it, by its name.
    pub dir: PathBuf,
    /// Folder with files that were fetched by hand; nothing is downloaded then.
    pub from: Option<PathBuf>,
    /// Whether archives stay after they are unpacked.
    pub keep_archives: bool,
    /// Tries an address before the next is taken; a try that brought bytes does not count.
    pub tries: u32,
    /// Pause after a failed try; it doubles with each, up to a minute.
    pub pause: Duration,
    /// Time without any answer after which a connection is given up.
    pub timeout: Duration,
}

/// What [`Fetch::verify`] found of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Path below the folder of the dataset.
    pub name: String,
    /// State.
    pub state: State,
}

/// State of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Size and sum are right.
    Good,
    /// It is there, and nothing is known to check it by.
    Unchecked,
    /// It is not there.
    Missing,
    /// It is another file: what differs, expected and found.
    Wrong(String),
}

impl Fetch {
    /// Five tries, pauses from one second on, half a minute of patience.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.into(),
            from: None,
            keep_archives: false,
            tries: 5,
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
        }
    }

    /// Brings the dataset of `manifest` into its folder, which is returned. What is there already
    /// and right stays.
    ///
    /// # Errors
    /// [`FetchError::ByHand`] when its publishers do not hand it to programs and no files were
    /// fetched by hand; [`FetchError::Download`] when every address failed; [`FetchError::Sum`] and
    /// [`FetchError::Size`] for other files than published; [`FetchError::Unpack`] for archives that
    /// are damaged or hostile; [`FetchError::Busy`] while another program gets the same dataset.
    pub fn get(&self, manifest: &Manifest, progress: &dyn Progress) -> Result<PathBuf, FetchError> {
        let folder = self.dir.join(&manifest.name);
        if manifest.archives.is_empty() && manifest.files.is_empty() {
            return Err(FetchError::Nothing { dataset: manifest.name.clone() });
        }
        fs::create_dir_all(&folder).map_err(|e| FetchError::io("make", &folder, e))?;
        let lock = folder.join(".lock");
        let lock = fs::File::create(&lock).map_err(|e| FetchError::io("write", &lock, e))?;
        lock.try_lock().map_err(|_| FetchError::Busy { dir: folder.clone() })?;
        for archive in &manifest.archives {
            self.archive(manifest, archive, &folder, progress)?;
        }
        if manifest.archives.is_empty() {
            for file in &manifest.files {
                let target = folder.join(&file.name);
                self.obtain(manifest, &Wanted::file(file), &target, progress)?;
            }
        }
        self.check_files(manifest, &folder)?;
        Ok(folder)
    }

    /// Checks the files of `manifest` in its folder, by the published sums and by those noted while
    /// unpacking.
    ///
    /// # Errors
    /// [`FetchError::Io`] when a file that is there cannot be read.
    pub fn verify(
        &self,
        manifest: &Manifest,
        progress: &dyn Progress,
    ) -> Result<Vec<Checked>, FetchError> {
        let folder = self.dir.join(&manifest.name);
        let mut found = Vec::new();
        for archive in &manifest.archives {
            match Receipt::read(&folder, &archive.name)? {
                Some(receipt) => found.extend(receipt.check(&folder, progress)?),
                None => {
                    let wanted = Wanted::archive(archive);
                    let state = wanted.state(&folder.join(&archive.name), progress)?;
                    found.push(Checked { name: archive.name.clone(), state });
                }
            }
        }
        for file in &manifest.files {
            let Some(path) = self.place(manifest, &folder, file) else {
                let state = State::Missing;
                found.push(Checked { name: file.name.clone(), state });
                continue;
            };
            let state = Wanted::file(file).state(&path, progress)?;
            found.push(Checked { name: file.name.clone(), state });
        }
        Ok(found)
    }

    /// Whether the dataset lies in its folder, without reading it through.
    pub fn is_there(&self, manifest: &Manifest) -> bool {
        let folder = self.dir.join(&manifest.name);
        let archives = manifest.archives.iter();
        let files = manifest.files.iter();
        !(manifest.archives.is_empty() && manifest.files.is_empty())
            && archives.clone().all(|a| Receipt::path(&folder, &a.name).is_file())
            && files.clone().all(|f| self.place(manifest, &folder, f).is_some())
    }

    /// Where `file` lies: in the folder of the dataset, or in that of an archive.
    fn place(&self, manifest: &Manifest, folder: &Path, file: &File) -> Option<PathBuf> {
        let inner = manifest.archives.iter().filter_map(|a| a.folder.as_deref());
        let folders = std::iter::once(folder.to_path_buf()).chain(inner.map(|f| folder.join(f)));
        folders.map(|f| f.join(&file.name)).find(|path| path.is_file())
    }

    fn check_files(&self, manifest: &Manifest, folder: &Path) -> Result<(), FetchError> {
        let absent = manifest.files.iter().find(|f| self.place(manifest, folder, f).is_none());
        match absent {
            None => Ok(()),
            Some(file) => {
                Err(FetchError::NotInArchive { name: file.name.clone(), dir: folder.into() })
            }
        }
    }

    fn archive(
        &self,
        manifest: &Manifest,
        archive: &Archive,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<(), FetchError> {
        if Receipt::path(folder, &archive.name).is_file() {
            return Ok(());
        }
        let target = folder.join(&archive.name);
        let wanted = Wanted::archive(archive);
        // A file that a person fetched need not be copied to be unpacked.
        let by_hand = self.by_hand(&manifest.name, &archive.name);
        let source = match &by_hand {
            Some(path) => {
                wanted.check(path, progress)?;
                path
            }
            None => {
                self.obtain(manifest, &wanted, &target, progress)?;
                &target
            }
        };
        let receipt = unpack::unpack(source, archive, folder, progress)?;
        receipt.write(folder, &archive.name)?;
        if by_hand.is_none() && !self.keep_archives {
            fs::remove_file(&target).map_err(|e| FetchError::io("remove", &target, e))?;
        }
        Ok(())
    }

    /// The file that a person fetched, in the folder that they named or in one of the dataset's
    /// name there.
    fn by_hand(&self, dataset: &str, name: &str) -> Option<PathBuf> {
        let from = self.from.as_ref()?;
        [from.join(name), from.join(dataset).join(name)].into_iter().find(|p| p.is_file())
    }

    /// Brings one file to `target`.
    fn obtain(
        &self,
        manifest: &Manifest,
        wanted: &Wanted<'_>,
        target: &Path,
        progress: &dyn Progress,
    ) -> Result<(), FetchError> {
        if target.is_file() {
            match wanted.state(target, progress)? {
                State::Good | State::Unchecked => return Ok(()),
                _ => progress.note(&format!("{} is not as published", target.display())),
            }
        }
        if let Some(path) = self.by_hand(&manifest.name, wanted.name) {
            wanted.check(&path, progress)?;
            return copy(&path, target);
        }
        if self.from.is_some() || manifest.registration || manifest.by_hand {
            let files = match manifest.archives.is_empty() {
                true => manifest.files.iter().map(|f| f.name.clone()).collect(),
                false => manifest.archives.iter().map(|a| a.name.clone()).collect(),
            };
            return Err(FetchError::ByHand(Box::new(ByHand {
                dataset: manifest.name.clone(),
                registration: manifest.registration,
                missing: wanted.name.into(),
                from: self.from.clone(),
                sources: manifest.sources.clone(),
                files,
                licence: manifest.licence.clone(),
            })));
        }
        let http = Http::new(self.tries, self.pause, self.timeout);
        http.download(wanted, &manifest.addresses(wanted.name), target, progress)
    }
}

/// Copies under a temporary name, then renames.
fn copy(source: &Path, target: &Path) -> Result<(), FetchError> {
    let part = download::part_name(target);
    fs::copy(source, &part).map_err(|e| FetchError::io("copy", source, e))?;
    fs::rename(&part, target).map_err(|e| FetchError::io("rename", &part, e))
}
