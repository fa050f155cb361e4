//! Building the program `snn` and becoming it.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{cargo, libtorch};

/// What a call of `snn` asks of the way it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Torch {
    /// The program that links no libtorch does all of it.
    Unused,
    /// Every backend is run: the one on libtorch too, where there is a libtorch.
    Welcome,
    /// Without libtorch there is nothing to do.
    Required,
}

impl Torch {
    fn of(subcommand: &str, args: &[OsString]) -> Self {
        let asks_for_help = args.iter().any(|arg| arg == "--help" || arg == "-h");
        match (subcommand, backend(args)) {
            _ if asks_for_help => Self::Unused,
            ("train", _) => Self::Required,
            ("eval" | "run" | "golden" | "bench", Some(name)) if name == "torch" => Self::Required,
            ("golden", None) => Self::Welcome,
            _ => Self::Unused,
        }
    }
}

/// The value of `--backend`, in either way of writing it.
fn backend(args: &[OsString]) -> Option<&OsStr> {
    args.iter().enumerate().find_map(|(i, arg)| match arg.to_str()?.strip_prefix("--backend")? {
        "" => args.get(i + 1).map(OsString::as_os_str),
        value => value.strip_prefix('=').map(OsStr::new),
    })
}

/// Builds `snn`, with libtorch only if the arguments need it, and becomes
/// `snn SUBCOMMAND ARGS...`.
///
/// # Errors
/// If libtorch is needed and not to be had, or if `snn` cannot be built or started.
pub fn run(subcommand: &str, args: &[OsString]) -> Result<ExitCode> {
    let mut build = match Torch::of(subcommand, args) {
        Torch::Unused => light(),
        Torch::Required => on_libtorch(&libtorch::obtain()?),
        Torch::Welcome => match libtorch::obtain() {
            Ok(found) => on_libtorch(&found),
            Err(error) => {
                eprintln!("the torch backend is left out: {error:#}");
                light()
            }
        },
    };
    let program = program(&mut build)?;
    cargo::replace(Command::new(program).arg(subcommand).args(args))
}

fn light() -> Command {
    cargo::command("build")
}

fn on_libtorch(libtorch: &libtorch::Libtorch) -> Command {
    let mut build = cargo::with_libtorch("build", libtorch);
    build.args(["--features", "torch"]);
    build
}

/// Lets cargo build `snn`, silently if that is quick, and says where the program is.
fn program(build: &mut Command) -> Result<PathBuf> {
    build
        .args(["--quiet", "--release", "--package", "snn-cli", "--bin", "snn"])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    let mut cargo = build.spawn().context("cannot start cargo")?;
    let stdout = cargo.stdout.take().context("cargo has no standard output")?;
    let (send, received) = mpsc::channel();
    thread::spawn(move || send.send(executable(stdout)));
    let found = match received.recv_timeout(Duration::from_secs(1)) {
        Err(RecvTimeoutError::Timeout) => {
            eprintln!("building snn (the first time takes a few minutes)");
            received.recv()?
        }
        quick => quick?,
    };
    let status = cargo.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("cargo could not build snn ({status}); the reason is above");
    }
    found.context("cannot read what cargo says")?.context("cargo built snn and did not say where")
}

/// The path of `snn` in cargo's messages, which are one JSON object a line.
fn executable(messages: impl Read) -> std::io::Result<Option<PathBuf>> {
    let mut found = None;
    for line in BufReader::new(messages).lines() {
        let message: serde_json::Value = serde_json::from_str(&line?).unwrap_or_default();
        if message["target"]["name"] == "snn" {
            found = message["executable"].as_str().map(PathBuf::from).or(found);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torch(line: &str) -> Torch {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Torch::of(line.split(' ').next().unwrap(), &words[1..])
    }

    #[test]
    fn libtorch_is_asked_for_only_where_it_is_used() {
        assert_eq!(torch("train digits"), Torch::Required);
        assert_eq!(torch("eval x.safetensors --backend torch"), Torch::Required);
        assert_eq!(torch("run --backend=torch x"), Torch::Required);
        assert_eq!(torch("golden --backend torch"), Torch::Required);
        assert_eq!(torch("bench --backend torch"), Torch::Required);
        assert_eq!(torch("golden"), Torch::Welcome);
        assert_eq!(torch("golden --backend packed"), Torch::Unused);
        assert_eq!(torch("golden --backend=reference"), Torch::Unused);
        assert_eq!(torch("eval x.safetensors"), Torch::Unused);
        assert_eq!(torch("run torch"), Torch::Unused);
        assert_eq!(torch("run x --backend"), Torch::Unused);
        assert_eq!(torch("models"), Torch::Unused);
        assert_eq!(torch("import x.pth"), Torch::Unused);
        assert_eq!(torch("data"), Torch::Unused);
        assert_eq!(torch("train --help"), Torch::Unused);
    }

    #[test]
    fn the_program_is_found_among_the_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"snn_core"},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"snn"},"executable":"/t/snn"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let found = executable(messages.as_bytes()).unwrap();
        assert_eq!(found, Some(PathBuf::from("/t/snn")));
        assert_eq!(executable(&b"{\"reason\":\"build-finished\"}\n"[..]).unwrap(), None);
    }
}
