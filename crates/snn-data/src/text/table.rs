//! Labelled sentences: SST-2 and the tables of GLUE.

use super::{TextError, Tokens, error::read};
use std::path::Path;

/// Where the fields of a table stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// The first line names the columns; these names hold the text, the second text where there
    /// is one, and the label. Of several names the first that occurs is taken.
    Named {
        /// Text.
        text: &'static [&'static str],
        /// Second text.
        second: &'static [&'static str],
        /// Label.
        label: &'static [&'static str],
    },
    /// No names: numbers of the columns of text and label, from 0.
    Numbered {
        /// Text.
        text: usize,
        /// Label.
        label: usize,
    },
}

impl Columns {
    /// The columns of dataset `name`; none for data that is no table.
    pub fn of(name: &str) -> Option<Self> {
        let named = |text, second, label| Some(Self::Named { text, second, label });
        match name {
            "sst2" => named(&["sentence", "content"], &[], &["label"]),
            "glue-cola" => Some(Self::Numbered { text: 3, label: 1 }),
            "glue-mnli" => named(&["sentence1"], &["sentence2"], &["gold_label", "label"]),
            "glue-mrpc" => named(&["#1 String"], &["#2 String"], &["Quality"]),
            "glue-qnli" => named(&["question"], &["sentence"], &["label"]),
            "glue-qqp" => named(&["question1"], &["question2"], &["is_duplicate"]),
            "glue-rte" | "glue-wnli" => named(&["sentence1"], &["sentence2"], &["label"]),
            _ => None,
        }
    }
}

/// A sentence, or a pair of them, with a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Text.
    pub text: String,
    /// Second text, in tasks about pairs.
    pub second: Option<String>,
    /// Class, from 0.
    pub label: usize,
}

/// A table of sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentences {
    /// Rows in file order.
    pub rows: Vec<Sentence>,
    /// Lines that have fewer fields than columns; QQP has some.
    pub skipped: usize,
}

impl Sentences {
    /// Reads a table whose fields are separated by tabs. Quotes mean nothing, as in GLUE's own
    /// reader. A label is a number below the number of `classes`, or one of their names.
    ///
    /// # Errors
    /// [`TextError::Io`]; [`TextError::Line`] for an absent column or a label that is no class.
    pub fn read(path: &Path, columns: Columns, classes: &[String]) -> Result<Self, TextError> {
        let text = read(path)?;
        // MRPC's files begin with a mark of their byte order.
        let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let (text, second, label) = match columns {
            Columns::Numbered { text, label } => (text, None, label),
            Columns::Named { text, second, label } => {
                let head: Vec<&str> =
                    lines.next().map_or(Vec::new(), |(_, l)| l.trim_end().split('\t').collect());
                let find = |names: &[&str]| {
                    names.iter().find_map(|name| head.iter().position(|h| h == name))
                };
                let wrong = |names: &[&str]| TextError::Line {
                    path: path.into(),
                    line: 1,
                    what: "names of the columns".into(),
                    expected: format!("one of {}", names.join(", ")),
                    found: head.join(", "),
                };
                let second = match second {
                    [] => None,
                    names => Some(find(names).ok_or_else(|| wrong(names))?),
                };
                let text = find(text).ok_or_else(|| wrong(text))?;
                (text, second, find(label).ok_or_else(|| wrong(label))?)
            }
        };
        let (mut rows, mut skipped) = (Vec::new(), 0);
        for (i, line) in lines.filter(|(_, l)| !l.is_empty()) {
            let fields: Vec<&str> = line.split('\t').collect();
            let pair = second.map(|s| fields.get(s));
            let (Some(text), Some(label)) = (fields.get(text), fields.get(label)) else {
                skipped += 1;
                continue;
            };
            if pair == Some(None) {
                skipped += 1;
                continue;
            }
            let number = label.parse().ok().filter(|&n: &usize| n < classes.len());
            let class = number.or_else(|| classes.iter().position(|c| c == label));
            let label = class.ok_or_else(|| TextError::Line {
                path: path.into(),
                line: i + 1,
                what: "label".into(),
                expected: format!("a class, one of {}", classes.join(", ")),
                found: format!("`{label}`"),
            })?;
            let second = pair.flatten().map(|s| s.trim().to_string());
            rows.push(Sentence { text: text.trim().into(), second, label });
        }
        Ok(Self { rows, skipped })
    }

    /// Tokens of every row `[rows, length]`: cut at `length` or filled up with `padding`; a second
    /// text follows the first.
    ///
    /// # Errors
    /// Those of [`Tokens::encode`].
    pub fn encode(
        &self,
        tokens: &impl Tokens,
        length: usize,
        padding: u32,
    ) -> Result<Vec<u32>, TextError> {
        let mut all = Vec::with_capacity(self.rows.len() * length);
        for (i, row) in self.rows.iter().enumerate() {
            let mut numbers = tokens.encode(&row.text)?;
            if let Some(second) = &row.second {
                numbers.extend(tokens.encode(second)?);
            }
            all.extend(numbers.into_iter().take(length));
            all.resize((i + 1) * length, padding);
        }
        Ok(all)
    }
}
