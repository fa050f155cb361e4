//! How far a long step is: a bar on a terminal, else a line for each tenth.

use std::io::{IsTerminal, stderr};

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

/// The progress of one step that handles a known number of bytes.
pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of `what`, of which `done` bytes of `total` are there from the start.
    pub fn new(what: &'static str, total: u64, done: u64) -> Self {
        let template = "{msg} {wide_bar} {decimal_bytes} of {decimal_total_bytes}, \
                        {decimal_bytes_per_sec}, {eta} left";
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style).with_message(what).with_position(done)
        });
        if bar.is_none() && done == 0 {
            eprintln!("{what}: {}", DecimalBytes(total));
        } else if bar.is_none() {
            eprintln!("{what}: {} of {} are there", DecimalBytes(done), DecimalBytes(total));
        }
        Self { what, total, done, bar }
    }

    /// `bytes` more are done.
    pub fn gain(&mut self, bytes: u64) {
        self.set(self.done + bytes);
    }

    /// `bytes` have to be done again.
    pub fn lose(&mut self, bytes: u64) {
        self.set(self.done.saturating_sub(bytes));
    }

    fn set(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if let Some(line) = line(self.what, self.total, self.done, done) {
            eprintln!("{line}");
        }
        self.done = done;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Text for a step from `before` to `now` that enters another tenth of `total`.
fn line(what: &str, total: u64, before: u64, now: u64) -> Option<String> {
    let tenth = |bytes: u64| bytes * 10 / total.max(1);
    (tenth(now) > tenth(before))
        .then(|| format!("{what}: {} % of {}", tenth(now) * 10, DecimalBytes(total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_tenth() {
        let lines: Vec<String> =
            (0..1000).filter_map(|byte| line("x", 1000, byte, byte + 1)).collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], "x: 10 % of 1.00 kB");
        assert_eq!(lines[9], "x: 100 % of 1.00 kB");
        assert_eq!(line("x", 1000, 950, 0), None);
        assert_eq!(line("x", 0, 0, 0), None);
    }
}
