//! `cargo xtask sanitize`: the kernels and the scheduler under tools that see what tests cannot.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::cargo;
use crate::ci::{Step, perform};

/// What the sanitizers of the Rust distribution and the memory checker run on.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Packages with SIMD kernels or packed layouts.
const PACKAGES: [&str; 8] =
    ["-p", "snn-core", "-p", "snn-hash", "-p", "snn-attn", "-p", "snn-data"];

/// Runs all and prints what each took. Fails with the first that does.
///
/// # Errors
/// Where the tools do not run, or are not installed.
pub fn run() -> Result<ExitCode> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        bail!("the sanitizers need Linux on x86-64 ({TARGET})");
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        bail!("valgrind is not installed; get it from your distribution: apt install valgrind");
    }

    // Every instruction set that this CPU has: reads and writes past the end.
    let mut addresses = sanitized("address", "-Zsanitizer=address");
    addresses.args(PACKAGES).args(["--lib", "--tests"]);
    // A pool of rayon that its maker works in is never freed.
    addresses.env("ASAN_OPTIONS", "detect_leaks=0");

    // MemorySanitizer wants a standard library of its own; valgrind does not. It knows no AVX-512.
    let uninitialised = |isa: &str| {
        let mut kernels = test("valgrind");
        let runner = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER";
        kernels.env(runner, "valgrind --quiet --error-exitcode=1").env("SNN_ISA", isa);
        kernels.args(["-p", "snn-core", "-p", "snn-hash", "--lib"]);
        kernels
    };

    // Claimed tiles, from inside a pool of three threads.
    let threads = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer";
    let mut threads = sanitized("thread", threads);
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sanitize/threads.supp");
    threads.env("TSAN_OPTIONS", format!("suppressions={}", known.display()));
    threads.args(["-p", "snn-core", "--test", "packed", "--", "threads"]);

    let (report, passed) = perform([
        Step { name: "addresses", command: addresses },
        Step { name: "memory", command: uninitialised("portable") },
        Step { name: "memory avx2", command: uninitialised("avx2") },
        Step { name: "threads", command: threads },
    ])?;
    print!("\n{report}");
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `cargo test` for programs that `rustc` instruments; each kind has its own folder of builds.
fn sanitized(name: &str, flags: &str) -> Command {
    let mut command = test(name);
    // The stable compiler carries the sanitizers behind an unstable flag.
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags);
    command
}

fn test(name: &str) -> Command {
    let mut command = cargo::command("test");
    command.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    command.args(["--target", TARGET, "--target-dir"]).arg(format!("target/sanitize/{name}"));
    command
}
