//! Whole text datasets, ready to learn from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    Characters, Columns, Corpus, Examples, Sentences, TextError, Tokens, Words, corpus::find,
    error::read,
};

/// Where the texts are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFiles {
    /// File of the training text, instead of the published one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<PathBuf>,
    /// File of the test text, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
}

/// What is one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A character.
    Characters,
    /// A word between spaces.
    Words,
}

/// What is to be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The next token, in windows of so many.
    Causal(usize),
    /// Hidden tokens, in windows of so many.
    Masked(usize),
    /// The class of a text; of longer ones the first so many tokens.
    Classes(usize),
}

/// The tokens of a training text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// Its characters.
    Characters(Characters),
    /// Its most frequent words.
    Words(Words),
}

impl Vocabulary {
    /// All characters of `text`, or its `size` most frequent words.
    pub fn of(text: &str, unit: Unit, size: usize) -> Self {
        match unit {
            Unit::Characters => Self::Characters(Characters::of(text)),
            Unit::Words => Self::Words(Words::most_frequent(text, size)),
        }
    }

    /// What [`Vocabulary::read`] reads: characters one after the other, words with spaces between.
    pub fn write(&self) -> String {
        match self {
            Self::Characters(characters) => characters.names().concat(),
            Self::Words(words) => words.names().join(" "),
        }
    }

    /// Undoes [`Vocabulary::write`].
    pub fn read(text: &str, unit: Unit) -> Self {
        match unit {
            Unit::Characters => Self::Characters(Characters::of(text)),
            Unit::Words => Self::Words(Words::of(text)),
        }
    }

    /// What a token adds to a text that is printed token by token.
    ///
    /// # Errors
    /// [`TextError::Token`].
    pub fn piece(&self, token: u32) -> Result<String, TextError> {
        let piece = self.decode(&[token])?;
        Ok(match self {
            Self::Words(_) if piece != "\n" => piece + " ",
            _ => piece,
        })
    }

    /// What stands between the beginning of a text and the first [`piece`](Self::piece) after it.
    pub fn gap(&self, beginning: &str) -> &'static str {
        match self {
            Self::Words(_) if !beginning.ends_with(char::is_whitespace) => " ",
            _ => "",
        }
    }

    /// The tokens of the beginning of a text that goes on.
    ///
    /// # Errors
    /// [`TextError::Unknown`].
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let mut tokens = self.encode(text)?;
        if let Self::Words(_) = self
            && !text.ends_with('\n')
        {
            tokens.pop(); // the end of the line that is still open
        }
        Ok(tokens)
    }
}

impl Tokens for Vocabulary {
    fn len(&self) -> usize {
        match self {
            Self::Characters(characters) => characters.len(),
            Self::Words(words) => words.len(),
        }
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        match self {
            Self::Characters(characters) => characters.encode(text),
            Self::Words(words) => words.encode(text),
        }
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, TextError> {
        match self {
            Self::Characters(characters) => characters.decode(tokens),
            Self::Words(words) => words.decode(tokens),
        }
    }
}

/// A text dataset: its tokens, and what is learned and tested on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextSet {
    /// Its tokens.
    pub vocabulary: Vocabulary,
    /// To learn from.
    pub train: Examples,
    /// To test on.
    pub test: Examples,
}

/// Texts of both parts, with classes or without.
enum Raw {
    Corpus { train: String, test: String },
    Sentences { train: Sentences, test: Sentences },
}

impl TextSet {
    /// Names of the datasets.
    pub const NAMES: &[&str] = &["tiny-shakespeare", "wikitext-2", "sst2"];

    /// Opens the dataset `name`: below `dir` as published, or `files` where these are given. The
    /// vocabulary is all characters, or the `size` most frequent words of the training text, unless
    /// one is `given`.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn open(
        name: &str,
        dir: Option<&Path>,
        files: &TextFiles,
        goal: Goal,
        (unit, size): (Unit, usize),
        given: Option<Vocabulary>,
    ) -> Result<Self, TextError> {
        let raw = Raw::read(name, dir, files)?;
        let vocabulary = given.unwrap_or_else(|| Vocabulary::of(&raw.text(unit), unit, size));
        let (train, test) = match &raw {
            Raw::Corpus { train, test } => {
                (corpus(train, goal, &vocabulary)?, corpus(test, goal, &vocabulary)?)
            }
            Raw::Sentences { train, test } => {
                (sentences(train, goal, &vocabulary)?, sentences(test, goal, &vocabulary)?)
            }
        };
        train.validate()?;
        test.validate()?;
        Ok(Self { vocabulary, train, test })
    }
}

