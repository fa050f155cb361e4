//! The report of a study of analog devices, with the account of what codes cost.

use snn_core::probe::{Code, CodeActivity, SpikeCosts};
use snn_models::matterhorn::Coding;

use super::ablation::StudyResult;
use super::element::Element;
use super::format::{fixed, grouped, percent, si};
use super::page;
use super::table::{name, number, row, table};

/// A trained network on analog devices of many kinds.
#[derive(Clone, Debug)]
pub struct AnalogStudy {
    /// What it was tested on.
    pub dataset: String,
    /// Texts of it.
    pub texts: usize,
    /// Draws of what is random.
    pub seeds: u64,
    /// How it codes.
    pub coding: Coding,
    /// What ran it.
    pub backend: String,
    /// With perfect devices, dead zone by dead zone.
    pub codes: Vec<CodeAccount>,
    /// With devices that are not.
    pub studies: Vec<StudyResult>,
}

/// What the codes of one dead zone cost and bring.
#[derive(Clone, Debug)]
pub struct CodeAccount {
    /// How far from the mask a level is still silent.
    pub dead_zone: u32,
    /// Share of test texts that are told right.
    pub accuracy: f64,
    /// Share of the inputs of coded layers that plain TTFS leaves silent.
    pub silent_first_spike: f64,
    /// Share that M-TTFS leaves silent.
    pub silent_masked: f64,
    /// For one token, in the order of [`Code::ALL`].
    pub activity: [CodeActivity; 3],
}

/// Where the energy is spent, with its name.
const SIDES: [(&str, SpikeCosts); 2] =
    [("digital", SpikeCosts::DIGITAL), ("analog", SpikeCosts::ANALOG)];

impl CodeAccount {
    fn energies(&self, costs: &SpikeCosts) -> [f64; 3] {
        self.activity.map(|activity| costs.energy_pj(&activity))
    }
}

impl AnalogStudy {
    /// All of it as plain lines.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("{} texts of {}, {}", self.texts, self.dataset, self.backend)];
        for account in &self.codes {
            lines.push(format!(
                "  k = {}  {:5.2} %  silent {:4.1} % (TTFS {:4.1} %)",
                account.dead_zone,
                100.0 * account.accuracy,
                100.0 * account.silent_masked,
                100.0 * account.silent_first_spike,
            ));
            for (side, costs) in SIDES {
                let energies = account.energies(&costs).map(|pj| pj / 1e6);
                let codes = Code::ALL.iter().zip(energies);
                let codes: Vec<String> =
                    codes.map(|(code, uj)| format!("{} {uj:.3}", code.name())).collect();
                lines.push(format!("         {side:7}  {} uJ a token", codes.join(", ")));
            }
        }
        lines.push(format!("  {}", constants()));
        for study in &self.studies {
            lines.push(format!("\n{}", study.title));
            lines.extend(study.variants.iter().map(|variant| {
                let accuracy = variant.spread(|o| o.accuracy);
                let (mean, points) = (100.0 * accuracy.mean, accuracy.points());
                let space = if points.is_empty() { "" } else { " " };
                format!("  {:30}  {mean:5.2}{space}{points} %", variant.name)
            }));
        }
        lines.join("\n")
    }

    pub(super) fn document(&self) -> String {
        let Coding { bits, weights, table_bits, .. } = &self.coding;
        let weights = match weights {
            Some(code) => format!("logarithmic weights of {} bits", code.bits()),
            None => "weights of 32 bits".into(),
        };
        let tables = table_bits.unwrap_or(32);
        let about = [
            format!("{} texts of {}", grouped(self.texts as u64), self.dataset),
            format!("codes of {bits} bits, {} slots", (1u32 << bits) - 1),
            weights,
            format!("embeddings and classifier of {tables} bits"),
            format!("{} seeds", self.seeds),
            self.backend.clone(),
        ];
        let title = "Matterhorn on analog devices";
        let header = Element::new("header")
            .child(Element::new("p").class("eyebrow").text("Robustness"))
            .child(Element::new("h1").text(title))
            .child(Element::new("p").class("about").text(about.join(" · ")));
        let note = "Devices are models, not measurements, and so is the energy: it is that of the \
                    coded layers of the blocks alone. The formulas are our reading of \
                    arXiv 2601.22876. In the studies below, energy is that of M-TTFS on analog \
                    memory, for one token.";
        let account = page::section(
            "codes",
            "What the codes cost",
            "The same network and the same levels, sent in three codes; one row for each dead \
             zone k, with perfect devices. Energy of one token.",
            vec![self.accounts(), Element::new("p").class("note").text(constants())],
        );
        let sections = self.studies.iter().enumerate().map(|(i, study)| {
            page::section(&format!("study-{i}"), &study.title, &study.lead, study.body())
        });
        let main = Element::new("main")
            .child(header)
            .child(Element::new("p").class("note").text(note))
            .child(account)
            .children(sections);
        page::html(title, Element::new("body").child(super::svg::shared()).child(main))
    }

    fn accounts(&self) -> Element {
        let head = [
            "",
            "#accuracy",
            "#silent, TTFS",
            "#silent, M-TTFS",
            "#digital, rate",
            "#TTFS",
            "#M-TTFS",
            "#analog, rate",
            "#TTFS",
            "#M-TTFS",
            "#spikes a token",
        ];
        let rows = self.codes.iter().map(|account| {
            let silent = [account.silent_first_spike, account.silent_masked];
            let energies = SIDES.iter().flat_map(|(_, costs)| account.energies(costs));
            let cells = [name(&format!("k = {}", account.dead_zone))];
            let cells = cells.into_iter().chain([number(percent(account.accuracy, 2))]);
            let cells = cells.chain(silent.map(|share| number(percent(share, 1))));
            let cells = cells.chain(energies.map(|pj| number(si(pj, -12, "J"))));
            row(cells.chain([number(fixed(account.activity[2].spikes, 0))]))
        });
        table("What the codes cost", &head, rows)
    }
}

/// What every energy was reckoned with.
fn constants() -> String {
    let side = |(name, costs): (&str, SpikeCosts)| {
        let SpikeCosts { spike_pj, accumulate_pj, weight_pj, membrane_pj } = costs;
        let membranes = if weight_pj > 0.0 { "accumulate" } else { "output" };
        format!(
            "{name}: {spike_pj} pJ a spike and layer, {accumulate_pj} an accumulate, {weight_pj} a \
             weight, {membrane_pj} a membrane for each {membranes}"
        )
    };
    SIDES.map(side).join("; ")
}
