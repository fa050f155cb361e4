//! Spikes of one sample: a panel for each layer, neurons downwards, time to the right.

use super::data::{LayerSpikes, SpikeRaster};
use super::element::Element;
use super::format::{grouped, percent};
use super::picture::sample_figure;
use super::svg::{drawing, line, rect, text};
use super::table::{folded, label};

/// Layers that are shown at once; a click unfolds the others.
const SHOWN: usize = 21;

/// Height of the bars under a panel that count spikes per time step.
const BARS: f64 = 26.0;

pub(super) fn section(raster: &SpikeRaster) -> Vec<Element> {
    let layers: Vec<&LayerSpikes> = raster
        .layers
        .iter()
        .filter(|layer| layer.spikes.iter().any(|row| !row.is_empty()))
        .collect();
    if layers.is_empty() {
        return Vec::new();
    }
    let many = |layers: &[&LayerSpikes]| {
        Element::new("div").class("many").children(layers.iter().map(|layer| panel(layer)))
    };
    let (first, others) = layers.split_at(layers.len().min(SHOWN));
    let figure = sample_figure(&raster.sample, "raster-sample");
    let mut parts = vec![Element::new("div").class("panels").child(figure).child(many(first))];
    if !others.is_empty() {
        parts.push(folded(&format!("{} more layers", others.len()), false, many(others)));
    }
    parts
}

fn panel(layer: &LayerSpikes) -> Element {
    let shown = layer.spikes.len();
    let of = if layer.neurons > shown {
        format!("{} of {} neurons", grouped(shown as u64), grouped(layer.neurons as u64))
    } else {
        format!("{} neurons", grouped(shown as u64))
    };
    let caption =
        Element::new("figcaption").child(label(&layer.name)).child(Element::new("small").text(of));
    Element::new("figure").child(draw(layer)).child(caption)
}

fn draw(layer: &LayerSpikes) -> Element {
    let rows = layer.spikes.len() as f64;
    let steps = layer.spikes.iter().map(Vec::len).max().unwrap_or(0);
    let height = (2.0 * rows).clamp(64.0, 288.0);
    let step = (112.0 / steps as f64).clamp(2.0, 28.0);
    let width = step * steps as f64;
    let cell = height / rows;
    let mark = (cell - 1.0).max(cell / 2.0); // neighbours must not run together

    let mut ones = String::new();
    let mut more = String::new(); // integer neurons: several spikes in a step
    for (n, row) in layer.spikes.iter().enumerate() {
        let y = n as f64 * cell + mark / 2.0;
        for (t, &spikes) in row.iter().enumerate().filter(|(_, s)| **s > 0) {
            let d = if spikes == 1 { &mut ones } else { &mut more };
            *d += &format!("M{:.1} {y:.2}h{:.1}", t as f64 * step + step * 0.08, step * 0.84);
        }
    }
    let marks = |class: &str, d: String| {
        Element::new("path").class(class).set("stroke-width", mark).set("d", d)
    };
    let bottom = height + 6.0 + BARS;
    drawing(width.max(48.0), bottom + 14.0, &format!("spikes of {}", layer.name))
        .class("spikes")
        .child(rect(0.0, 0.0, width, height).class("ground"))
        .child(marks("one", ones))
        .child(marks("more", more))
        .children(bars(layer, steps, step, height + 6.0))
        .child(line((0.0, bottom), (width, bottom)).class("axis"))
        .child(text(0.0, bottom + 12.0, "t = 1"))
        .children((steps > 1).then(|| text(width, bottom + 12.0, steps.to_string()).class("end")))
}

/// Share of the neurons that fire at each step.
fn bars(layer: &LayerSpikes, steps: usize, step: f64, top: f64) -> Vec<Element> {
    let fired: Vec<u64> = (0..steps)
        .map(|t| layer.spikes.iter().map(|row| u64::from(row.get(t).copied().unwrap_or(0))).sum())
        .collect();
    let most = fired.iter().copied().max().unwrap_or(0).max(1) as f64;
    let bar = |(t, &n): (usize, &u64)| {
        let height = BARS * n as f64 / most;
        let rate = percent(n as f64 / layer.spikes.len() as f64, 1);
        let tooltip = format!("time step {}: {} spikes, {rate}", t + 1, grouped(n));
        let seen = rect(t as f64 * step + step * 0.08, top + BARS - height, step * 0.84, height);
        let target = rect(t as f64 * step, 0.0, step, top + BARS).class("target").tooltip(tooltip);
        [seen.class("ac"), target]
    };
    fired.iter().enumerate().flat_map(bar).collect()
}
