//! Whole networks, from images to logits.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use snn_core::{Packed, packed::Precision, probe::Agreement};

use super::{Contest, Hall, Point, Rival};
use crate::{
    Case,
    agreement::{Recording, agreement},
    case::{Draw, config},
    contest::Verdict,
};

const RIVALS: [Rival; 6] = [
    Rival::Openvino,
    Rival::OpenvinoBf16,
    Rival::Onnxruntime,
    Rival::Torch,
    Rival::TorchCompile,
    Rival::Spikingjelly,
];

/// Logits of another network are not nearer than this to the expected ones, those
/// of the same with some spikes flipped are: root mean square of the difference, in
/// standard deviations of the logits.
const NEAR: f64 = 0.5;

/// Greatest difference of logits in 64-bit floats, which were stored in 32 bits.
const SAME_NETWORK: f64 = 1e-5;

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    let largest = hall.options.batch.iter().copied().max().context("no batch to measure")?;
    let rivals = hall.rivals(&RIVALS);
    let count = if hall.options.quick { 1 } else { usize::MAX };
    let batches = if hall.options.quick { &[1][..] } else { &hall.options.batch[..] };
    for name in hall.options.model.iter().take(count) {
        let (path, case) = obtain(hall, name, largest)?;
        if !rivals.is_empty() {
            check_rivals(hall, &path)?;
        }
        eprintln!("{name}: comparing every spike with the reference in 64-bit floats");
        let recording = Recording::new(&case, largest)?;
        let mut found = BTreeMap::new();
        for &precision in &hall.options.precision {
            let (ours, _) = agreement(&Packed::new(precision), &case, &recording)?;
            found.insert(entry_name(precision), ours);
        }
        for &threads in &hall.options.threads {
            for &batch in batches {
                let title = format!("{name}, batch {batch}, {threads} threads");
                let run = Run { title, point: None, batch, threads };
                contest(hall, &path, &recording, &found, &rivals, run)?;
            }
        }
    }
    Ok(())
}

/// The case of a name: from the folder of results if it is there, else drawn.
fn obtain(hall: &Hall<'_>, name: &str, images: usize) -> Result<(PathBuf, Case)> {
    let path = hall.options.out.join(name).with_extension("safetensors");
    if let Ok(case) = Case::load(&path)
        && case.name == name
        && case.input.shape()[0] >= images
    {
        return Ok((path, case));
    }
    eprintln!("{name}: drawing weights");
    let draw = Draw { images: images.max(Draw::default().images), ..Draw::default() };
    let case = Case::draw(name, config(name, 4)?, draw)?;
    case.save(&path)?;
    Ok((path, case))
}

/// The network that the rivals build must be ours: then what they differ by in
/// 32-bit floats is rounding.
fn check_rivals(hall: &Hall<'_>, case: &std::path::Path) -> Result<()> {
    let mut check = hall.python("check")?;
    let output = check.arg("--case").arg(case).output().context("cannot start Python")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let Some(difference) = said.trim().parse::<f64>().ok().filter(|_| output.status.success())
    else {
        let error = String::from_utf8_lossy(&output.stderr);
        let reason = error.lines().rev().find(|line| !line.trim().is_empty());
        bail!("the rivals cannot be checked: {}", reason.unwrap_or("no reason given"));
    };
    if difference.is_nan() || difference > SAME_NETWORK {
        bail!(
            "the network of the rivals is not ours: logits in 64-bit floats differ by {difference}"
        );
    }
    Ok(())
}

/// What a contest is called and how it runs.
pub(super) struct Run {
    pub(super) title: String,
    pub(super) point: Option<Point>,
    pub(super) batch: usize,
    pub(super) threads: usize,
}

/// Holds a contest between the rivals and every precision in `spikes`.
pub(super) fn contest(
    hall: &mut Hall<'_>,
    case: &std::path::Path,
    recording: &Recording,
    spikes: &BTreeMap<String, Agreement>,
    rivals: &[Rival],
    Run { title, point, batch, threads }: Run,
) -> Result<()> {
    let text = |path: &std::path::Path| path.display().to_string();
    let shared = [
        ("--case", text(case)),
        ("--batch", batch.to_string()),
        ("--threads", threads.to_string()),
    ];
    let onnx = hall.folder.join("network.onnx");
    if rivals.iter().any(|rival| rival.reads_onnx()) {
        let mut export = hall.python("export")?;
        export.args(shared.iter().flat_map(|(name, value)| [*name, value]));
        let output = export.arg("--onnx").arg(&onnx).output().context("cannot start Python")?;
        if !output.status.success() {
            bail!("the network cannot be exported: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let mut entries = Vec::new();
    for &rival in rivals {
        let onnx = [("--onnx", text(&onnx))];
        entries.push(hall.rival(rival, "models", &[&shared[..], &onnx].concat())?);
    }
    let compared = |precision: &Precision| spikes.contains_key(&entry_name(*precision));
    for precision in Precision::ALL.into_iter().filter(compared) {
        let precision = [("--precision", precision.name().to_owned())];
        entries.push(hall.ours(&precision[0].1, "models", &[&shared[..], &precision].concat())?);
    }
    let classes = recording.logits.shape()[1];
    let expected: Vec<f64> = recording.logits.iter().copied().take(batch * classes).collect();
    let conditions = vec![
        format!(
            "{:.2} billion multiply-accumulates an image, were it dense",
            recording.macs() / 1e9
        ),
        format!("{:.1} % of neurons fire in a step", 100.0 * recording.rate()),
        format!(
            "{:.0} % of the multiply-accumulates have an input that is not zero",
            100.0 * recording.busy()
        ),
    ];
    let contest = Contest {
        title,
        conditions,
        unit: "ms per image",
        per_second: 1e3 / batch as f64,
        point,
        kernel: None,
        measured: Vec::new(),
    };
    hall.hold_contest(contest, entries, &|who, found| judge(&expected, found, spikes.get(who)))
}

/// What tables call the engine in a precision.
pub(super) fn entry_name(precision: Precision) -> String {
    format!("snn {}", precision.name())
}

fn judge(expected: &[f64], found: &[f32], spikes: Option<&Agreement>) -> Verdict {
    if found.len() != expected.len() {
        let text = format!("{} logits, expected {}", found.len(), expected.len());
        return Verdict { accepted: false, text, spikes: None };
    }
    let square = |f: &dyn Fn(f64, f64) -> f64| {
        let pairs = expected.iter().zip(found).map(|(&e, &f)| (e, f64::from(f)));
        (pairs.map(|(e, found)| f(e, found).powi(2)).sum::<f64>() / expected.len() as f64).sqrt()
    };
    let mean = expected.iter().sum::<f64>() / expected.len() as f64;
    let near = square(&|e, found| e - found) / square(&|e, _| e - mean);
    let pairs = expected.iter().zip(found);
    let greatest = pairs.map(|(e, &f)| (e - f64::from(f)).abs()).fold(0.0, f64::max);
    let mut text = format!("logits within {greatest:.1e}");
    match spikes {
        None => {}
        Some(Agreement { flipped: 0, compared, .. }) => {
            text += &format!(", none of {compared} spikes flipped");
        }
        Some(Agreement { flipped, compared, .. }) => {
            let share = 100.0 * *flipped as f64 / *compared as f64;
            text += &format!(", {share:.2} % of spikes flipped");
        }
    }
    Verdict { accepted: near <= NEAR, text, spikes: spikes.cloned() }
}
