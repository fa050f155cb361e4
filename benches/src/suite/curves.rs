//! How the time of an image depends on time steps, threads, batch, tokens and firing rate.

use std::collections::BTreeMap;

use anyhow::Result;
use snn_core::{Packed, packed::Precision};
use snn_models::Config;

use super::{
    Hall, Point, Rival,
    models::{Run, contest, entry_name},
};
use crate::{
    Case,
    agreement::{Recording, agreement},
    case::{Draw, config},
};

/// Small, so that all points take minutes.
const NAME: &str = "spikformer-2-256";
const RIVALS: [Rival; 1] = [Rival::Openvino];
const PRECISIONS: [Precision; 2] = [Precision::Exact, Precision::I8];

/// What may change; the rest is as in [`USUAL`].
#[derive(Clone, Copy)]
struct Setting {
    steps: usize,
    threads: usize,
    batch: usize,
    side: usize,
    /// Of the BatchNorms: more of it, more spikes.
    shift: f64,
}

const USUAL: Setting = Setting { steps: 4, threads: 2, batch: 1, side: 32, shift: 0.6 };

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    let few = |all: &[usize]| match hall.options.quick {
        true => vec![all[0], all[all.len() - 1]],
        false => all.to_vec(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = [1, 2, 4, 8, 16].into_iter().filter(|&threads| threads <= cores);
    let threads: Vec<usize> = threads.collect();
    let settings: [(_, Vec<Setting>); 5] = [
        (
            "time steps",
            few(&[1, 2, 4, 8]).into_iter().map(|steps| Setting { steps, ..USUAL }).collect(),
        ),
        (
            "threads",
            few(&threads).into_iter().map(|threads| Setting { threads, ..USUAL }).collect(),
        ),
        (
            "images at once",
            few(&[1, 4, 16, 64]).into_iter().map(|batch| Setting { batch, ..USUAL }).collect(),
        ),
        (
            "tokens",
            few(&[16, 32, 64, 96]).into_iter().map(|side| Setting { side, ..USUAL }).collect(),
        ),
        (
            "firing rate, %",
            few(&[0, 1, 2, 3])
                .into_iter()
                .map(|i| Setting { shift: [-0.4, 0.0, 0.6, 1.0][i], ..USUAL })
                .collect(),
        ),
    ];
    let rivals = hall.rivals(&RIVALS);
    for (axis, settings) in settings {
        for setting in settings {
            point(hall, axis, setting, &rivals)?;
        }
    }
    Ok(())
}

fn point(
    hall: &mut Hall<'_>,
    axis: &'static str,
    setting: Setting,
    rivals: &[Rival],
) -> Result<()> {
    let Setting { steps, threads, batch, side, shift } = setting;
    let mut network = config(NAME, steps)?;
    if let Config::Spikformer(config) = &mut network {
        config.image = [side; 2];
    }
    let case = Case::draw(NAME, network, Draw { images: batch, shift, ..Draw::default() })?;
    let path = hall.folder.join("case.safetensors");
    case.save(&path)?;
    let recording = Recording::new(&case, batch)?;
    let mut found = BTreeMap::new();
    for precision in PRECISIONS {
        let (spikes, _) = agreement(&Packed::new(precision), &case, &recording)?;
        found.insert(entry_name(precision), spikes);
    }
    let rate = 100.0 * recording.rate();
    let at = match axis {
        "time steps" => steps as f64,
        "threads" => threads as f64,
        "images at once" => batch as f64,
        "tokens" => (side * side / 16) as f64,
        _ => rate.round(),
    };
    let title = format!(
        "{NAME}, {axis} {at}: T = {steps}, {threads} threads, batch {batch}, {side}x{side}, {rate:.0} % fire"
    );
    let point = Point { curve: format!("{NAME} by {axis}"), axis, at };
    contest(
        hall,
        &path,
        &recording,
        &found,
        rivals,
        Run { title, point: Some(point), batch, threads },
    )
}
