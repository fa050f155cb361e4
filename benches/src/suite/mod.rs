//! The contests that `cargo xtask bench` holds.

mod attention;
mod codes;
mod curves;
mod decode;
mod hamming;
mod lif;
mod models;
mod rival;
mod scores;
mod synapses;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use ndarray::ArrayD;
use serde::Serialize;
use snn_core::{Tensor, Weights, packed::Precision};

pub use decode::Form;
pub use rival::Rival;
pub use scores::{KEEP, Mechanism};

use crate::{
    contest::{self, Entry, Measured, Side, Verdict},
    machine::Machine,
};

/// Turns of a quick run.
const QUICK_ROUNDS: usize = 3;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Whole networks, from images to logits
    Models,
    /// A small network over time steps, threads, batch, tokens and firing rate
    Curves,
    /// Synapses with their neurons, over the density of spikes
    Synapses,
    /// Layers of masked time-to-first-spike codes, from levels to levels
    Codes,
    /// LIF neurons, from currents to spikes
    Lif,
    /// The core of self-attention
    Attention,
    /// Attention that needs every score, or every key: winner-take-all, top-k, kernel hashes
    Scores,
    /// One step of decoding, from a cache of keys and values
    Decode,
    /// The nearest of a million binary codes
    Hamming,
}

/// What a person asks for.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// What to compare
    #[arg(long, value_delimiter = ',', default_value = "models")]
    pub suite: Vec<Suite>,
    /// Networks of the suite `models`
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "spikformer-4-384,spike-driven-transformer-2-512,qkformer-4-384"
    )]
    pub model: Vec<String>,
    /// Images at once, in the suite `models`
    #[arg(long, value_delimiter = ',', default_value = "1,16")]
    pub batch: Vec<usize>,
    /// Threads of everybody
    #[arg(long, value_delimiter = ',', default_value = "2")]
    pub threads: Vec<usize>,
    /// Precisions of this engine, in the suite `models`
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "exact,f32,i16,i8",
        value_parser = precision
    )]
    pub precision: Vec<Precision>,
    /// Share of queries, keys and values that are spikes, in the suites of attention
    #[arg(long, default_value_t = crate::inputs::RATE, value_parser = share)]
    pub rate: f64,
    /// Turns that everybody gets
    #[arg(long, default_value_t = 10)]
    pub rounds: usize,
    /// The first network alone, one image at a time, few turns, few points of a curve
    #[arg(long)]
    pub quick: bool,
    /// Print the results as JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Folder for the results
    #[arg(long, default_value = "runs/bench")]
    pub out: PathBuf,
    /// Engines to compare with; without it, all that compute the suite
    #[arg(long, value_delimiter = ',')]
    pub rivals: Option<Vec<Rival>>,
    /// Compare with nobody: needs no Python
    #[arg(long, conflicts_with = "rivals")]
    pub no_rivals: bool,
    /// Python that has the rivals; `cargo xtask bench` makes one
    #[arg(long)]
    pub python: Option<PathBuf>,
}

/// A share of all, from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("expected a number from 0 to 1, found `{text}`"))
}

/// A precision by its name.
///
/// # Errors
/// If there is none of that name.
pub fn precision(name: &str) -> Result<Precision, String> {
    let found = Precision::ALL.into_iter().find(|precision| precision.name() == name);
    found.ok_or_else(|| "expected exact, f32, i16 or i8".into())
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// What.
    pub contests: Vec<Contest>,
}

/// One comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Contest {
    /// What was computed, and how.
    pub title: String,
    /// What else a reader must know.
    pub conditions: Vec<String>,
    /// What a run is counted in.
    pub unit: &'static str,
    /// So many of the unit is a second.
    pub per_second: f64,
    /// Where it lies on a curve, if it does.
    pub point: Option<Point>,
    /// What a kernel computes and moves, if that is what was measured.
    pub kernel: Option<Kernel>,
    /// What came of it.
    pub measured: Vec<Measured>,
}

/// A place on a curve.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// What was computed.
    pub curve: String,
    /// What changes.
    pub axis: &'static str,
    /// Its value.
    pub at: f64,
}

/// What a kernel computes and moves in one run.
#[derive(Clone, Debug, Serialize)]
pub struct Kernel {
    /// Multiply-accumulates, were it dense.
    pub macs: f64,
    /// Bytes read and written by each of our entries, by name.
    pub bytes: Vec<(String, f64)>,
}

impl Contest {
    /// Median seconds of the fastest rival in 32-bit floats.
    pub fn fastest_rival(&self) -> Option<f64> {
        let rivals = self.measured.iter().filter(|m| m.side == Side::Rival);
        rivals.filter_map(|m| m.median_s).reduce(f64::min)
    }
}

/// Holds the contests; `each` sees everything so far after every one.
///
/// # Errors
/// If a case cannot be made, or `each` fails.
pub fn run(options: &Options, mut each: impl FnMut(&Results) -> Result<()>) -> Result<Results> {
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make the folder {}", options.out.display()))?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut hall = Hall {
        options,
        folder: folder.path(),
        results: Results { machine: Machine::here(), contests: Vec::new() },
        each: &mut each,
    };
    for suite in &options.suite {
        match suite {
            Suite::Models => models::run(&mut hall)?,
            Suite::Curves => curves::run(&mut hall)?,
            Suite::Synapses => synapses::run(&mut hall)?,
            Suite::Codes => codes::run(&mut hall)?,
            Suite::Lif => lif::run(&mut hall)?,
            Suite::Attention => attention::run(&mut hall)?,
            Suite::Scores => scores::run(&mut hall)?,
            Suite::Decode => decode::run(&mut hall)?,
            Suite::Hamming => hamming::run(&mut hall)?,
        }
    }
    Ok(hall.results)
}

