//! `data list | get | verify | inspect` for a program to mount as subcommands.

mod progress;

use crate::{
    DataError, Manifest, datasets,
    events::{Address, Format, Options},
    fetch::{Fetch, FetchError, State},
    inspect::inspect,
};
use clap::{Args, Subcommand, ValueEnum, builder::PossibleValue};
use progress::Bar;
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// What to do with datasets.
#[derive(Clone, Debug, Subcommand)]
pub enum DataCommand {
    /// List every dataset: what it is, how large, whether it is here
    List {
        /// Folder of all datasets
        #[command(flatten)]
        place: Place,
    },
    /// Get a dataset: download, check, unpack
    #[command(after_help = "Example: snn data get nmnist --dir ~/data")]
    Get {
        /// Dataset, as `list` names it
        name: String,
        /// Folder of all datasets
        #[command(flatten)]
        place: Place,
        /// Take the files from this folder, where a person put them, and download nothing
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
        /// Keep archives after they are unpacked
        #[arg(long)]
        keep_archives: bool,
    },
    /// Check the files of a dataset against their sums
    Verify {
        /// Dataset, as `list` names it
        name: String,
        /// Folder of all datasets
        #[command(flatten)]
        place: Place,
    },
    /// Say what a file of events, sound or images holds
    #[command(after_help = "Example: snn data inspect recording.aedat4 --json")]
    Inspect {
        /// File in any of the formats of events, also packed by gzip; wave, idx or image file
        file: PathBuf,
        /// Print one line of JSON, with a SHA-256 over rows (t, x, y, p)
        #[arg(long)]
        json: bool,
        /// Format, where the file does not tell it
        #[arg(long)]
        format: Option<Format>,
        /// Address layout of AEDAT 2.0, where the file does not tell it
        #[arg(long)]
        address: Option<Address>,
        /// ATIS: count clock overflows (row 240) as tonic does
        #[arg(long)]
        atis_overflow: bool,
    },
}

/// Where datasets lie.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Folder of all datasets [default: $SNN_DATA_DIR, else `datasets` in the user's cache]
    #[arg(long, visible_alias = "data", value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Place {
    fn folder(&self) -> Result<PathBuf, DataError> {
        self.dir.clone().map_or_else(datasets, Ok)
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl ValueEnum for Address {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Dvs128, Self::Davis, Self::Plain]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Dvs128 => "dvs128",
            Self::Davis => "davis",
            Self::Plain => "plain",
        }))
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A dataset or a setting.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A download.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Files are missing or wrong.
    #[error("dataset `{dataset}`: {bad} of {files} files are missing or wrong; get it again")]
    Verify {
        /// Dataset.
        dataset: String,
        /// Files at fault.
        bad: usize,
        /// Files in all.
        files: usize,
    },
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// Runs a command and writes its results to `out`; progress goes to standard error.
///
/// # Errors
/// [`CommandError`], with the error of the part that failed.
pub fn run(command: &DataCommand, out: &mut dyn Write) -> Result<(), CommandError> {
    match command {
        DataCommand::List { place } => list(&Fetch::new(&place.folder()?), out),
        DataCommand::Get { name, place, from, keep_archives } => {
            let manifest = Manifest::named(name)?;
            let fetch = Fetch {
                from: from.clone(),
                keep_archives: *keep_archives,
                ..Fetch::new(&place.folder()?)
            };
            let folder = fetch.get(&manifest, &Bar::default())?;
            writeln!(out, "{}: {}", manifest.title, folder.display())?;
            writeln!(out, "licence: {}", manifest.licence)?;
            writeln!(out, "cite: {}", manifest.citation)?;
            Ok(())
        }
        DataCommand::Verify { name, place } => {
            let manifest = Manifest::named(name)?;
            let found = Fetch::new(&place.folder()?).verify(&manifest, &Bar::default())?;
            let mut bad = 0;
            for checked in &found {
                let state = match &checked.state {
                    State::Good => continue,
                    State::Unchecked => "there; no sum is published",
                    State::Missing => "missing",
                    State::Wrong(why) => why,
                };
                bad += usize::from(checked.state != State::Unchecked);
                writeln!(out, "{}: {state}", checked.name)?;
            }
            if bad > 0 {
                return Err(CommandError::Verify {
                    dataset: manifest.name,
                    bad,
                    files: found.len(),
                });
            }
            writeln!(out, "{}: {} files checked", manifest.name, found.len())?;
            Ok(())
        }
        DataCommand::Inspect { file, json, format, address, atis_overflow } => {
            let (atis_overflow, drop_invalid) = (*atis_overflow, false);
            let options =
                Options { format: *format, address: *address, atis_overflow, drop_invalid };
            let found = inspect(file, &options)?;
            match json {
                true => {
                    serde_json::to_writer(&mut *out, &found).map_err(io::Error::from)?;
                    writeln!(out)?;
                }
                false => writeln!(out, "{found}")?,
            }
            Ok(())
        }
    }
}

fn list(fetch: &Fetch, out: &mut dyn Write) -> Result<(), CommandError> {
    for name in Manifest::names() {
        let manifest = Manifest::named(name)?;
        let state = match () {
            () if manifest.archives.is_empty() && manifest.files.is_empty() => "built in",
            () if fetch.is_there(&manifest) => "here",
            () if manifest.registration => "by hand, needs an account",
            () if manifest.by_hand => "by hand",
            () => "get",
        };
        let samples = format!("{} + {}", manifest.train, manifest.test);
        writeln!(out, "{name:<18} {samples:>16}  {:<42} {state}", manifest.title)?;
    }
    writeln!(out, "samples are training + test; datasets lie in {}", fetch.dir.display())?;
    Ok(())
}
