//! `libtorch.so` without CUDA.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::error::Error;

/// The C++ compiler, with arguments that belong to every call.
pub struct Compiler(Vec<OsString>);

impl Compiler {
    /// That of the variable `CXX`, which torch-sys reads too; else `c++`.
    pub fn of_user() -> Self {
        Self::parse(std::env::var("CXX").unwrap_or_default().as_str())
    }

    pub fn parse(cxx: &str) -> Self {
        let words: Vec<OsString> = cxx.split_whitespace().map(OsString::from).collect();
        Self(if words.is_empty() { vec!["c++".into()] } else { words })
    }

    /// Fails if there is none.
    pub fn check(&self) -> Result<(), Error> {
        self.run(&["--version".into()]).map(drop)
    }

    /// Makes `lib/libtorch.so`. PyTorch's own does nothing but pull in the libraries for the
    /// processor and for CUDA; this one pulls in the former alone, so that a program which links
    /// to `libtorch.so` runs on both.
    pub fn make_stub(&self, lib: &Path) -> Result<(), Error> {
        let mut search = OsString::from("-L");
        search.push(lib);
        let arguments = [
            "-shared".into(),
            "-nostdlib".into(),
            "-o".into(),
            lib.join("libtorch.so").into(),
            search,
            "-Wl,--no-as-needed".into(),
            "-ltorch_cpu".into(),
            "-lc10".into(),
            "-Wl,-soname,libtorch.so".into(),
            "-Wl,-rpath,$ORIGIN".into(),
        ];
        self.run(&arguments).map(drop)
    }

    fn run(&self, arguments: &[OsString]) -> Result<Output, Error> {
        let program = self.0[0].to_string_lossy().into_owned();
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).args(arguments).stdin(Stdio::null());
        match command.output() {
            Ok(output) if output.status.success() => Ok(output),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
                Err(Error::Compiler { program, said: format!("{}: {said}", output.status) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::NoCompiler { program })
            }
            Err(error) => Err(Error::Compiler { program, said: error.to_string() }),
        }
    }
}
