//! What a reader wants to know first.

use std::cmp::Ordering;

use super::confusion::accuracy;
use super::curves::best;
use super::data::{Report, Run};
use super::element::Element;
use super::energy::total;
use super::format::{duration, grouped, percent, si, times};
use super::rates::overall;
use super::table::label;

/// Names of what was run, for the title of the page too.
pub(super) fn title(run: &Run) -> String {
    let system = [run.system.as_str(), run.preset.as_str()];
    let system = system.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ");
    let system = if system.is_empty() { "Run".into() } else { system };
    if run.dataset.is_empty() { system } else { format!("{system} on {}", run.dataset) }
}

pub(super) fn header(run: &Run) -> Element {
    let mut eyebrow = "Run report".to_owned();
    if let Some(date) = &run.date {
        eyebrow += &format!(" · {date}");
    }
    let samples =
        |n: usize, what: &str| (n > 0).then(|| format!("{} {what} samples", grouped(n as u64)));
    let about = [
        samples(run.train_samples, "training"),
        samples(run.test_samples, "test"),
        (run.time_steps > 0).then(|| format!("T\u{a0}=\u{a0}{}", run.time_steps)),
        Some(format!("seed {}", run.seed)),
    ];
    let about: Vec<String> = about.into_iter().flatten().collect();
    Element::new("header")
        .child(Element::new("p").class("eyebrow").text(eyebrow))
        .child(heading(run))
        .child(Element::new("p").class("about").text(about.join(" · ")))
}

fn heading(run: &Run) -> Element {
    let mut heading = Element::new("h1");
    if run.system.is_empty() && run.preset.is_empty() {
        heading = heading.text("Run");
    }
    if !run.system.is_empty() {
        heading = heading.child(label(&run.system));
    }
    if !run.preset.is_empty() {
        heading =
            heading.text(" ").child(Element::new("span").class("soft").child(label(&run.preset)));
    }
    if !run.dataset.is_empty() {
        heading = heading
            .child(Element::new("span").class("soft").text(" on "))
            .child(label(&run.dataset));
    }
    heading
}

/// The numbers; none that was not measured.
pub(super) fn tiles(report: &Report) -> Option<Element> {
    let tiles = [
        test_accuracy(report),
        firing_rate(report),
        energy(report),
        parameters(report),
        time(report),
    ];
    let tiles: Vec<Element> = tiles.into_iter().flatten().collect();
    (!tiles.is_empty()).then(|| Element::new("dl").class("tiles").children(tiles))
}

fn tile(title: &str, value: String, about: &str) -> Element {
    let tile = Element::new("div")
        .child(Element::new("dt").text(title))
        .child(Element::new("dd").class("big").text(value));
    if about.is_empty() { tile } else { tile.child(Element::new("dd").text(about)) }
}

fn test_accuracy(report: &Report) -> Option<Element> {
    let (last, about) = match (best(&report.epochs), report.epochs.last()) {
        (Some(best), Some(last)) => {
            let share = percent(best.test_accuracy, 2);
            let best = format!("best {share}, after epoch {}", best.epoch);
            (last.test_accuracy, format!("after the last epoch; {best}"))
        }
        _ => (report.confusion.as_ref().and_then(accuracy)?, String::new()),
    };
    Some(tile("Test accuracy", percent(last, 2), &about))
}

fn firing_rate(report: &Report) -> Option<Element> {
    let last = report.epochs.iter().rev().map(|e| e.firing_rate).find(|rate| rate.is_finite());
    let rate = last.or_else(|| report.firing_rates.as_ref().map(overall))?;
    let about = "spikes per neuron and time step, over all spiking layers";
    rate.is_finite().then(|| tile("Firing rate", percent(rate, 1), about))
}

fn energy(report: &Report) -> Option<Element> {
    let energy = report.energy.as_ref().filter(|e| !e.layers.is_empty())?;
    let (spiking, dense) = total(energy);
    let ratio = match spiking.partial_cmp(&dense) {
        Some(Ordering::Greater) => format!("{} more than", times(spiking, dense)),
        Some(_) => format!("{} less than", times(dense, spiking)),
        None => "beside".into(),
    };
    let about =
        format!("for one image, {ratio} the same network as an ANN ({})", si(dense, -12, "J"));
    Some(tile("Energy", si(spiking, -12, "J"), &about))
}

fn parameters(report: &Report) -> Option<Element> {
    let n = report.run.parameters;
    let exact = if n < 1000 { String::new() } else { format!("{} trainable", grouped(n)) };
    (n > 0).then(|| tile("Parameters", si(n as f64, 0, ""), &exact))
}

fn time(report: &Report) -> Option<Element> {
    let epochs = &report.epochs;
    let seconds: f64 = epochs.iter().map(|e| e.seconds).filter(|s| s.is_finite()).sum();
    let count = match epochs.len() {
        1 => "1 epoch".to_owned(),
        n => format!("{} epochs", grouped(n as u64)),
    };
    let speed = super::scale::mean(&epochs.iter().map(|e| e.images_per_s).collect::<Vec<_>>());
    let about = if speed.is_finite() { format!("{count}, {speed:.0} images/s") } else { count };
    (seconds > 0.0).then(|| tile("Training time", duration(seconds), &about))
}
