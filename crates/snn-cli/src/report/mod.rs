//! The report of a run: one HTML file that holds everything, opens offline and needs no script.
//!
//! A caller fills [`Report`] with what was measured and writes what [`render`] returns. Sections
//! without data are left out; a number that is not finite is shown as a dash. The same data gives
//! the same bytes: no clock, no random number and no hash order has a say.
//!
//! ```
//! use snn_cli::report::{Report, Run, render};
//!
//! let report = Report {
//!     run: Run { system: "Spikformer".into(), preset: "4-384".into(), ..Run::default() },
//!     ..Report::default()
//! };
//! let html = render(&report);
//! assert!(html.starts_with("<!DOCTYPE html>"));
//! assert!(html.contains("Spikformer"));
//! ```
//!
//! # Design
//! `data` holds the structs. Each section of the page is one file (`summary`, `curves`,
//! `confusion`, `rates`, `raster`, `attention`, `energy`, `conditions`) that turns its data into
//! elements; `page` puts them together. Words and numbers are HTML, which wraps; SVG draws marks.
//! Elements are built as a tree (`element`), so tags balance and text is escaped by construction.

mod ablation;
mod analog;
mod attention;
mod conditions;
mod confusion;
mod curves;
mod data;
mod element;
mod energy;
mod format;
mod page;
mod picture;
mod raster;
mod rates;
mod scale;
mod speed;
mod style;
mod summary;
mod svg;
mod table;
#[cfg(test)]
mod tests;

pub use ablation::{Ablation, Outcome, StudyResult, VariantResult};
pub use analog::{AnalogStudy, CodeAccount};
pub use data::{
    AttentionMap, AttentionSample, Confusion, Energy, Epoch, FiringRates, Image, LayerEnergy,
    LayerRates, LayerSpikes, Report, Run, Sample, SpikeRaster, Version,
};
pub use speed::{Roofline, Speed, SpeedCurve, SpeedTable};

/// The whole report as one HTML document, UTF-8, with inline CSS and SVG.
pub fn render(report: &Report) -> String {
    page::document(report)
}

/// The report of an ablation as one HTML document, likewise.
pub fn render_ablation(ablation: &Ablation) -> String {
    ablation.document()
}

/// The report of a benchmark as one HTML document, likewise.
pub fn render_speed(speed: &Speed) -> String {
    speed.document()
}

/// The report of a study of analog devices as one HTML document, likewise.
pub fn render_analog(study: &AnalogStudy) -> String {
    study.document()
}
