//! Starting `cargo` on the workspace, with libtorch in its environment where it is needed.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::libtorch::{LIBRARY_PATH, Libtorch};

/// Selects every package of the workspace, the parts on libtorch included.
pub const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

/// `cargo SUBCOMMAND` in the root of the workspace.
pub fn command(subcommand: &str) -> Command {
    // Set by the cargo that started this program, so that both are of one toolchain.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    command.current_dir(package.parent().unwrap_or(package)).arg(subcommand);
    command
}

/// `cargo SUBCOMMAND` for packages that link `libtorch`.
pub fn with_libtorch(subcommand: &str, libtorch: &Libtorch) -> Command {
    let mut command = command(subcommand);
    command.env("LIBTORCH", &libtorch.root);
    // torch-sys would prefer these to what was found and checked here.
    for variable in ["LIBTORCH_USE_PYTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_LIB", "LIBTORCH_STATIC"]
    {
        command.env_remove(variable);
    }
    // Programs carry an rpath; doctests are linked by rustdoc, which build scripts cannot reach.
    command.env(LIBRARY_PATH, libtorch.library_path());
    command
}

/// Becomes `command`, so that signals and the exit code are its own. Returns only where the
/// system has no such call, with the exit code, or when the program cannot be started.
pub fn replace(command: &mut Command) -> Result<ExitCode> {
    let cannot_start = format!("cannot start {}", command.get_program().display());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Err(command.exec()).context(cannot_start)
    }
    #[cfg(not(unix))]
    {
        let status = command.status().context(cannot_start)?;
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}
