//! Building a program of the workspace.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Lets cargo build the program `name` of `package`, silently if that is quick, and says where it
/// is. `cargo` is `cargo build` with whatever else belongs to it.
///
/// # Errors
/// If it cannot be built.
pub fn build(cargo: &mut Command, package: &str, name: &'static str) -> Result<PathBuf> {
    cargo
        .args(["--quiet", "--release", "--package", package, "--bin", name])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    let mut cargo = cargo.spawn().context("cannot start cargo")?;
    let stdout = cargo.stdout.take().context("cargo has no standard output")?;
    let (send, received) = mpsc::channel();
    thread::spawn(move || send.send(executable(stdout, name)));
    let found = match received.recv_timeout(Duration::from_secs(1)) {
        Err(RecvTimeoutError::Timeout) => {
            eprintln!("building {name} (the first time takes a few minutes)");
            received.recv()?
        }
        quick => quick?,
    };
    let status = cargo.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("cargo could not build {name} ({status}); the reason is above");
    }
    found
        .context("cannot read what cargo says")?
        .with_context(|| format!("cargo built {name} and did not say where"))
}

/// The path of the program `name` in cargo's messages, which are one JSON object a line.
fn executable(messages: impl Read, name: &str) -> std::io::Result<Option<PathBuf>> {
    let mut found = None;
    for line in BufReader::new(messages).lines() {
        let message: serde_json::Value = serde_json::from_str(&line?).unwrap_or_default();
        if message["target"]["name"] == name {
            found = message["executable"].as_str().map(PathBuf::from).or(found);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_the_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"snn_core"},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"snn"},"executable":"/t/snn"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let found = executable(messages.as_bytes(), "snn").unwrap();
        assert_eq!(found, Some(PathBuf::from("/t/snn")));
        let silent = br#"{"reason":"build-finished"}"#;
        assert_eq!(executable(&silent[..], "snn").unwrap(), None);
    }
}
