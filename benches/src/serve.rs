//! The other side of a contest: a program that answers, then runs as often as it is
//! told.
//!
//! One JSON object a line on standard output: what it is and how long it took to
//! get ready, once its answer is written; the seconds of each run for every number
//! of runs that comes in; at the end of input, the greatest memory that it held.
//! `rivals/serve.py` is the same in Python.

use std::{
    io::{BufRead, Write, stdin, stdout},
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result};
use serde_json::json;

use crate::machine::peak_rss_mb;

/// Something to be timed.
pub trait Work {
    /// Version and settings.
    fn about(&self) -> String;
    /// What is timed.
    fn run(&mut self);
    /// What [`Work::run`] computes, row by row.
    fn answer(&mut self) -> Vec<f32>;
}

/// Serves until the end of input.
///
/// # Errors
/// If `prepare` fails, or the answer cannot be written.
pub fn serve<W: Work>(prepare: impl FnOnce() -> Result<W>, answer: &Path) -> Result<()> {
    let start = Instant::now();
    let mut work = prepare()?;
    let values = work.answer();
    let setup = start.elapsed().as_secs_f64();
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    drop(values);
    std::fs::write(answer, bytes).with_context(|| format!("cannot write {}", answer.display()))?;
    say(&json!({"about": work.about(), "setup_s": setup}))?;
    for line in stdin().lock().lines() {
        let line = line.context("cannot read from standard input")?;
        let times: usize =
            line.trim().parse().with_context(|| format!("`{line}` is no number of runs"))?;
        let seconds: Vec<f64> = (0..times).map(|_| time(&mut work)).collect();
        say(&json!({"seconds": seconds}))?;
    }
    say(&json!({"peak_rss_mb": peak_rss_mb()}))
}

/// Seconds of one run.
pub fn time(work: &mut impl Work) -> f64 {
    let start = Instant::now();
    work.run();
    start.elapsed().as_secs_f64()
}

fn say(line: &serde_json::Value) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to standard output")
}