impl Raw {
    fn read(name: &str, dir: Option<&Path>, files: &TextFiles) -> Result<Self, TextError> {
        if let ("tiny-shakespeare" | "wikitext-2", Some(train), Some(test)) =
            (name, &files.train, &files.test)
        {
            return Ok(Self::Corpus { train: read(train)?, test: read(test)? });
        }
        let needed = || TextError::NoFolder { dataset: name.into() };
        let folder = || dir.ok_or_else(needed);
        let file = |given: &Option<PathBuf>, names: &[&str]| match given {
            Some(path) => Ok(path.clone()),
            None => Ok::<_, TextError>(find(folder()?, names)),
        };
        match name {
            "tiny-shakespeare" => {
                let names = ["input.txt", "tiny-shakespeare/input.txt", "tinyshakespeare.txt"];
                let Corpus { train, test, .. } = Corpus::one_text(&file(&files.train, &names)?)?;
                Ok(Self::Corpus { train, test })
            }
            "wikitext-2" => {
                let dir = folder()?;
                let inner = ["wikitext-2", "wikitext-2/wikitext-2"].map(|name| dir.join(name));
                let there = |dir: &&Path| find(dir, &["wiki.test.tokens"]).is_file();
                let dirs = [&inner[0], &inner[1]].map(PathBuf::as_path);
                let Corpus { train, test, .. } =
                    Corpus::wikitext(dirs.into_iter().find(there).unwrap_or(dir))?;
                Ok(Self::Corpus { train, test })
            }
            "sst2" => {
                let classes = ["negative", "positive"].map(String::from);
                let columns = Columns::of("sst2").ok_or_else(needed)?;
                let table = |given, names: &[&str]| {
                    Sentences::read(&file(given, names)?, columns, &classes)
                };
                let train =
                    table(&files.train, &["train.tsv", "SST-2/train.tsv", "sst2/SST-2/train.tsv"])?;
                let test = table(&files.test, &["dev.tsv", "SST-2/dev.tsv", "sst2/SST-2/dev.tsv"])?;
                Ok(Self::Sentences { train, test })
            }
            _ => Err(TextError::Dataset { found: name.into(), known: TextSet::NAMES }),
        }
    }

    /// The text that tokens are taken from: characters are few, and one that only the test has must
    /// have a number too; words are those of the training text.
    fn text(&self, unit: Unit) -> String {
        let lines = |sentences: &Sentences| {
            let rows = sentences.rows.iter().map(|row| row.text.as_str());
            rows.collect::<Vec<_>>().join("\n")
        };
        let (train, test) = match self {
            Self::Corpus { train, test } => (train.clone(), test.clone()),
            Self::Sentences { train, test } => (lines(train), lines(test)),
        };
        match unit {
            Unit::Characters => train + &test,
            Unit::Words => train,
        }
    }
}

/// A long text; for classes it is no example.
fn corpus(text: &str, goal: Goal, vocabulary: &Vocabulary) -> Result<Examples, TextError> {
    let tokens = vocabulary.encode(text)?;
    Ok(windows(tokens, goal, vocabulary))
}

/// Sentences with their classes, or, without these, one after the other.
fn sentences(
    sentences: &Sentences,
    goal: Goal,
    vocabulary: &Vocabulary,
) -> Result<Examples, TextError> {
    let texts = sentences.rows.iter().map(|row| Ok((vocabulary.encode(&row.text)?, row.label)));
    let mut texts = texts.collect::<Result<Vec<_>, TextError>>()?;
    Ok(match goal {
        Goal::Classes(longest) => {
            texts.iter_mut().for_each(|(ids, _)| ids.truncate(longest));
            Examples::Classes { texts }
        }
        _ => windows(texts.into_iter().flat_map(|(ids, _)| ids).collect(), goal, vocabulary),
    })
}

fn windows(tokens: Vec<u32>, goal: Goal, vocabulary: &Vocabulary) -> Examples {
    match goal {
        Goal::Causal(length) => Examples::Causal { tokens, length },
        Goal::Masked(length) => Examples::Masked { tokens, length, mask: vocabulary.len() as u32 },
        Goal::Classes(_) => Examples::Classes { texts: Vec::new() },
    }
}
