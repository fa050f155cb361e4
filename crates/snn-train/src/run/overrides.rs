//! TOML with some keys changed from the command line.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Reads `text`, after each of `changes`: `key=value`, with dots between nested keys. A value is
/// TOML; what is no TOML is text, so that nobody has to quote twice.
///
/// # Errors
/// The reason, in one line.
pub(super) fn parse<T: DeserializeOwned>(text: &str, changes: &[String]) -> Result<T, String> {
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| syntax(text, &e))?;
    for change in changes {
        apply(&mut table, change)?;
    }
    // The path to a key is the second line of the message.
    let one_line = |e: toml::de::Error| e.to_string().trim_end().replace('\n', " ");
    Value::Table(table).try_into().map_err(one_line)
}

/// A mistake in the text, and where it is.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

fn apply(table: &mut Table, change: &str) -> Result<(), String> {
    let (path, value) = change
        .split_once('=')
        .ok_or_else(|| format!("`{change}` changes nothing, expected KEY=VALUE"))?;
    let mut keys: Vec<&str> = path.split('.').map(str::trim).collect();
    let Some(last) = keys.pop() else { unreachable!("a split has at least one part") };
    let mut table = table;
    for key in keys {
        let inner = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        table = inner.as_table_mut().ok_or_else(|| format!("`{path}`: `{key}` has no keys"))?;
    }
    table.insert(last.to_owned(), read(value.trim()));
    Ok(())
}

fn read(value: &str) -> Value {
    let table = format!("value = {value}").parse::<Table>();
    let value_of = |mut table: Table| table.remove("value").filter(|_| table.is_empty());
    table.ok().and_then(value_of).unwrap_or_else(|| Value::String(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, changes: &[&str]) -> Result<Table, String> {
        parse(text, &changes.iter().map(|&c| c.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_toml_or_else_text() {
        let text = "a = 1\n[b]\nc = 2\n";
        let table = changed(text, &["a=3", "b.c = 1e-3", "b.d.e=[1, 2]", "f=cuda:0", "g={h=true}"]);
        let expected = "a = 3\nf = 'cuda:0'\ng.h = true\nb.c = 0.001\nb.d.e = [1, 2]";
        assert_eq!(table.unwrap(), expected.parse::<Table>().unwrap());
        assert_eq!(read("x\ny = 2"), Value::String("x\ny = 2".into()));
        assert_eq!(read("1\ny = 2"), Value::String("1\ny = 2".into()));
        assert_eq!(read(""), Value::String(String::new()));
    }

    #[test]
    fn mistakes_are_told_in_a_line() {
        assert!(changed("a = 1", &["a"]).unwrap_err().contains("expected KEY=VALUE"));
        assert_eq!(changed("a = 1", &["a.b=2"]).unwrap_err(), "`a.b`: `a` has no keys");
        assert!(changed("a = 1\nb = ", &[]).unwrap_err().starts_with("line 2: "));
    }
}
