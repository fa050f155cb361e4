//! Building the program `snn` and becoming it.

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{cargo, libtorch, program};

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
            ("train" | "ablate", _) => Self::Required,
            ("eval" | "run" | "generate" | "golden" | "analog", Some(name)) if name == "torch" => {
                Self::Required
            }
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
    let program = program::build(&mut build, "snn-cli", "snn")?;
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
}
