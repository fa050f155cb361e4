//! Several programs compute the same from the same file, each in a process of its
//! own; they are compared, then timed by turns, so that a slow minute of the machine
//! hits all of them.

mod process;

use std::{process::Command, time::Duration};

use anyhow::Result;
use serde::Serialize;

use process::Process;

use snn_core::probe::Agreement;

/// Seconds that a turn should last.
const TURN: f64 = 0.3;
/// Seconds that its first runs last, which do not count: threads that were asleep share a core until
/// the system spreads them, which takes it milliseconds.
const START: f64 = 0.05;
/// Runs of either at most.
const MOST: usize = 500;
/// Long enough for threads that wait busily to fall asleep.
const PAUSE: Duration = Duration::from_millis(30);

/// One who takes part.
pub struct Entry {
    /// Name in tables.
    pub name: String,
    /// Whose.
    pub side: Side,
    /// Starts a process that serves; it writes its answer to `answer`.
    pub command: Command,
    /// File of the answer: 32-bit floats, little-endian.
    pub answer: std::path::PathBuf,
}

/// Whose a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// This project's.
    Ours,
    /// An engine that computes in 32-bit floats, as all do unless told otherwise.
    Rival,
    /// An engine that was told to compute in 16-bit floats.
    RivalBf16,
}

/// What a judge says of an answer.
pub struct Verdict {
    /// Whether it may be timed.
    pub accepted: bool,
    /// How near it is to the expected one.
    pub text: String,
    /// Spike by spike, where spikes can be seen.
    pub spikes: Option<Agreement>,
}

/// What came of one entry.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Name in tables.
    pub name: String,
    /// Whose.
    pub side: Side,
    /// Version and settings.
    pub about: String,
    /// How its answer compares.
    pub answer: String,
    /// Spike by spike, where spikes can be seen.
    pub spikes: Option<Agreement>,
    /// Why it was not timed, if it was not.
    pub failure: Option<String>,
    /// Seconds to load, compile and answer first.
    pub setup_s: f64,
    /// Median of [`Measured::seconds`], if there are any.
    pub median_s: Option<f64>,
    /// The shortest of them.
    pub min_s: Option<f64>,
    /// Seconds of each run that counts.
    pub seconds: Vec<f64>,
    /// Greatest memory of its process, in MB (10^6 bytes).
    pub peak_rss_mb: Option<f64>,
}

/// The median; the mean of the two in the middle of an even number.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Starts everybody, judges their answers, and times by turns those that are
/// accepted. What goes wrong with an entry is in its [`Measured::failure`].
///
/// # Errors
/// If an answer cannot be read.
pub fn hold(
    entries: Vec<Entry>,
    rounds: usize,
    judge: &dyn Fn(&str, &[f32]) -> Verdict,
) -> Result<Vec<Measured>> {
    let mut running = Vec::new();
    for mut entry in alternating(entries) {
        eprint!(" {}", entry.name);
        let mut measured = Measured {
            name: entry.name,
            side: entry.side,
            about: String::new(),
            answer: String::new(),
            spikes: None,
            failure: None,
            setup_s: 0.0,
            median_s: None,
            min_s: None,
            seconds: Vec::new(),
            peak_rss_mb: None,
        };
        let process = match Process::start(&mut entry.command) {
            Err(error) => {
                measured.failure = Some(format!("{error:#}"));
                None
            }
            Ok((process, ready)) => {
                (measured.about, measured.setup_s) = (ready.about, ready.setup_s);
                let bytes = std::fs::read(&entry.answer)?;
                let (words, _) = bytes.as_chunks::<4>();
                let answer: Vec<f32> = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
                let verdict = judge(&measured.name, &answer);
                (measured.answer, measured.spikes) = (verdict.text, verdict.spikes);
                if !verdict.accepted {
                    measured.failure = Some("its answer is another".into());
                }
                verdict.accepted.then_some(process)
            }
        };
        // Nobody needs the file any more; if it stays, its folder is removed later.
        let _ = std::fs::remove_file(&entry.answer);
        running.push((process, measured));
    }
    for _ in 0..rounds {
        eprint!(" .");
        for (process, measured) in &mut running {
            take_turn(process, measured);
        }
    }
    let end = |(process, mut measured): (Option<Process>, Measured)| {
        match process.map(Process::end) {
            Some(Ok(peak)) => measured.peak_rss_mb = peak,
            Some(Err(error)) => measured.failure = Some(format!("{error:#}")),
            None => {}
        }
        measured.median_s = median(&measured.seconds);
        measured.min_s = measured.seconds.iter().copied().reduce(f64::min);
        measured
    };
    eprintln!();
    let mut found: Vec<Measured> = running.into_iter().map(end).collect();
    found.sort_by_key(|measured| measured.side == Side::Ours); // rivals first, to be read
    Ok(found)
}

/// Runs that wake threads and caches, then as many as fill a turn.
fn take_turn(process: &mut Option<Process>, measured: &mut Measured) {
    let Some(running) = process else { return };
    std::thread::sleep(PAUSE);
    let turn = running.run(1).and_then(|first| {
        let one = first.first().copied().unwrap_or(TURN);
        let times = |all: f64, one: f64| ((all / one.max(1e-9)).ceil() as usize).clamp(1, MOST);
        let woken = if one < START { running.run(times(START, one))? } else { first };
        running.run(times(TURN, median(&woken).unwrap_or(one)))
    });
    match turn {
        Ok(seconds) => measured.seconds.extend(seconds),
        Err(error) => {
            measured.failure = Some(format!("{error:#}"));
            *process = None;
        }
    }
}

/// Rivals and ours by turns.
fn alternating(entries: Vec<Entry>) -> Vec<Entry> {
    let (ours, rivals): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.side == Side::Ours);
    let (mut ours, mut rivals) = (ours.into_iter(), rivals.into_iter());
    let mut order = Vec::new();
    loop {
        let pair = [rivals.next(), ours.next()];
        if pair.iter().all(Option::is_none) {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}
