//! What a person types: `cargo xtask train`, `cargo xtask test` and the rest.
//!
//! This program only finds or installs libtorch and starts other programs: `cargo`, `snn` of the
//! crate `snn-cli`, and `snn-bench` of `snn-benches`. It links neither libtorch nor the crates of
//! the workspace.

mod bench;
mod cargo;
mod ci;
mod libtorch;
mod program;
mod sanitize;
mod snn;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Spiking transformers: train them, run them, test them.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true,
    after_help = "Example: cargo xtask train"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find libtorch, or install it in the user's cache (540 MB to download)
    ///
    /// Looked for in this order: the variable LIBTORCH, a Python environment with PyTorch 2.11,
    /// the user's cache. Every command that needs libtorch does this by itself.
    #[command(after_help = "Example: eval \"$(cargo xtask setup --print-env)\"")]
    Setup {
        /// Print `export` lines for a shell, so that plain `cargo` commands find libtorch
        #[arg(long)]
        print_env: bool,
    },
    /// Train a model (`snn train`)
    #[command(after_help = "Example: cargo xtask train digits --set epochs=2")]
    Train(Passed),
    /// Measure a trained or published model on a dataset (`snn eval`)
    #[command(after_help = "Example: cargo xtask eval --help")]
    Eval(Passed),
    /// Compare variants of the attention on codes, with a report (`snn ablate`)
    #[command(after_help = "Example: cargo xtask ablate --quick")]
    Ablate(Passed),
    /// Run a model on inputs of yours (`snn run`)
    #[command(after_help = "Example: cargo xtask run --help")]
    Run(Passed),
    /// Go on with a text (`snn generate`)
    #[command(after_help = "Example: cargo xtask generate runs/tiny-shakespeare-1 --prompt ROMEO:")]
    Generate(Passed),
    /// Study what analog devices do to a trained Matterhorn, and what its codes cost (`snn analog`)
    #[command(after_help = "Example: cargo xtask analog runs/sst2-matterhorn-1")]
    Analog(Passed),
    /// Say which model serves a task, and on what evidence (`snn choose`)
    #[command(
        after_help = "Example: cargo xtask choose --task nlp --hardware cpu --priority efficiency"
    )]
    Choose(Passed),
    /// List the models (`snn models`)
    #[command(after_help = "Example: cargo xtask models")]
    Models(Passed),
    /// Compare every backend with the authors' outputs (`snn golden`)
    #[command(after_help = "Example: cargo xtask golden --backend packed")]
    Golden(Passed),
    /// Turn weights that authors published into a file of this project (`snn import`)
    #[command(after_help = "Example: cargo xtask import --help")]
    Import(Passed),
    /// List datasets and prepare them (`snn data`)
    #[command(after_help = "Example: cargo xtask data --help")]
    Data(Passed),
    /// Measure how fast models run, beside the engines that people use today
    ///
    /// Those come from a private Python environment in the user's cache (700 MB to download), made
    /// by the first call that needs it; `--no-rivals` does without.
    #[command(after_help = "Example: cargo xtask bench --model spikformer-4-384")]
    Bench(Passed),
    /// Run the tests of the workspace
    #[command(after_help = "Example: cargo xtask test --light -- --nocapture")]
    Test {
        /// Leave out what needs libtorch
        #[arg(long)]
        light: bool,
        /// Handed to `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Check everything: format, lints, docs, tests and a short training
    #[command(after_help = "Example: cargo xtask ci")]
    Ci,
    /// Run kernels and scheduler under AddressSanitizer, valgrind and ThreadSanitizer
    ///
    /// AddressSanitizer sees every kernel that this CPU has, valgrind the portable and AVX2 ones
    /// (uninitialised memory), ThreadSanitizer the claiming of tiles. On Linux, x86-64. With a
    /// nightly toolchain Miri is one more: `cargo +nightly miri test -p snn-core --lib`.
    #[command(after_help = "Example: cargo xtask sanitize")]
    Sanitize,
}

/// Arguments that the program reads, `--help` among them.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct Passed {
    /// Handed to the program; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup { print_env } => setup(print_env),
        Command::Train(Passed { args }) => snn::run("train", &args),
        Command::Eval(Passed { args }) => snn::run("eval", &args),
        Command::Ablate(Passed { args }) => snn::run("ablate", &args),
        Command::Run(Passed { args }) => snn::run("run", &args),
        Command::Generate(Passed { args }) => snn::run("generate", &args),
        Command::Analog(Passed { args }) => snn::run("analog", &args),
        Command::Choose(Passed { args }) => snn::run("choose", &args),
        Command::Models(Passed { args }) => snn::run("models", &args),
        Command::Golden(Passed { args }) => snn::run("golden", &args),
        Command::Import(Passed { args }) => snn::run("import", &args),
        Command::Data(Passed { args }) => snn::run("data", &args),
        Command::Bench(Passed { args }) => bench::run(&args),
        Command::Test { light: true, args } => cargo::replace(cargo::command("test").args(args)),
        Command::Test { light: false, args } => {
            let libtorch = libtorch::obtain()?;
            let mut test = cargo::with_libtorch("test", &libtorch);
            cargo::replace(test.args(cargo::EVERYTHING).args(args))
        }
        Command::Ci => ci::run(),
        Command::Sanitize => sanitize::run(),
    }
}

fn setup(print_env: bool) -> Result<ExitCode> {
    let libtorch = libtorch::obtain()?;
    if print_env {
        print!("{}", libtorch.exports());
    } else {
        println!(
            "libtorch {} in {} ({})",
            libtorch.version,
            libtorch.root.display(),
            libtorch.origin
        );
    }
    Ok(ExitCode::SUCCESS)
}
