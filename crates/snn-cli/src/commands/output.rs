//! Standard output: results, as text or JSON.

use std::io::{self, Write};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Prints `text` and a line break.
///
/// # Errors
/// If it cannot be written, on a full disk for example.
pub(super) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

/// Prints `value` as JSON.
///
/// # Errors
/// As [`print`].
pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// A bar on standard error, for work on `images` images; invisible where that is no terminal.
pub(super) fn bar(images: usize, what: &'static str) -> ProgressBar {
    let template = "{msg} [{bar:30}] {pos}/{len} images, {per_sec:.0}, {eta} left";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|e| unreachable!("the template is a constant: {e}"))
        .progress_chars("=> ");
    ProgressBar::new(images as u64).with_style(style).with_message(what)
}

/// Columns side by side, each as wide as its widest cell; the first row is the head.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|s| s.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up() {
        let rows = [vec!["a", "bb"], vec!["ccc", "d"]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(super::table(&rows), "a    bb\nccc  d");
    }
}
