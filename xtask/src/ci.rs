//! `cargo xtask ci`: every check, one after the other, up to the first that fails.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{cargo, libtorch};

/// A check: what it is called and what does it.
pub struct Step {
    /// Its name in the report.
    pub name: &'static str,
    /// Fails if the check does.
    pub command: Command,
}

/// Runs all steps and prints what each took. Fails with the first that does.
pub fn run() -> Result<ExitCode> {
    let libtorch = libtorch::obtain()?;
    let runs = tempfile::tempdir().context("cannot make a temporary folder")?;
    let on_everything = |subcommand| {
        let mut command = cargo::with_libtorch(subcommand, &libtorch);
        command.args(cargo::EVERYTHING);
        command
    };

    let mut format = cargo::command("fmt");
    format.args(["--all", "--check"]);
    let mut lints = on_everything("clippy");
    lints.args(["--all-targets", "--", "-D", "warnings"]);
    let mut docs = on_everything("doc");
    docs.arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings");
    let tests = on_everything("test");
    let mut training = cargo::with_libtorch("run", &libtorch);
    training
        .args(["--quiet", "--package", "snn-cli", "--bin", "snn", "--features", "torch"])
        .args(["--", "train", "digits", "--set", "epochs=2", "--out"])
        .arg(runs.path().join("digits"));

    let steps = [("format", format), ("lints", lints), ("docs", docs), ("tests", tests)];
    let steps = steps.into_iter().chain([("training", training)]);
    let steps = steps.map(|(name, command)| Step { name, command });
    let (report, passed) = perform(steps)?;
    print!("\n{report}");
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line a step, and whether all of them passed.
pub fn perform(steps: impl IntoIterator<Item = Step>) -> Result<(String, bool)> {
    let mut report = String::new();
    for Step { name, mut command } in steps {
        println!("\n== {name}");
        let start = Instant::now();
        let status = command
            .status()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let passed = status.success();
        report += &line(name, passed, start.elapsed());
        if !passed {
            return Ok((report, false));
        }
    }
    Ok((report, true))
}

fn line(name: &str, passed: bool, took: Duration) -> String {
    let verdict = if passed { "ok" } else { "FAILED" };
    format!("{name:<12} {verdict:<6} {:>7.1} s\n", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str, program: &str) -> Step {
        Step { name, command: Command::new(program) }
    }

    #[cfg(unix)]
    #[test]
    fn the_first_failure_is_the_last_step() {
        let steps = [step("one", "true"), step("two", "false"), step("three", "true")];
        let (report, passed) = perform(steps).unwrap();
        assert!(!passed);
        let lines: Vec<&str> = report.lines().collect();
        assert!(lines[0].starts_with("one ") && lines[0].contains(" ok "), "{report}");
        assert!(lines[1].starts_with("two ") && lines[1].contains(" FAILED "), "{report}");
        assert_eq!(lines.len(), 2);
        assert!(perform([step("one", "true")]).unwrap().1);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = perform([step("one", "no-such-program")]).unwrap_err();
        assert_eq!(error.to_string(), "cannot start no-such-program");
    }
}
