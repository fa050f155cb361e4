//! The page: head, summary, and the sections that have data.

use super::data::Report;
use super::element::Element;
use super::{attention, conditions, confusion, curves, energy, raster, rates, style, summary, svg};

/// A section of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    /// How to read it.
    lead: &'static str,
    body: Vec<Element>,
}

/// The whole document, with a line break at its end.
pub(super) fn document(report: &Report) -> String {
    html(&summary::title(&report.run), body(report))
}

/// A document of this title and `body`.
pub(super) fn html(title: &str, body: Element) -> String {
    let html = Element::new("html").set("lang", "en").child(head(title)).child(body);
    format!("<!DOCTYPE html>\n{html}\n")
}

fn head(title: &str) -> Element {
    let meta = |name: &'static str, content: &str| {
        Element::new("meta").set("name", name).set("content", content)
    };
    Element::new("head")
        .child(Element::new("meta").set("charset", "utf-8"))
        .child(
            // The browser is told, too, that nothing is to be fetched.
            Element::new("meta")
                .set("http-equiv", "Content-Security-Policy")
                .set("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
        )
        .child(meta("viewport", "width=device-width, initial-scale=1"))
        .child(meta("color-scheme", "light dark"))
        .child(Element::new("title").text(title))
        .child(Element::new("style").text(style::sheet()))
}

fn body(report: &Report) -> Element {
    let sections = sections(report);
    let links = sections.iter().map(|section| {
        Element::new("a").set("href", format!("#{}", section.id)).text(section.title)
    });
    let nav = (sections.len() > 1)
        .then(|| Element::new("nav").set("aria-label", "Sections").children(links));
    let main = Element::new("main")
        .child(summary::header(&report.run))
        .children(summary::tiles(report))
        .children(nav)
        .children(sections.into_iter().map(show));
    Element::new("body").child(svg::shared()).child(main)
}

fn show(Section { id, title, lead, body }: Section) -> Element {
    section(id, title, lead, body)
}

/// A part of the page under a heading; `lead` says how to read it.
pub(super) fn section(id: &str, title: &str, lead: &str, body: Vec<Element>) -> Element {
    Element::new("section")
        .set("id", id)
        .child(Element::new("h2").text(title))
        .child(Element::new("p").class("lead").text(lead))
        .children(body)
}

fn sections(report: &Report) -> Vec<Section> {
    let sections = [
        Section {
            id: "curves",
            title: "Accuracy and loss",
            lead: "After each epoch. Training numbers are taken while the weights still move, and \
                   under augmentation if there is any.",
            body: curves::section(&report.epochs),
        },
        Section {
            id: "confusion",
            title: "Confusion matrix",
            lead: "Each row is a true class and adds up to 100 %; the diagonal is right.",
            body: report.confusion.as_ref().map(confusion::section).unwrap_or_default(),
        },
        Section {
            id: "rates",
            title: "Firing rates",
            lead: "Spikes per neuron at each time step, layers in the order of the network. \
                   A neuron that counts several spikes in a step may exceed 100 %.",
            body: report.firing_rates.as_ref().map(rates::section).unwrap_or_default(),
        },
        Section {
            id: "raster",
            title: "Spikes of one sample",
            lead: "One line a neuron, time from left to right; the bars below count the spikes of \
                   a time step. Orange marks several spikes in one step.",
            body: report.raster.as_ref().map(raster::section).unwrap_or_default(),
        },
        Section {
            id: "attention",
            title: "Attention",
            lead: "What each position of the image receives, as a mean over queries, heads and \
                   time steps. Every map has its own scale, written below it.",
            body: attention::section(&report.attention),
        },
        Section {
            id: "energy",
            title: "Energy",
            lead: "An estimate from counted operations, not a measurement: accumulates (AC) where \
                   the input is spikes, multiply-accumulates (MAC) where it is not.",
            body: report.energy.as_ref().map(energy::section).unwrap_or_default(),
        },
        Section {
            id: "conditions",
            title: "Run it again",
            lead: "The exact command and the conditions that it ran under.",
            body: conditions::section(&report.run),
        },
    ];
    sections.into_iter().filter(|section| !section.body.is_empty()).collect()
}
