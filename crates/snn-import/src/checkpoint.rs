use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use snn_core::Weights;

use crate::{
    ImportError, ReadError, Why,
    container::{self, Contents, Format, Source},
    tensor::{Stored, Unreadable},
    torch::Tensors,
    tree::{self, Fact, Part, Tree},
};

/// Bytes of tensors that one byte of a file may stand for: tensors may share storages.
const MOST_SHARED: u64 = 4;

/// A file of weights, opened: names, types and shapes are known, and no weight is read yet.
///
/// Nothing in the file is run. What PyTorch would call to load it is only looked at, and what is
/// no tensor stays closed.
pub struct Checkpoint {
    path: PathBuf,
    file: Box<dyn Source>,
    length: u64,
    format: Format,
    tree: Tree,
}

impl Checkpoint {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Why::Open`]; [`Why::Read`] if it is damaged or of no known format.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let open = |source| ImportError { path: path.into(), source: Why::Open(source) };
        Self::read(path, File::open(path).map_err(open)?)
    }

    /// Opens what a person knows as `path`.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn read(path: &Path, file: impl Read + Seek + Send + 'static) -> Result<Self, ImportError> {
        let read = |source| ImportError { path: path.into(), source: Why::Read(source) };
        Self::take_apart(path, Box::new(file)).map_err(read)
    }

    fn take_apart(path: &Path, mut file: Box<dyn Source>) -> Result<Self, ReadError> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let (format, contents) = container::open(&mut *file, length)?;
        let tree = match contents {
            Contents::Torch(torch) => tree::walk(&Tensors {
                pickle: &torch.pickle,
                storages: &torch.storages,
                numbered: &torch.tensors,
            })?,
            Contents::Plain(tensors) => {
                let part = Part { path: String::new(), tensors: tensors.into_iter().collect() };
                Tree { parts: vec![part], ..Tree::default() }
            }
        };
        Ok(Self { path: path.into(), file, length, format, tree })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is built.
    pub fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.tree.parts
    }

    pub(crate) fn facts(&self) -> &BTreeMap<String, Fact> {
        &self.tree.facts
    }

    pub(crate) fn entries(&self) -> &[(String, String)] {
        &self.tree.entries
    }

    /// Keys of the dictionaries of tensors in it; an empty one is that of the file itself.
    pub fn part_names(&self) -> impl Iterator<Item = &str> {
        self.tree.parts.iter().map(|part| part.path.as_str())
    }

    /// Reads every tensor of a part; also tells which cannot be read, and why.
    ///
    /// # Errors
    /// [`Why::Read`]. A part that is not there is empty.
    pub fn tensors(
        &mut self,
        part: &str,
    ) -> Result<(Weights, Vec<(String, Unreadable)>), ImportError> {
        let mut wanted = Vec::new();
        let mut unreadable = Vec::new();
        let found = self.tree.parts.iter().filter(|found| found.path == part);
        for (name, tensor) in found.flat_map(|part| &part.tensors) {
            match tensor {
                Ok(stored) => wanted.push((name.clone(), stored.clone())),
                Err(why) => unreadable.push((name.clone(), why.clone())),
            }
        }
        match self.load(wanted) {
            Ok(weights) => Ok((weights, unreadable)),
            Err(source) => Err(ImportError { path: self.path.clone(), source: source.into() }),
        }
    }

    /// SHA-256 of the file, lower-case hexadecimal.
    pub(crate) fn sha256(&mut self) -> Result<String, ReadError> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut hasher = Sha256::new();
        io::copy(&mut self.file, &mut hasher)?;
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads tensors, each storage once.
    pub(crate) fn load(&mut self, mut wanted: Vec<(String, Stored)>) -> Result<Weights, ReadError> {
        let bytes = wanted.iter().fold(0u64, |sum, (_, stored)| sum.saturating_add(stored.bytes()));
        if bytes > self.length.saturating_mul(MOST_SHARED) {
            return Err(ReadError::Shared { bytes, length: self.length });
        }
        wanted.sort_by_key(|(_, stored)| (stored.span.start, stored.span.bytes));
        let mut weights = Weights::default();
        let mut last = None;
        let mut storage = Vec::new();
        for (name, stored) in wanted {
            if last != Some(stored.span) {
                self.file.seek(SeekFrom::Start(stored.span.start))?;
                storage.clear(); // its memory is free before that of the next is taken
                storage.shrink_to_fit();
                storage = stored.span.read(&mut self.file)?;
                last = Some(stored.span);
            }
            weights.insert(name, stored.tensor(&storage));
        }
        Ok(weights)
    }
}
