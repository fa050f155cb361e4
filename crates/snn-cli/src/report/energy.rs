//! What a pass over one image costs, layer by layer, beside the same network without spikes.

use super::data::{Energy, LayerEnergy};
use super::element::Element;
use super::format::{count, fixed, grouped, percent, prefix, scaled, si, times};
use super::scale::extent;
use super::svg::{rect, strip};
use super::table::{name, number, row, table, words};

/// Powers of ten of the units: operations are counted, energies are in pJ.
const ONE: i32 = 0;
const PICO: i32 = -12;

pub(super) fn section(energy: &Energy) -> Vec<Element> {
    if energy.layers.is_empty() {
        return Vec::new();
    }
    let mut parts = vec![totals(energy), layers(energy)];
    if !energy.excluded.is_empty() {
        let phrases = energy.excluded.iter().map(|phrase| Element::new("li").text(phrase));
        parts.push(Element::new("h3").text("Left out of every number here"));
        parts.push(Element::new("ul").class("chips").children(phrases));
    }
    parts.push(Element::new("p").class("note").text(basis(energy)));
    parts
}

/// Energy for one image in pJ: with spikes, and as an ANN.
pub(super) fn total(energy: &Energy) -> (f64, f64) {
    let layers = energy.layers.iter();
    layers.fold((0.0, 0.0), |(spiking, dense), layer| {
        (spiking + energy.spiking_pj(layer), dense + energy.dense_pj(layer))
    })
}

/// How the energies were reckoned.
fn basis(energy: &Energy) -> String {
    let mut text = format!(
        "Energy = AC × {} pJ + MAC × {} pJ, for one image over all time steps. The ANN does each \
         dense operation once, as a MAC.",
        energy.costs.ac_pj, energy.costs.mac_pj
    );
    if !energy.source.is_empty() {
        text += &format!(" Costs of an operation: {}.", energy.source);
    }
    if energy.samples > 0 {
        text += &format!(" Operations are means over {} samples.", grouped(energy.samples as u64));
    }
    text
}

/// Two bars: the whole network with spikes, and as an ANN.
fn totals(energy: &Energy) -> Element {
    let sum = |value: fn(&LayerEnergy) -> f64| energy.layers.iter().map(value).sum::<f64>();
    let (ac, mac) = (sum(|l| l.ac) * energy.costs.ac_pj, sum(|l| l.mac) * energy.costs.mac_pj);
    let (spiking, dense) = total(energy);
    let most = extent([spiking, dense]).map_or(0.0, |(_, hi)| hi);
    let line = |title: &str, parts: &[(&str, &str, f64)], value: f64| {
        let keys = parts.iter().map(|&(name, class, pj)| {
            let class = format!("key block {class}");
            Element::new("span").class(&class).text(format!("{name} {}", si(pj, PICO, "J")))
        });
        let exact = value.is_finite().then(|| format!("{}\u{202f}pJ", count(value)));
        let heading = Element::new("div")
            .child(Element::new("strong").text(title))
            .child(Element::new("span").class("value").text(si(value, PICO, "J")))
            .children(exact.map(|pj| Element::new("small").text(pj)));
        Element::new("div")
            .class("total")
            .child(heading)
            .child(bar(title, 18.0, parts, most))
            .child(Element::new("div").class("keys").children(keys))
    };
    Element::new("div")
        .class("totals")
        .child(line("With spikes", &[("AC", "ac", ac), ("MAC", "mac", mac)], spiking))
        .child(line("As an ANN", &[("MAC", "ann", dense)], dense))
}

/// Parts of a sum, one after another; `most` fills the strip.
fn bar(title: &str, height: f64, parts: &[(&str, &str, f64)], most: f64) -> Element {
    let mut x = 0.0;
    let mut svg = strip(height, title);
    for &(name, class, value) in parts.iter().filter(|part| part.2 > 0.0 && most > 0.0) {
        let width = 100.0 * value / most;
        let tooltip = format!("{title}: {name} {}", si(value, PICO, "J"));
        svg = svg.child(rect(x, 0.0, width, height).class(class).tooltip(tooltip));
        x += width;
    }
    svg
}

fn layers(energy: &Energy) -> Element {
    let most = |value: &dyn Fn(&LayerEnergy) -> f64| {
        extent(energy.layers.iter().map(value)).map_or(0.0, |(_, hi)| hi)
    };
    let costliest = most(&|l| energy.spiking_pj(l)).max(most(&|l| energy.dense_pj(l)));
    let busiest = most(&|l| l.ac).max(most(&|l| l.mac)).max(most(&|l| l.dense));
    // A column has one unit, so that its numbers can be compared and copied.
    let (operations, joules) = (prefix(busiest, ONE), prefix(costliest, PICO));

    let cell = |x: f64, base: i32, power: i32, unit: &str| {
        number(fixed(scaled(x, base, power), 3)).set("title", format!("{} {unit}", count(x)))
    };
    let ops = |x: f64| cell(x, ONE, operations.1, "operations");
    let joule = |x: f64| cell(x, PICO, joules.1, "pJ");
    let numbers = |ac: f64, mac: f64, dense: f64, spiking: f64, ann: f64| {
        [ops(ac), ops(mac), ops(dense), joule(spiking), joule(ann), number(times(ann, spiking))]
    };
    let rows = energy.layers.iter().map(|layer| {
        let (spiking, ann) = (energy.spiking_pj(layer), energy.dense_pj(layer));
        let about = [
            name(&layer.name),
            Element::new("td").class("bar").child(pair(energy, layer, costliest)),
            words(&layer.kind),
            number(percent(layer.input_density, 1)),
        ];
        row(about.into_iter().chain(numbers(layer.ac, layer.mac, layer.dense, spiking, ann)))
    });
    let sum = |value: fn(&LayerEnergy) -> f64| energy.layers.iter().map(value).sum::<f64>();
    let (spiking, ann) = total(energy);
    let total = [name("all layers"), words(""), words(""), words("")].into_iter().chain(numbers(
        sum(|l| l.ac),
        sum(|l| l.mac),
        sum(|l| l.dense),
        spiking,
        ann,
    ));
    let rows = rows.chain([row(total).class("sum")]);

    let head = |what: &str, unit: &str| {
        if unit.is_empty() { format!("#{what}") } else { format!("#{what},\u{a0}{unit}") }
    };
    let joule = format!("{}J", joules.0);
    let head = [
        "Layer".into(),
        "Spikes above, ANN below".into(),
        "Kind".into(),
        "#Input density".into(),
        head("AC", operations.0),
        head("MAC", operations.0),
        head("Dense", operations.0),
        head("Energy", &joule),
        head("ANN", &joule),
        "#ANN / energy".into(),
    ];
    table("Energy of each layer", &head.each_ref().map(String::as_str), rows)
}

/// A layer's bar above that of its ANN.
fn pair(energy: &Energy, layer: &LayerEnergy, most: f64) -> Element {
    let (ac, mac) = (layer.ac * energy.costs.ac_pj, layer.mac * energy.costs.mac_pj);
    let dense = energy.dense_pj(layer);
    Element::new("div")
        .class("pair")
        .child(bar(&layer.name, 8.0, &[("AC", "ac", ac), ("MAC", "mac", mac)], most))
        .child(bar(&layer.name, 5.0, &[("as an ANN", "ann", dense)], most))
}
