//! What is needed to run it again.

use super::data::Run;
use super::element::Element;
use super::format::grouped;

pub(super) fn section(run: &Run) -> Vec<Element> {
    let number = |n: u64| if n == 0 { String::new() } else { grouped(n) };
    let conditions = [
        ("System", run.system.clone()),
        ("Preset", run.preset.clone()),
        ("Data set", run.dataset.clone()),
        ("Split", run.split.clone()),
        ("Training samples", number(run.train_samples as u64)),
        ("Test samples", number(run.test_samples as u64)),
        ("Time steps", number(run.time_steps as u64)),
        ("Parameters", number(run.parameters)),
        ("Seed", run.seed.to_string()),
        ("Precision", run.precision.clone()),
        ("Device", run.device.clone()),
        ("Threads", number(run.threads as u64)),
        ("Date", run.date.clone().unwrap_or_default()),
    ];
    let pair = |name: &str, value: &str| {
        Element::new("div")
            .child(Element::new("dt").text(name))
            .child(Element::new("dd").text(value))
    };
    let list = |pairs: Vec<Element>| Element::new("dl").class("list").children(pairs);
    let known = conditions.iter().filter(|(_, value)| !value.is_empty());
    let mut columns = Element::new("div")
        .class("columns")
        .child(list(known.map(|(name, value)| pair(name, value)).collect()));
    if !run.versions.is_empty() {
        let versions = run.versions.iter().map(|v| pair(&v.name, &v.version));
        columns = columns.child(
            Element::new("div")
                .child(Element::new("h3").text("Versions"))
                .child(list(versions.collect())),
        );
    }
    let mut parts = Vec::new();
    if !run.command.is_empty() {
        let code = Element::new("code").text(&run.command);
        parts.push(Element::new("pre").class("command").child(code));
    }
    parts.push(columns);
    parts
}
