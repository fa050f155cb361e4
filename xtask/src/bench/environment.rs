//! A private Python environment with the rivals, in the user's cache.
//!
//! It is made in a temporary folder and renamed when all of it works, so that a folder of its name
//! is complete.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::libtorch::Cache;

/// Since when the rivals run on it.
const OLDEST: (u32, u32) = (3, 11);

/// Fails where an environment could not be made, and prints the version.
const ABLE: &str = "
import ensurepip, sys, venv
print(*sys.version_info[:2])
";

/// Fails unless the rivals are there.
const COMPLETE: &str = "
import onnx, onnxruntime, openvino, safetensors, torch
from spikingjelly.activation_based import neuron
";

/// The interpreter of the environment, which is made if it is not there.
///
/// # Errors
/// One line that says what is missing or went wrong, and what to do.
pub fn obtain() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rivals = package.parent().unwrap_or(package).join("benches").join("rivals");
    make("python3".as_ref(), &rivals, Cache::of_user()?.folder())
}

fn make(python: &OsStr, rivals: &Path, cache: &Path) -> Result<PathBuf> {
    let (requirements, without_cuda) =
        (rivals.join("requirements.txt"), rivals.join("without_cuda.py"));
    let made = cache.join(format!("rivals-{}", digest(&[&requirements, &without_cuda])?));
    if made.exists() {
        return Ok(interpreter(&made));
    }
    check(python)?;
    eprintln!("making a Python environment with the rivals (once, 700 MB to download)");
    fs::create_dir_all(cache)
        .with_context(|| format!("cannot make the folder {}", cache.display()))?;
    let unfinished = tempfile::Builder::new()
        .prefix("rivals-unfinished-")
        .tempdir_in(cache)
        .with_context(|| format!("cannot make a folder in {}", cache.display()))?;
    let own = interpreter(unfinished.path());
    step("make an environment", Command::new(python).args(["-m", "venv"]).arg(unfinished.path()))?;
    // The requirements are complete; what packages say of CUDA is not wanted.
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--requirement"];
    step("install the rivals", Command::new(&own).args(pip).arg(requirements))?;
    step("do without CUDA", Command::new(&own).arg(without_cuda))?;
    step("import the rivals", Command::new(&own).args(["-c", COMPLETE]))?;
    let unfinished = unfinished.keep();
    match fs::rename(&unfinished, &made) {
        // Another process was faster.
        Err(_) if made.exists() => {
            let _ = fs::remove_dir_all(unfinished);
        }
        renamed => renamed.with_context(|| format!("cannot rename to {}", made.display()))?,
    }
    Ok(interpreter(&made))
}

/// Names the contents of files, so that another content gets another environment.
fn digest(files: &[&Path]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(text);
    }
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

fn check(python: &OsStr) -> Result<()> {
    let name = python.display();
    let needs = format!(
        "the rivals need Python {}.{} or later with venv and pip (apt install python3-venv), or \
         measure without them (--no-rivals)",
        OLDEST.0, OLDEST.1
    );
    let output = Command::new(python).args(["-c", ABLE]).stdin(Stdio::null()).output();
    let output = match output {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("no {name} on PATH: {needs}")
        }
        output => output.with_context(|| format!("cannot start {name}"))?,
    };
    ensure!(output.status.success(), "{name} has no venv or no pip: {needs}");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    ensure!(version >= OLDEST, "{name} is Python {}.{}: {needs}", version.0, version.1);
    Ok(())
}

/// Runs one step; what it prints is progress.
fn step(what: &str, command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).stdout(io::stderr()).status();
    let status = status.with_context(|| format!("cannot {what}"))?;
    ensure!(
        status.success(),
        "cannot {what} ({status}); the reason is above: mend it and run the same command again, or \
         measure without rivals (--no-rivals)"
    );
    Ok(())
}

fn interpreter(environment: &Path) -> PathBuf {
    match cfg!(windows) {
        true => environment.join("Scripts").join("python.exe"),
        false => environment.join("bin").join("python"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::libtorch::testing::program;

    /// A Python that makes environments of itself, and notes what it is asked to do.
    fn python(folder: &Path, version: &str, install: &str) -> PathBuf {
        let log = folder.join("log");
        let script = format!(
            "case \"$*\" in
               *ensurepip*) echo {version} ;;
               '-m venv '*) mkdir -p $3/bin && cp $0 $3/bin/python ;;
               *'pip install'*) echo install >> {log}; {install} ;;
               *) echo other >> {log} ;;
             esac",
            log = log.display()
        );
        program(&folder.join("python3"), &script)
    }

    fn rivals(folder: &Path) -> PathBuf {
        let rivals = folder.join("rivals");
        fs::create_dir_all(&rivals).unwrap();
        fs::write(rivals.join("requirements.txt"), "a==1\n").unwrap();
        fs::write(rivals.join("without_cuda.py"), "").unwrap();
        rivals
    }

    #[test]
    fn an_environment_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let (rivals, cache) = (rivals(folder.path()), folder.path().join("cache"));
        let python = python(folder.path(), "3 11", "true");
        let first = make(python.as_os_str(), &rivals, &cache).unwrap();
        assert!(first.is_file());
        assert_eq!(make(python.as_os_str(), &rivals, &cache).unwrap(), first);
        let log = || fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(log(), "install\nother\nother\n");
        fs::write(rivals.join("requirements.txt"), "a==2\n").unwrap();
        assert_ne!(make(python.as_os_str(), &rivals, &cache).unwrap(), first);
        assert_eq!(log().matches("install").count(), 2);
    }

    #[test]
    fn nothing_is_left_of_one_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let (rivals, cache) = (rivals(folder.path()), folder.path().join("cache"));
        let python = python(folder.path(), "3 11", "exit 1");
        let error = make(python.as_os_str(), &rivals, &cache).unwrap_err().to_string();
        assert!(error.starts_with("cannot install the rivals (exit status: 1); "), "{error}");
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    }

    #[test]
    fn a_python_that_is_too_old_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (rivals, cache) = (rivals(folder.path()), folder.path().join("cache"));
        let python = python(folder.path(), "3 9", "true");
        let error = make(python.as_os_str(), &rivals, &cache).unwrap_err().to_string();
        assert!(error.contains(" is Python 3.9: the rivals need Python 3.11 or later "), "{error}");
        let error = make("no-such-python".as_ref(), &rivals, &cache).unwrap_err().to_string();
        assert!(error.starts_with("no no-such-python on PATH: "), "{error}");
    }
}
