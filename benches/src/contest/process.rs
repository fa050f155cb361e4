use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The other side of a pipe: see [`serve`](crate::serve::serve).
pub(super) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    complaints: File,
}

/// What a process says of itself once it has answered.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) about: String,
    pub(super) setup_s: f64,
}

#[derive(Deserialize)]
struct Times {
    seconds: Vec<f64>,
}

#[derive(Deserialize)]
struct Peak {
    peak_rss_mb: Option<f64>,
}

impl Process {
    /// Starts it and waits until it has answered.
    pub(super) fn start(command: &mut Command) -> Result<(Self, Ready)> {
        let complaints = tempfile::tempfile().context("cannot make a temporary file")?;
        let stderr = complaints.try_clone().context("cannot share a temporary file")?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("a process without output")?;
        let mut process = Self { child, input, output: BufReader::new(output), complaints };
        let ready = process.read()?;
        Ok((process, ready))
    }

    /// Seconds of so many runs.
    pub(super) fn run(&mut self, times: usize) -> Result<Vec<f64>> {
        let input = self.input.as_mut().context("a process without input")?;
        // What it says when it has died tells more than that the pipe is broken.
        let _ = writeln!(input, "{times}");
        let Times { seconds } = self.read()?;
        Ok(seconds)
    }

    /// Ends it; the greatest memory that it held, in MB, where the system tells.
    pub(super) fn end(mut self) -> Result<Option<f64>> {
        drop(self.input.take());
        let Peak { peak_rss_mb } = self.read()?;
        self.child.wait().context("cannot wait for a process")?;
        Ok(peak_rss_mb)
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.output.read_line(&mut line).context("cannot read from a process")?;
        if line.is_empty() {
            let status = self.child.wait().context("cannot wait for a process")?;
            bail!("it ended with {status}: {}", self.last_words());
        }
        serde_json::from_str(&line).with_context(|| format!("it said `{}`", line.trim_end()))
    }

    /// The last line of what it complained about: of a Python traceback, the
    /// reason.
    fn last_words(&mut self) -> String {
        let mut text = Vec::new();
        let read = self.complaints.seek(SeekFrom::Start(0));
        let read = read.and_then(|_| self.complaints.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        match (read, last) {
            (Ok(_), Some(line)) => line.trim().to_owned(),
            _ => "it gave no reason".into(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