/// Where contests are held.
struct Hall<'a> {
    options: &'a Options,
    /// For files that go when the program ends.
    folder: &'a Path,
    results: Results,
    each: &'a mut dyn FnMut(&Results) -> Result<()>,
}

impl Hall<'_> {
    /// A condition of the suites of attention.
    fn spiking(&self) -> String {
        format!("{:.0} % of queries, keys and values are spikes", 100.0 * self.options.rate)
    }

    /// The rivals that a suite has, of those that were asked for.
    fn rivals(&self, of_suite: &[Rival]) -> Vec<Rival> {
        if self.options.no_rivals {
            return Vec::new();
        }
        let bf16 = self.results.machine.bf16;
        let asked = |rival: &Rival| match &self.options.rivals {
            Some(rivals) => rivals.contains(rival),
            None => *rival != Rival::OpenvinoBf16 || bf16,
        };
        of_suite.iter().copied().filter(asked).collect()
    }

    /// A rival's entry.
    fn rival(&self, rival: Rival, suite: &str, arguments: &[(&str, String)]) -> Result<Entry> {
        let mut command = self.python(suite)?;
        command.args(["--rival", &rival.name()]);
        command.args(arguments.iter().flat_map(|(name, value)| [*name, value]));
        Ok(self.entry(rival.name(), rival.side(), command))
    }

    /// Our entry: this program in another process.
    fn ours(&self, name: &str, suite: &str, arguments: &[(&str, String)]) -> Result<Entry> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(["work", suite]);
        command.args(arguments.iter().flat_map(|(name, value)| [*name, value]));
        Ok(self.entry(format!("snn {name}"), Side::Ours, command))
    }

    fn entry(&self, name: String, side: Side, mut command: Command) -> Entry {
        let answer = self.folder.join("answer");
        command.arg("--answer").arg(&answer);
        Entry { name, side, command, answer }
    }

    /// `run.py` of the rivals.
    fn python(&self, command: &str) -> Result<Command> {
        let python = self.options.python.as_ref().context(
            "rivals need a Python that has them: use `cargo xtask bench`, which makes one, name \
             one with --python, or measure without them (--no-rivals)",
        )?;
        let mut run = Command::new(python);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals");
        run.arg(folder.join("run.py")).arg(command).env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(run)
    }

    /// Writes tensors for everybody to read.
    fn write(
        &self,
        tensors: impl IntoIterator<Item = (&'static str, ArrayD<f32>)>,
    ) -> Result<PathBuf> {
        let path = self.folder.join("input.safetensors");
        let mut file = Weights::default();
        for (name, tensor) in tensors {
            file.insert(name, Tensor::F32(tensor));
        }
        file.save(&path)?;
        Ok(path)
    }

    /// Holds a contest.
    fn hold(
        &mut self,
        title: String,
        conditions: Vec<String>,
        (unit, per_second): (&'static str, f64),
        entries: Vec<Entry>,
        judge: &dyn Fn(&str, &[f32]) -> Verdict,
    ) -> Result<()> {
        let measured = Vec::new();
        let (point, kernel) = (None, None);
        let contest = Contest { title, conditions, unit, per_second, point, kernel, measured };
        self.hold_contest(contest, entries, judge)
    }

    /// Holds a contest that nothing is measured of yet.
    fn hold_contest(
        &mut self,
        mut contest: Contest,
        entries: Vec<Entry>,
        judge: &dyn Fn(&str, &[f32]) -> Verdict,
    ) -> Result<()> {
        eprint!("{}:", contest.title);
        let rounds = if self.options.quick { QUICK_ROUNDS } else { self.options.rounds };
        contest.measured = contest::hold(entries, rounds, judge)?;
        self.results.contests.push(contest);
        (self.each)(&self.results)
    }
}

/// Accepts what equals the expected values.
fn equal(expected: Vec<f32>) -> impl Fn(&str, &[f32]) -> Verdict {
    nearly_equal(expected, 0.0)
}

/// Accepts what differs from the expected values in no more than this share of them.
fn nearly_equal(expected: Vec<f32>, share: f64) -> impl Fn(&str, &[f32]) -> Verdict {
    move |_, found| {
        let same = found.len() == expected.len();
        let different = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
        let text = match same {
            true => format!("{different} of {} values differ", expected.len()),
            false => format!("{} values, expected {}", found.len(), expected.len()),
        };
        let accepted = same && different as f64 <= share * expected.len() as f64;
        Verdict { accepted, text, spikes: None }
    }
}

/// Accepts what differs from the expected values by no more than this.
fn within(most: f32, expected: &[f32], found: &[f32]) -> Verdict {
    let off = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let accepted = found.len() == expected.len() && off <= most;
    Verdict { accepted, text: format!("within {off:.0e}"), spikes: None }
}
