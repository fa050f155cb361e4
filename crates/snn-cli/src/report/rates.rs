//! Firing rate of each layer at each time step: a table whose cells are coloured.

use super::data::{FiringRates, LayerRates};
use super::element::Element;
use super::format::{fixed, grouped, percent};
use super::scale::{Ramp, extent, level, mean};
use super::svg::{legend, rect, strip};
use super::table::{label, name, row, scroll};

/// Time steps from which cells are narrow.
const WIDE: usize = 16;

pub(super) fn section(rates: &FiringRates) -> Vec<Element> {
    let steps = rates.layers.iter().map(|l| l.rates.len()).max().unwrap_or(0);
    let Some((_, hi)) = extent(rates.layers.iter().flat_map(|l| l.rates.iter().copied())) else {
        return Vec::new();
    };
    let mut about =
        Element::new("p").class("keys").child(legend(Ramp::Amount, "0", &percent(hi, 1)));
    if rates.samples > 0 {
        about = about.child(
            Element::new("span").text(format!("mean of {} samples", grouped(rates.samples as u64))),
        );
    }
    let table = scroll("Firing rates", heatmap(rates, steps, hi));
    let mut parts = vec![about, table];
    let silent: Vec<&LayerRates> = rates.layers.iter().filter(|l| is_silent(l)).collect();
    if !silent.is_empty() {
        let names = silent.iter().map(|layer| Element::new("li").child(label(&layer.name)));
        parts.push(Element::new("p").class("fact").text("Layers that never fire:"));
        parts.push(Element::new("ul").class("chips").children(names));
    }
    parts
}

/// Mean over all layers and time steps; NaN without one.
pub(super) fn overall(rates: &FiringRates) -> f64 {
    mean(&rates.layers.iter().map(|layer| mean(&layer.rates)).collect::<Vec<_>>())
}

fn is_silent(layer: &LayerRates) -> bool {
    !layer.rates.is_empty() && layer.rates.iter().all(|&rate| rate == 0.0)
}

fn heatmap(rates: &FiringRates, steps: usize, hi: f64) -> Element {
    let number = |text: String| Element::new("th").set("scope", "col").class("number").text(text);
    let group = Element::new("th")
        .set("scope", "colgroup")
        .set("colspan", steps.max(1).to_string())
        .class("group")
        .text("firing rate at time step, %");
    let first = Element::new("th").set("scope", "col").set("rowspan", "2").text("Layer");
    let last = Element::new("th")
        .set("scope", "col")
        .set("rowspan", "2")
        .set("colspan", "2")
        .text("mean, %");
    let head = Element::new("thead")
        .child(row([first, group, last]))
        .child(row((1..=steps.max(1)).map(|t| number(t.to_string()))));
    let rows = rates.layers.iter().map(|layer| layer_row(layer, steps, hi));
    Element::new("table")
        .class(if steps > WIDE { "heat tight" } else { "heat" })
        .child(head)
        .child(Element::new("tbody").children(rows))
}

fn layer_row(layer: &LayerRates, steps: usize, hi: f64) -> Element {
    let cell = |t: usize| {
        let rate = layer.rates.get(t).copied().unwrap_or(f64::NAN);
        Element::new("td")
            .class(&Ramp::Amount.class(level(rate, (0.0, hi))))
            .set("title", format!("{}, time step {}: {}", layer.name, t + 1, percent(rate, 3)))
            .text(fixed(100.0 * rate, 1))
    };
    let mean = mean(&layer.rates);
    let width = if hi > 0.0 { 100.0 * mean / hi } else { 0.0 };
    let bar = strip(10.0, &percent(mean, 1)).child(rect(0.0, 0.0, width, 10.0).class("ac"));
    row([name(&layer.name)].into_iter().chain((0..steps).map(cell)).chain([
        Element::new("td").class("number").text(fixed(100.0 * mean, 1)),
        Element::new("td").class("bar").child(bar),
    ]))
}
