#[cfg(feature = "torch")]
mod progress;
#[cfg(feature = "torch")]
mod report;
#[cfg(feature = "torch")]
mod start;
#[cfg(feature = "torch")]
mod text;
#[cfg(feature = "torch")]
mod text_report;

use std::path::PathBuf;

use anyhow::Result;

/// Arguments of `snn train`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  snn train
  snn train fsdd --data ~/datasets
  snn train fashion-mnist --data ~/datasets --set model.depth=2 --set optimizer.lr=0.002
  snn train --resume runs/digits-1")]
pub struct Arguments {
    /// Preset: digits, digits-spike-driven-transformer, digits-statten, digits-qkformer,
    /// digits-meta-spikeformer, digits-e-spikeformer, digits-qsd-transformer, digits-xnor,
    /// digits-efficient, digits-lsformer or digits-teformer (need no files); images: mnist,
    /// fashion-mnist, fashion-mnist-efficient, fashion-mnist-lsformer, cifar10, cifar100,
    /// tiny-imagenet, imagenet; events: dvs128-gesture, dvs128-gesture-qkformer, cifar10-dvs,
    /// cifar10-dvs-spike-driven-transformer, cifar10-dvs-qkformer, cifar10-dvs-statten,
    /// cifar10-dvs-teformer, nmnist, n-caltech101, n-cars, asl-dvs, shd, ssc; sound: fsdd,
    /// fsdd-teformer, speech-commands; text: tiny-shakespeare, wikitext2, sst2, sst2-matterhorn
    #[arg(default_value = "digits")]
    preset: String,
    /// A file like those of the presets, or the config.toml of a run folder, instead of a preset
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// Folder of the dataset's published files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Run folder to make; runs/PRESET-1, -2, ... unless given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in this folder, from its last finished epoch
    #[arg(long, value_name = "DIR", conflicts_with_all = ["preset", "config", "out", "seed", "set"])]
    resume: Option<PathBuf>,
    /// Where to train: cpu, or cuda:N
    #[arg(long)]
    device: Option<String>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Change a key of the preset; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Arguments {
    #[cfg(feature = "torch")]
    pub(super) fn run(self) -> Result<()> {
        if text::is_asked_for(&self) { text::start(&self) } else { start::start(self) }
    }

    #[cfg(not(feature = "torch"))]
    pub(super) fn run(self) -> Result<()> {
        // Read here, so that both programs take the same arguments.
        let Self { preset: _, config: _, data: _, out: _, resume: _, device: _, seed: _, set: _ } =
            self;
        Err(crate::backend::without_libtorch("training"))
    }
}
