//! Texts to model, divided as published.

use super::{TextError, error::read};
use std::path::{Path, PathBuf};

/// A text in three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// Text to train on.
    pub train: String,
    /// Text to choose settings on; empty where there are two parts only.
    pub valid: String,
    /// Text to test on.
    pub test: String,
}

/// The first of `names` that exists in `dir`, packed by gzip or not.
pub(super) fn find(dir: &Path, names: &[&str]) -> PathBuf {
    let paths = names.iter().flat_map(|n| [dir.join(n), dir.join(format!("{n}.gz"))]);
    paths.into_iter().find(|p| p.is_file()).unwrap_or_else(|| dir.join(names[0]))
}

impl Corpus {
    /// WikiText: `wiki.{train,valid,test}.tokens` (or `.raw`) in `dir`.
    ///
    /// # Errors
    /// [`TextError::Io`].
    pub fn wikitext(dir: &Path) -> Result<Self, TextError> {
        let part = |name: &str| {
            let names = [format!("wiki.{name}.tokens"), format!("wiki.{name}.raw")];
            read(&find(dir, &[&names[0], &names[1]]))
        };
        Ok(Self { train: part("train")?, valid: part("valid")?, test: part("test")? })
    }

    /// One text, for example tiny-shakespeare: the first nine tenths of the characters are for
    /// training, the rest for testing, as in char-rnn and nanoGPT.
    ///
    /// # Errors
    /// [`TextError::Io`].
    pub fn one_text(path: &Path) -> Result<Self, TextError> {
        let text = read(path)?;
        let count = text.chars().count() * 9 / 10;
        let cut = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
        let (train, test) = text.split_at(cut);
        Ok(Self { train: train.into(), valid: String::new(), test: test.into() })
    }
}

/// A sequence of tokens cut into windows that do not overlap, each with its successor as target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    tokens: Vec<u32>,
    length: usize,
}

impl Windows {
    /// Windows of `length` tokens. What does not fill the last one is left out.
    ///
    /// # Errors
    /// [`TextError::TooShort`] unless one window and its successor fit.
    pub fn new(tokens: Vec<u32>, length: usize) -> Result<Self, TextError> {
        match length > 0 && tokens.len() > length {
            true => Ok(Self { tokens, length }),
            false => Err(TextError::TooShort { found: tokens.len(), window: length }),
        }
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        (self.tokens.len() - 1) / self.length
    }

    /// Whether there is no window; never so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Window `i` and the same moved on by one token.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn get(&self, i: usize) -> (&[u32], &[u32]) {
        let start = i * self.length;
        assert!(i < self.len(), "there are {} windows", self.len());
        let window = &self.tokens[start..=start + self.length];
        (&window[..self.length], &window[1..])
    }
}
