#[cfg(feature = "torch")]
mod studies;
#[cfg(feature = "torch")]
mod trials;

use std::path::PathBuf;

use anyhow::Result;

/// Arguments of `snn ablate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  snn ablate --quick
  snn ablate --quick --study delays --study keys
  snn ablate --data ~/datasets --out runs/ablation
  snn ablate --data ~/datasets --seeds 1 --set epochs=2 --set limit.train=2000 --set limit.test=500")]
pub struct Arguments {
    /// The studies on the digits, which need no files: minutes, not hours
    #[arg(long)]
    quick: bool,
    /// Folder of the published files of Fashion-MNIST
    #[arg(long, value_name = "DIR", required_unless_present = "quick", conflicts_with = "quick")]
    data: Option<PathBuf>,
    /// Folder of the report and of all runs; studies that are there already are gone on with
    #[arg(long, value_name = "DIR", default_value = "runs/ablation")]
    out: PathBuf,
    /// Runs of every variant, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    seeds: u16,
    /// Only studies whose title has this in it; may be given several times
    #[arg(long, value_name = "TEXT")]
    study: Vec<String>,
    /// Change a key of the preset that all variants share; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Arguments {
    #[cfg(feature = "torch")]
    pub(super) fn run(self) -> Result<()> {
        trials::run(&self)
    }

    #[cfg(not(feature = "torch"))]
    pub(super) fn run(self) -> Result<()> {
        // Read here, so that both programs take the same arguments.
        let Self { quick: _, data: _, out: _, seeds: _, study: _, set: _ } = self;
        Err(crate::backend::without_libtorch("training"))
    }
}
