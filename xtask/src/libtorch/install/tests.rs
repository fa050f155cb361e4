//! The whole of an installation, from wheels of some kilobytes.

use std::io::{Cursor, Write};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::*;
use crate::libtorch::testing::program;

const TORCH: &str = "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl";
const CUPTI: &str = "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl";

/// Two wheels in a folder, a Python that hands them out, and a cache.
struct Setting {
    folder: tempfile::TempDir,
    cache: Cache,
    wheels: Vec<Wheel>,
}

impl Setting {
    /// `None` where there is no C++ compiler to make libraries with.
    fn new() -> Option<Self> {
        if Compiler::of_user().check().is_err() {
            println!("skipped: no C++ compiler");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let version = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n\
                       #define TORCH_VERSION_PATCH 0\n";
        let [cpu, c10] = ["torch_cpu", "c10"].map(|name| library(folder.path(), name));
        let torch = zip(&[
            ("torch/lib/libtorch_cpu.so", &cpu),
            ("torch/lib/libc10.so", &c10),
            ("torch/lib/libgomp.so.1", b"gomp"),
            ("torch/lib/libtorch_cuda.so", b"not needed"),
            ("torch/include/torch/headeronly/version.h", version.as_bytes()),
            ("torch/include/torch/csrc/api/include/torch/torch.h", b"// all"),
        ]);
        let cupti = zip(&[("nvidia/cu13/lib/libcupti.so.13", b"cupti")]);
        let wheels = [(TORCH, torch), (CUPTI, cupti)].map(|(file, content)| {
            fs::write(folder.path().join(file), &content).unwrap();
            let sha256 = format!("{:x}", Sha256::digest(&content)).leak();
            Wheel { file, size: content.len() as u64, sha256 }
        });
        Some(Self { folder, cache, wheels: wheels.into() })
    }

    fn means(&self) -> Means {
        let script = format!(
            "cd '{}'; echo $3 $4 >> calls; echo $4; tail -c +$(($4 + 1)) $3",
            self.folder.path().display()
        );
        let python = program(&self.folder.path().join("python3"), &script);
        let platform = ("linux", "x86_64");
        let compiler = Compiler::of_user();
        Means { platform, pip: Pip { python }, compiler, wheels: self.wheels.clone() }
    }

    /// The files and offsets that were downloaded.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cache.folder()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// An empty shared library.
fn library(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(format!("lib{name}.so"));
    let soname = format!("-Wl,-soname,lib{name}.so");
    let arguments = ["-shared", "-nostdlib", soname.as_str(), "-x", "c++", "/dev/null", "-o"];
    assert!(Command::new("c++").args(arguments).arg(&path).status().unwrap().success());
    fs::read(path).unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_second_call_downloads_nothing() {
    let Some(setting) = Setting::new() else { return };
    let installed = install(&setting.cache, &setting.means()).unwrap();
    assert_eq!(installed.root, setting.cache.installed());
    assert_eq!(setting.calls(), [format!("{TORCH} 0"), format!("{CUPTI} 0")]);
    assert_eq!(setting.cached(), ["libtorch-2.11.0", "libtorch-2.11.0.lock"]);
    let lib = installed.root.join("lib");
    let mut libraries: Vec<_> =
        fs::read_dir(&lib).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    libraries.sort();
    let expected =
        ["libc10.so", "libcupti.so.13", "libgomp.so.1", "libtorch.so", "libtorch_cpu.so"];
    assert_eq!(libraries, expected);
    let stub = fs::read(lib.join("libtorch.so")).unwrap();
    for needed in ["libtorch_cpu.so\0", "libc10.so\0", "$ORIGIN\0"] {
        let mut places = stub.windows(needed.len());
        assert!(places.any(|place| place == needed.as_bytes()), "{needed}");
    }

    assert_eq!(setting.cache.libtorch(), Some(installed));
    install(&setting.cache, &setting.means()).unwrap();
    assert_eq!(setting.calls().len(), 2);
}

#[test]
fn a_killed_installation_is_finished_by_the_next() {
    let Some(setting) = Setting::new() else { return };
    let downloads = setting.cache.downloads();
    fs::create_dir_all(&downloads).unwrap();
    let torch = fs::read(setting.folder.path().join(TORCH)).unwrap();
    fs::write(downloads.join(TORCH), &torch[..100]).unwrap();
    // As left by a kill while unpacking, and by a person.
    fs::create_dir_all(setting.cache.unfinished().join("lib/old")).unwrap();
    fs::create_dir_all(setting.cache.installed().join("lib/old")).unwrap();
    let installed = install(&setting.cache, &setting.means()).unwrap();
    assert_eq!(setting.calls(), [format!("{TORCH} 100"), format!("{CUPTI} 0")]);
    assert!(!installed.root.join("lib/old").exists());
    assert_eq!(setting.cached(), ["libtorch-2.11.0", "libtorch-2.11.0.lock"]);
}

#[test]
fn of_two_at_once_one_installs() {
    let Some(setting) = Setting::new() else { return };
    let means = setting.means();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| install(&setting.cache, &means).unwrap());
        }
    });
    assert_eq!(setting.calls().len(), 2);
}

#[test]
fn what_fails_leaves_nothing_that_looks_installed() {
    let Some(mut setting) = Setting::new() else { return };
    let garbage = b"this is no zip file";
    fs::write(setting.folder.path().join(CUPTI), garbage).unwrap();
    setting.wheels[1].size = garbage.len() as u64;
    setting.wheels[1].sha256 = format!("{:x}", Sha256::digest(garbage)).leak();
    let error = install(&setting.cache, &setting.means()).unwrap_err().to_string();
    let path = setting.cache.downloads().join(CUPTI);
    let expected = format!("cannot unpack {}; remove it and run the same ", path.display());
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(setting.cache.libtorch(), None);
    assert!(!setting.cache.installed().exists());
}

#[test]
fn what_cannot_work_downloads_nothing() {
    let Some(setting) = Setting::new() else { return };
    let complaint = |means: &Means| {
        let error = install(&setting.cache, means).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(setting.calls().is_empty());
        error
    };
    let mut means = setting.means();
    means.platform = ("macos", "aarch64");
    let error = complaint(&means);
    assert!(
        error.starts_with("libtorch can be installed on linux x86_64, this is macos aarch64: set")
    );

    let mut means = setting.means();
    means.compiler = Compiler::parse("no-such-c++ -O2");
    let error = complaint(&means);
    assert!(error.starts_with("no C++ compiler: no-such-c++ is not there, and "), "{error}");

    let script = "echo broken installation >&2; exit 1";
    let compiler = program(&setting.folder.path().join("broken"), script);
    means.compiler = Compiler::parse(compiler.to_str().unwrap());
    let error = complaint(&means);
    assert!(
        error.contains("broken does not work: exit status: 1: broken installation; "),
        "{error}"
    );

    let mut means = setting.means();
    means.wheels[0].size = 1 << 60;
    let error = complaint(&means);
    assert!(error.contains(" needs ") && error.contains(" are free; make room"), "{error}");
}
