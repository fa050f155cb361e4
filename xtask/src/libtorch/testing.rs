//! What tests of several modules put in the place of other people's programs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program at `path` that is the shell script `script`.
pub fn program(path: &Path, script: &str) -> PathBuf {
    // Written by another process: a file that any thread of this one had open for writing when
    // another thread forked could not be started.
    let status = Command::new("sh")
        .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod +x "$1""#, "sh"])
        .arg(path)
        .arg(script)
        .status()
        .unwrap();
    assert!(status.success());
    path.to_owned()
}
