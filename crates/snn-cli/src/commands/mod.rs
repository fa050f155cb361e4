//! The commands of `snn`, one file each.

mod ablate;
mod analog;
mod choose;
mod eval;
mod eval_precisions;
mod eval_text;
mod generate;
mod golden;
mod import;
mod models;
mod output;
mod run;
mod train;

use anyhow::Result;
use clap::Subcommand;
use snn_data::cli::DataCommand;

/// A command with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network, evaluate it, write a report
    Train(Box<train::Arguments>),
    /// Measure a trained network on the test images of its dataset
    Eval(eval::Arguments),
    /// Compare variants of the attention on codes: bits, coding, scales, delays, keys
    Ablate(ablate::Arguments),
    /// Study what analog devices do to a trained Matterhorn, and what its codes cost
    Analog(analog::Arguments),
    /// Classify images with a trained network
    Run(run::Arguments),
    /// Go on with a text, token by token
    Generate(generate::Arguments),
    /// Say which network serves a task, and on what evidence
    Choose(choose::Arguments),
    /// List the published networks
    Models(models::Arguments),
    /// Compare every backend with what the authors' own code gave
    Golden(golden::Arguments),
    /// Turn weights that authors published into a run folder
    Import(Box<import::Arguments>),
    /// List datasets, fetch, verify and inspect them
    #[command(after_help = "Example: snn data list")]
    Data {
        /// What to do
        #[command(subcommand)]
        command: DataCommand,
    },
}

impl Command {
    /// Runs it; results go to standard output, progress to standard error.
    ///
    /// # Errors
    /// What, where, expected, found, and what to do.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Train(arguments) => arguments.run(),
            Self::Eval(arguments) => arguments.run(),
            Self::Ablate(arguments) => arguments.run(),
            Self::Analog(arguments) => arguments.run(),
            Self::Run(arguments) => arguments.run(),
            Self::Generate(arguments) => arguments.run(),
            Self::Choose(arguments) => arguments.run(),
            Self::Models(arguments) => arguments.run(),
            Self::Golden(arguments) => arguments.run(),
            Self::Data { command } => Ok(snn_data::cli::run(&command, &mut std::io::stdout())?),
            Self::Import(arguments) => arguments.run(),
        }
    }
}
