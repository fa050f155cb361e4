//! Configurations as tables.

use snn_models::Config;
use toml::{Table, Value};

/// Keys that say which system and which of its networks, not how large it is.
pub(super) const IDENTITY: [&str; 2] = ["system", "variant"];

/// A number of a configuration, or two that are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Number {
    /// The value of a key.
    Key(String),
    /// One of the numbers of a key.
    Element(String, usize),
    /// Height and width of a square.
    Square(String),
}

impl Number {
    /// Every number of a table.
    pub fn all(table: &Table) -> Vec<Self> {
        let mut numbers = Vec::new();
        for (key, value) in table.iter() {
            match value {
                Value::Integer(_) => numbers.push(Self::Key(key.clone())),
                Value::Array(_) if key == "image" => numbers.push(Self::Square(key.clone())),
                Value::Array(items) if items.iter().all(Value::is_integer) => {
                    numbers.extend((0..items.len()).map(|i| Self::Element(key.clone(), i)));
                }
                _ => {}
            }
        }
        numbers
    }

    /// The key that it is of.
    pub fn key(&self) -> &str {
        match self {
            Self::Key(key) | Self::Element(key, _) | Self::Square(key) => key,
        }
    }

    pub fn get(&self, table: &Table) -> Option<i64> {
        let value = table.get(self.key())?;
        match self {
            Self::Key(_) => value,
            Self::Element(_, i) => value.get(i)?,
            Self::Square(_) => value.get(0)?,
        }
        .as_integer()
    }

    /// A copy of `table` with another value.
    pub fn set(&self, table: &Table, number: i64) -> Table {
        let mut table = table.clone();
        let number = Value::Integer(number);
        match (self, table.get_mut(self.key())) {
            (Self::Key(_), Some(value)) => *value = number,
            (Self::Element(_, i), Some(Value::Array(items))) if *i < items.len() => {
                items[*i] = number;
            }
            (Self::Square(_), Some(Value::Array(items))) => items.fill(number),
            _ => {}
        }
        table
    }
}

/// The configuration that a table is.
pub(crate) fn config(table: &Table) -> Result<Config, toml::de::Error> {
    Value::Table(table.clone()).try_into()
}

/// The table that a configuration is.
pub(super) fn table(config: &Config) -> Table {
    Table::try_from(config)
        .unwrap_or_else(|e| unreachable!("configurations are numbers, words and lists: {e}"))
}

/// Changes one key, given as `key=value` with dots between nested keys. A value is TOML; what is
/// no TOML is text.
pub(crate) fn apply(table: &mut Table, change: &str) -> Result<(), String> {
    let (path, value) = change.split_once('=').ok_or("expected KEY=VALUE")?;
    let mut keys = path.split('.').map(str::trim);
    let Some(last) = keys.next_back() else { unreachable!("a split has at least one part") };
    let mut table = table;
    for key in keys {
        let inner = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        table = inner.as_table_mut().ok_or_else(|| format!("`{key}` has no keys"))?;
    }
    table.insert(last.to_owned(), value_of(value.trim()));
    Ok(())
}

fn value_of(text: &str) -> Value {
    let table = format!("value = {text}").parse::<Table>();
    let only = |mut table: Table| table.remove("value").filter(|_| table.is_empty());
    table.ok().and_then(only).unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes() {
        let mut table: Table = "heads = 8\nsimilarity = { kind = 'dot' }".parse().unwrap();
        for change in ["heads=4", "image=[32, 32]", "similarity.kind=xnor", "pooling=0011"] {
            apply(&mut table, change).unwrap();
        }
        let expected = "heads = 4\nimage = [32, 32]\nsimilarity.kind = 'xnor'\npooling = '0011'";
        assert_eq!(table, expected.parse().unwrap());
        assert!(apply(&mut table, "heads").is_err());
        assert!(apply(&mut table, "heads.of=3").is_err());
    }
}
