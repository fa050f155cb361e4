//! The report of an ablation: studies whose variants differ in one thing, each run several times.

use super::element::Element;
use super::format::{duration, grouped, percent, si};
use super::page;
use super::scale::{Scale, Ticks, extent};
use super::svg::{curve, drawing, line, text};
use super::table::{name, number, row, table};

/// Studies of one network on one dataset.
#[derive(Clone, Debug)]
pub struct Ablation {
    /// What was studied, and on what.
    pub title: String,
    /// What the samples were split by.
    pub split: String,
    /// Preset that the variants started from.
    pub preset: String,
    /// Epochs of each run.
    pub epochs: usize,
    /// Runs of each variant.
    pub seeds: usize,
    /// Training samples.
    pub train_samples: usize,
    /// Test samples.
    pub test_samples: usize,
    /// Length of all runs together, as a clock on the wall saw it.
    pub seconds: f64,
    /// The studies.
    pub studies: Vec<StudyResult>,
}

/// Variants that differ in one thing.
#[derive(Clone, Debug)]
pub struct StudyResult {
    /// What it is.
    pub title: String,
    /// What it asks.
    pub lead: String,
    /// What came of each variant.
    pub variants: Vec<VariantResult>,
}

/// What came of one variant.
#[derive(Clone, Debug)]
pub struct VariantResult {
    /// What sets it apart.
    pub name: String,
    /// Of each seed.
    pub outcomes: Vec<Outcome>,
}

/// What came of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Share of test samples that are classified right after the last epoch.
    pub accuracy: f64,
    /// Spikes per neuron and time step.
    pub firing_rate: f64,
    /// Estimated energy of a sample, in pJ.
    pub energy_pj: f64,
    /// Accumulates of a sample.
    pub ac: f64,
    /// Multiply-accumulates of a sample.
    pub mac: f64,
    /// How often query and key of a token spike together, if any does.
    pub synchrony: Option<f64>,
}

/// Mean and standard deviation of several runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub mean: f64,
    pub deviation: f64,
}

impl Spread {
    /// The deviation of a share in percentage points; nothing of one run alone.
    pub(super) fn points(self) -> String {
        match 100.0 * self.deviation {
            points if points.is_finite() => format!("± {points:.2}"),
            _ => String::new(),
        }
    }
}

impl VariantResult {
    pub(super) fn spread(&self, value: impl Fn(&Outcome) -> f64) -> Spread {
        let values: Vec<f64> = self.outcomes.iter().map(value).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        // Of a sample; one run alone has no spread.
        let deviation = if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { f64::NAN };
        Spread { mean, deviation }
    }

    fn synchrony(&self) -> f64 {
        self.spread(|o| o.synchrony.unwrap_or(f64::NAN)).mean
    }
}

impl Ablation {
    /// The studies as plain lines.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for study in &self.studies {
            lines.push(format!("\n{}", study.title));
            for variant in &study.variants {
                let accuracy = variant.spread(|o| o.accuracy);
                let firing = variant.spread(|o| o.firing_rate).mean;
                let energy = variant.spread(|o| o.energy_pj).mean;
                lines.push(format!(
                    "  {:32}  {:5.2} {:6} %  firing {:4.1} %  energy {:7.3} uJ  sync {:>4}",
                    variant.name,
                    100.0 * accuracy.mean,
                    accuracy.points(),
                    100.0 * firing,
                    energy / 1e6,
                    match variant.synchrony() {
                        rate if rate.is_finite() => format!("{:4.1} %", 100.0 * rate),
                        _ => "none".into(),
                    },
                ));
            }
        }
        lines.join("\n")
    }

    pub(super) fn document(&self) -> String {
        let about = [
            format!("{} training samples", grouped(self.train_samples as u64)),
            format!("{} test samples", grouped(self.test_samples as u64)),
            format!("preset {}", self.preset),
            format!("{} epochs", self.epochs),
            match self.seeds {
                1 => "one run of each variant".into(),
                seeds => format!("{seeds} seeds"),
            },
            duration(self.seconds),
        ];
        let header = Element::new("header")
            .child(Element::new("p").class("eyebrow").text("Ablation"))
            .child(Element::new("h1").text(&*self.title))
            .child(Element::new("p").class("about").text(about.join(" · ")))
            .child(Element::new("p").class("about").text(format!("Split: {}", self.split)));
        let note = "Accuracy is that after the last epoch: mean and standard deviation over the \
                    seeds. Firing rates, operations and energy are those of the best epoch on the \
                    test samples; the energy is an estimate from counted operations (32-bit floats \
                    in 45 nm CMOS), not a measurement.";
        let links = self.studies.iter().enumerate().map(|(i, study)| {
            Element::new("a").set("href", format!("#study-{i}")).text(&*study.title)
        });
        let sections = self.studies.iter().enumerate().map(|(i, study)| {
            page::section(&format!("study-{i}"), &study.title, &study.lead, study.body())
        });
        let main = Element::new("main")
            .child(header)
            .child(Element::new("nav").set("aria-label", "Studies").children(links))
            .child(Element::new("p").class("note").text(note))
            .children(sections);
        page::html(&self.title, Element::new("body").child(super::svg::shared()).child(main))
    }
}

