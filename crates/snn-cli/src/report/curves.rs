//! What was measured after each epoch: curves, and the same numbers as a table.

use super::data::Epoch;
use super::element::Element;
use super::format::{duration, fixed, percent};
use super::scale::{Scale, Ticks, extent};
use super::svg::{curve, drawing, line, rect, text};
use super::table::{folded, number, row, table};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
/// Left, right, top and bottom edge of the plotted area.
const AREA: [f64; 4] = [44.0, WIDTH - 10.0, 10.0, HEIGHT - 38.0];

/// More epochs than this share tooltips: thinner targets cannot be hit.
const TARGETS: usize = 400;

/// So few epochs get a dot each, and a table that is open.
const FEW: usize = 12;

/// One plot: lines over the epochs.
struct Plot {
    title: &'static str,
    lines: &'static [Line],
    /// Writes a value with its unit.
    show: fn(f64) -> String,
    /// What a value is multiplied by on the axis.
    unit: f64,
    /// What is marked where the test accuracy is best.
    mark: Option<fn(&Epoch) -> f64>,
}

struct Line {
    name: &'static str,
    class: &'static str,
    value: fn(&Epoch) -> f64,
}

const PLOTS: [Plot; 3] = [
    Plot {
        title: "Accuracy, %",
        lines: &[
            Line { name: "training", class: "training", value: |e| e.train_accuracy },
            Line { name: "test", class: "test", value: |e| e.test_accuracy },
        ],
        show: |x| percent(x, 2),
        unit: 100.0,
        mark: Some(|e| e.test_accuracy),
    },
    Plot {
        title: "Loss",
        lines: &[
            Line { name: "training", class: "training", value: |e| e.train_loss },
            Line { name: "test", class: "test", value: |e| e.test_loss },
        ],
        show: |x| fixed(x, 4),
        unit: 1.0,
        mark: None,
    },
    Plot {
        title: "Firing rate, %",
        lines: &[Line { name: "test", class: "test", value: |e| e.firing_rate }],
        show: |x| percent(x, 2),
        unit: 100.0,
        mark: None,
    },
];

pub(super) fn section(epochs: &[Epoch]) -> Vec<Element> {
    if epochs.is_empty() {
        return Vec::new();
    }
    let plots = PLOTS.iter().filter_map(|plot| figure(plot, epochs));
    vec![
        Element::new("div").class("plots").children(plots),
        folded(
            &format!("Numbers of {}", if epochs.len() == 1 { "the epoch" } else { "every epoch" }),
            epochs.len() <= FEW,
            numbers(epochs),
        ),
    ]
}

/// The first epoch of the greatest test accuracy.
pub(super) fn best(epochs: &[Epoch]) -> Option<&Epoch> {
    let measured = epochs.iter().filter(|e| e.test_accuracy.is_finite());
    measured.reduce(|best, e| if e.test_accuracy > best.test_accuracy { e } else { best })
}

/// A plot with its legend; none if nothing was measured.
fn figure(plot: &Plot, epochs: &[Epoch]) -> Option<Element> {
    let values = plot.lines.iter().flat_map(|l| epochs.iter().map(|e| (l.value)(e) * plot.unit));
    let range = extent(values)?;
    let keys = plot.lines.iter().map(|line| {
        let class = format!("key {}", line.class);
        Element::new("span").class(&class).text(line.name)
    });
    let mark = plot.mark.map(|_| Element::new("span").class("key mark").text("best"));
    let caption = Element::new("figcaption")
        .child(Element::new("strong").text(plot.title))
        .children(keys)
        .children(mark);
    Some(Element::new("figure").child(caption).child(draw(plot, epochs, range)))
}

