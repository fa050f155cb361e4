//! Building the program `snn-bench`, with a Python for the rivals, and becoming it.

mod environment;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{cargo, program};

/// Builds `snn-bench` and becomes `snn-bench ARGS...`. Where rivals are asked for, a Python that
/// has them is found or made first.
///
/// # Errors
/// If the Python cannot be made, or if `snn-bench` cannot be built or started.
pub fn run(args: &[OsString]) -> Result<ExitCode> {
    let program = program::build(&mut cargo::command("build"), "snn-benches", "snn-bench")?;
    let mut bench = Command::new(program);
    bench.args(args);
    if has_rivals(args) {
        bench.arg("--python").arg(environment::obtain()?);
    }
    cargo::replace(&mut bench)
}

/// Whether rivals take part for whom the caller names no Python.
fn has_rivals(args: &[OsString]) -> bool {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let alone = ["--no-rivals", "--python", "--help", "-h"];
    let named = args.iter().any(|arg| {
        let name = arg.split('=').next().unwrap_or_default();
        alone.contains(&name)
    });
    // A subcommand comes first and has no rivals.
    let subcommand = args.first().is_some_and(|arg| !arg.starts_with('-'));
    !named && !subcommand
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_made_only_for_rivals() {
        let has = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            has_rivals(&words)
        };
        assert!(has(""));
        assert!(has("--model spikformer-4-384 --rivals openvino"));
        assert!(!has("--no-rivals"));
        assert!(!has("--suite lif --python=/usr/bin/python3"));
        assert!(!has("--python /usr/bin/python3"));
        assert!(!has("case x.safetensors --json"));
        assert!(!has("--help"));
    }
}