/// One number of a variant, drawn over the variants.
struct Plot {
    title: &'static str,
    value: fn(&Outcome) -> f64,
    /// Writes a value with its unit.
    show: fn(f64) -> String,
    /// What a value is multiplied by on the axis.
    unit: f64,
}

const PLOTS: [Plot; 3] = [
    Plot { title: "Accuracy, %", value: |o| o.accuracy, show: |x| percent(x, 2), unit: 100.0 },
    Plot {
        title: "Firing rate, %",
        value: |o| o.firing_rate,
        show: |x| percent(x, 1),
        unit: 100.0,
    },
    Plot { title: "Energy, µJ", value: |o| o.energy_pj, show: |x| si(x, -12, "J"), unit: 1e-6 },
];

const WIDTH: f64 = 400.0;
const LINE: f64 = 34.0;
const TOP: f64 = 8.0;

impl StudyResult {
    pub(super) fn body(&self) -> Vec<Element> {
        let plots = PLOTS.iter().filter_map(|plot| self.figure(plot));
        vec![Element::new("div").class("plots").children(plots), self.numbers()]
    }

    /// A dot for every run, and a line from one deviation below the mean to one above.
    fn figure(&self, plot: &Plot) -> Option<Element> {
        let all = self.variants.iter().flat_map(|v| v.outcomes.iter());
        let ticks = Ticks::covering(extent(all.map(|o| (plot.value)(o) * plot.unit))?, 4);
        let bottom = TOP + LINE * self.variants.len() as f64;
        let x = Scale::new(ticks.domain(), (10.0, WIDTH - 10.0));
        let mut svg = drawing(WIDTH, bottom + 22.0, plot.title);
        for &tick in &ticks.at {
            let at = x.at(tick);
            svg = svg
                .child(line((at, TOP), (at, bottom)).class("grid"))
                .child(text(at, bottom + 16.0, ticks.label(tick)).class("middle"));
        }
        for (i, variant) in self.variants.iter().enumerate() {
            let y = TOP + LINE * (i as f64 + 0.7);
            let Spread { mean, deviation } = variant.spread(plot.value);
            let at = |value: f64| x.at(value * plot.unit);
            let spread = if deviation.is_finite() { deviation } else { 0.0 };
            let ends = [(at(mean - spread), y), (at(mean + spread), y)];
            let dots = variant.outcomes.iter().map(|o| curve(&[(at((plot.value)(o)), y)]));
            let shown = format!("{}\n{}", variant.name, (plot.show)(mean));
            svg = svg
                .child(text(10.0, y - 8.0, &*variant.name))
                .child(Element::new("g").class("test").child(curve(&ends).tooltip(shown)))
                .child(Element::new("g").class("test dots").children(dots));
        }
        let caption = Element::new("figcaption").child(Element::new("strong").text(plot.title));
        Some(Element::new("figure").child(caption).child(svg))
    }

    fn numbers(&self) -> Element {
        let head = ["", "#accuracy", "#spread", "#firing", "#AC", "#MAC", "#energy", "#synchrony"];
        let rows = self.variants.iter().map(|variant| {
            let accuracy = variant.spread(|o| o.accuracy);
            let mean = |value: fn(&Outcome) -> f64| variant.spread(value).mean;
            row([
                name(&variant.name),
                number(percent(accuracy.mean, 2)),
                number(accuracy.points()),
                number(percent(mean(|o| o.firing_rate), 1)),
                number(si(mean(|o| o.ac), 0, "")),
                number(si(mean(|o| o.mac), 0, "")),
                number(si(mean(|o| o.energy_pj), -12, "J")),
                number(percent(variant.synchrony(), 1)),
            ])
        });
        table(&self.title, &head, rows)
    }
}
