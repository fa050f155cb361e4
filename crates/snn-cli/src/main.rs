//! `snn`: trains, evaluates and runs spiking transformers.

use std::process::ExitCode;

use clap::Parser;
use snn_cli::commands::Command;

/// Spiking transformers: train them, measure them, run them
#[derive(Parser)]
#[command(
    name = "snn",
    version,
    disable_help_subcommand = true,
    after_help = "Example: snn train digits"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    snn_core::memory::keep_freed();
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

/// Whether whoever read our output has seen enough, as `head` does.
fn closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Parsers explain themselves over several lines, with the text in question between them.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
