//! Vocabularies of characters and of words.

use super::{TextError, Tokens};
use std::collections::{BTreeSet, HashMap};

fn texts<'a>(
    tokens: &[u32],
    names: impl Fn(usize) -> Option<&'a str>,
    size: usize,
) -> Result<Vec<&'a str>, TextError> {
    let text = |&t: &u32| names(t as usize).ok_or(TextError::Token { found: t, size });
    tokens.iter().map(text).collect()
}

/// A token for each character, in the order of their code points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Characters {
    names: Vec<String>,
    numbers: HashMap<char, u32>,
}

impl Characters {
    /// The characters of `text`.
    pub fn of(text: &str) -> Self {
        let all: BTreeSet<char> = text.chars().collect();
        let numbers = all.iter().zip(0..).map(|(&c, i)| (c, i)).collect();
        Self { names: all.iter().map(char::to_string).collect(), numbers }
    }

    /// The characters in the order of their numbers.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl Tokens for Characters {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let unknown = |c: char| TextError::Unknown { found: c.to_string(), size: self.len() };
        text.chars().map(|c| self.numbers.get(&c).copied().ok_or_else(|| unknown(c))).collect()
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, TextError> {
        texts(tokens, |i| self.names.get(i).map(String::as_str), self.len()).map(|t| t.concat())
    }
}

/// A token for each word between spaces, and one for each end of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Words {
    /// Stands for the end of a line.
    pub const END: &str = "<eos>";
    /// Stands for a word outside of the vocabulary, where the text it was built from has it.
    pub const UNKNOWN: &str = "<unk>";

    /// The words of `text` in the order of their first occurrence, as in the word language models
    /// of the PyTorch examples; every line ends with [`END`](Self::END).
    pub fn of(text: &str) -> Self {
        let mut words = Self { names: Vec::new(), numbers: HashMap::new() };
        text.lines().flat_map(Self::line).for_each(|w| words.add(w));
        words
    }

    /// The `size` most frequent words of `text`, the more frequent first, equals in the order of
    /// the alphabet, after [`UNKNOWN`](Self::UNKNOWN) and [`END`](Self::END).
    pub fn most_frequent(text: &str, size: usize) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        text.split_whitespace().for_each(|w| *counts.entry(w).or_default() += 1);
        let mut ranked: Vec<(&str, usize)> = counts.into_iter().collect();
        ranked.sort_by(|(a, n), (b, m)| m.cmp(n).then(a.cmp(b)));
        let mut words = Self { names: Vec::new(), numbers: HashMap::new() };
        let special = [Self::UNKNOWN, Self::END].into_iter();
        special.chain(ranked.iter().map(|(w, _)| *w)).take(size).for_each(|w| words.add(w));
        words
    }

    /// The words in the order of their numbers.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn add(&mut self, word: &str) {
        if !self.numbers.contains_key(word) {
            self.numbers.insert(word.into(), self.names.len() as u32);
            self.names.push(word.into());
        }
    }

    fn line(line: &str) -> impl Iterator<Item = &str> {
        line.split_whitespace().chain([Self::END])
    }
}

impl Tokens for Words {
    fn len(&self) -> usize {
        self.names.len()
    }

    /// Words outside of the vocabulary become [`UNKNOWN`](Self::UNKNOWN), if it has that.
    fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let unknown = self.numbers.get(Self::UNKNOWN);
        let number = |word: &str| {
            let found = self.numbers.get(word).or(unknown).copied();
            found.ok_or_else(|| TextError::Unknown { found: word.into(), size: self.len() })
        };
        text.lines().flat_map(Self::line).map(number).collect()
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, TextError> {
        let words = texts(tokens, |i| self.names.get(i).map(String::as_str), self.len())?;
        let lines: Vec<String> =
            words.split_inclusive(|w| *w == Self::END).map(|l| l.join(" ")).collect();
        Ok(lines.concat().replace(&format!(" {}", Self::END), "\n").replace(Self::END, "\n"))
    }
}
