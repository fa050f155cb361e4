//! The libtorch inside of PyTorch, in the Python environments that a shell knows of.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Libtorch, Origin};

/// Prints the folder of the package, without the seconds that importing it takes.
const FOLDER: &str = "
from importlib.util import find_spec
print(find_spec('torch').submodule_search_locations[0])
";

/// Succeeds if the libraries that libtorch itself needs are there, those of CUDA for example.
const LOADS: &str = "
import ctypes, sys
ctypes.CDLL(sys.argv[1])
";

/// The interpreters of active environments, then the one on `PATH`.
pub fn interpreters() -> Vec<PathBuf> {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os);
    let active = active.filter(|folder| !folder.is_empty());
    let active = active.map(|folder| Path::new(&folder).join("bin").join("python"));
    active.chain(["python3".into()]).collect()
}

/// The libtorch of the PyTorch that `python` would import, if it is one to build on.
pub fn torch(python: PathBuf) -> Option<Libtorch> {
    let folder = say(Command::new(&python).args(["-c", FOLDER]))?;
    let found =
        Libtorch::open(Path::new(folder.trim_end()), Origin::Python(python.clone())).ok()?;
    let library = format!("{}torch{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    say(Command::new(&python).args(["-c", LOADS]).arg(found.root.join("lib").join(library)))?;
    Some(found)
}

/// The output of a command that succeeds.
fn say(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(all(test, unix))]
pub mod tests {
    use super::*;
    use crate::libtorch::VERSION;
    use crate::libtorch::folder::tests::pretend;
    use crate::libtorch::testing::program;

    /// An interpreter that has torch in `package`, whose libraries load if `load` succeeds.
    pub fn interpreter(folder: &Path, package: &Path, load: &str) -> PathBuf {
        let package = package.display();
        let script = format!("case $2 in *find_spec*) echo '{package}' ;; *CDLL*) {load} ;; esac");
        program(&folder.join("python"), &script)
    }

    #[test]
    fn a_pytorch_of_the_version_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("site-packages/torch");
        pretend(&package, VERSION);
        let library = package.join("lib/libtorch.so");
        let python =
            interpreter(folder.path(), &package, &format!("test $3 = {}", library.display()));
        let found = torch(python.clone()).unwrap();
        assert_eq!(found.root, package.canonicalize().unwrap());
        assert_eq!(found.origin, Origin::Python(python));
    }

    #[test]
    fn a_pytorch_of_no_use_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("torch");
        let python = |load| interpreter(folder.path(), &package, load);
        assert_eq!(torch("/no/such/python".into()), None);
        assert_eq!(torch(python("true")), None, "no files");
        pretend(&package, "2.10.0");
        assert_eq!(torch(python("true")), None, "another version");
        pretend(&package, VERSION);
        assert_eq!(torch(python("exit 1")), None, "without the libraries of CUDA");
        assert!(torch(python("true")).is_some());
    }
}