fn draw(plot: &Plot, epochs: &[Epoch], range: (f64, f64)) -> Element {
    let [left, right, top, bottom] = AREA;
    let ticks = Ticks::covering(range, 5);
    let xs = extent(epochs.iter().map(|e| e.epoch as f64)).unwrap_or_default();
    let x = Scale::new(xs, (left + 6.0, right - 6.0));
    let y = Scale::new(ticks.domain(), (bottom, top));

    let mut svg = drawing(WIDTH, HEIGHT, &format!("{} over the epochs", plot.title));
    for &tick in &ticks.at {
        let at = y.at(tick);
        svg = svg
            .child(line((left, at), (right, at)).class("grid"))
            .child(text(left - 7.0, at + 4.0, ticks.label(tick)).class("end"));
    }
    for tick in whole_ticks(xs) {
        let at = x.at(tick);
        svg = svg
            .child(line((at, bottom), (at, bottom + 4.0)).class("axis"))
            .child(text(at, bottom + 18.0, fixed(tick, 0)).class("middle"));
    }
    svg = svg
        .child(line((left, bottom), (right, bottom)).class("axis"))
        .child(text((left + right) / 2.0, HEIGHT - 3.0, "epoch").class("middle"));
    for line in plot.lines {
        let points: Vec<(f64, f64)> = epochs
            .iter()
            .map(|e| (x.at(e.epoch as f64), y.at((line.value)(e) * plot.unit)))
            .collect();
        let dots = points.iter().filter(|_| epochs.len() <= FEW).map(|&dot| curve(&[dot]));
        svg = svg
            .child(Element::new("g").class(line.class).child(curve(&points)))
            .child(Element::new("g").class(&format!("{} dots", line.class)).children(dots));
    }
    if let Some((best, mark)) = best(epochs).zip(plot.mark) {
        let at = (x.at(best.epoch as f64), y.at(mark(best) * plot.unit));
        svg = svg.child(Element::new("g").class("mark").child(curve(&[at])));
    }
    svg.children(targets(plot, epochs, xs, x))
}

/// Unseen bars over the plot whose tooltips tell the values of an epoch.
fn targets(plot: &Plot, epochs: &[Epoch], xs: (f64, f64), x: Scale) -> Vec<Element> {
    let [left, right, top, bottom] = AREA;
    let stride = epochs.len().div_ceil(TARGETS).max(1);
    let width = match epochs.len() {
        1 => right - left,
        _ => x.at(xs.0 + stride as f64) - x.at(xs.0),
    };
    let target = |e: &Epoch| {
        let mut tooltip = format!("epoch {}", e.epoch);
        for line in plot.lines {
            tooltip += &format!("\n{} {}", line.name, (plot.show)((line.value)(e)));
        }
        let middle = x.at(e.epoch as f64);
        let (from, to) = ((middle - width / 2.0).max(left), (middle + width / 2.0).min(right));
        rect(from, top, to - from, bottom - top).class("target").tooltip(tooltip)
    };
    epochs.iter().step_by(stride).map(target).collect()
}

/// Whole numbers inside an interval that suit an axis.
fn whole_ticks((lo, hi): (f64, f64)) -> Vec<f64> {
    let inside = |x: &f64| (lo..=hi).contains(x) && x.fract() == 0.0;
    if lo == hi {
        vec![lo]
    } else {
        Ticks::covering((lo, hi), 6).at.into_iter().filter(inside).collect()
    }
}

fn numbers(epochs: &[Epoch]) -> Element {
    let head = [
        "#Epoch",
        "#Training loss",
        "#Training accuracy",
        "#Test loss",
        "#Test accuracy",
        "#Firing rate",
        "#Images/s",
        "#Time",
    ];
    let best = best(epochs).map(|e| e.epoch);
    let rows = epochs.iter().map(|e| {
        let row = row([
            number(e.epoch.to_string()),
            number(fixed(e.train_loss, 4)),
            number(percent(e.train_accuracy, 2)),
            number(fixed(e.test_loss, 4)),
            number(percent(e.test_accuracy, 2)),
            number(percent(e.firing_rate, 2)),
            number(fixed(e.images_per_s, 1)),
            number(duration(e.seconds)),
        ]);
        if best == Some(e.epoch) {
            row.class("best").set("title", "best test accuracy")
        } else {
            row
        }
    });
    table("Measurements of each epoch", &head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_have_whole_ticks() {
        assert_eq!(whole_ticks((7.0, 7.0)), [7.0]);
        assert_eq!(whole_ticks((1.0, 3.0)), [1.0, 2.0, 3.0]);
        assert_eq!(whole_ticks((1.0, 400.0)), [100.0, 200.0, 300.0, 400.0]);
    }
}
