//! Results as Markdown, which a terminal shows as well, and as a page with pictures.

use std::fmt::Write;

use snn_cli::report::{Roofline, Speed, SpeedCurve, SpeedTable, render_speed};

use crate::{
    contest::Measured,
    suite::{Contest, Results},
};

const HEAD: [&str; 7] =
    ["who", "median", "fastest run", "against the fastest rival", "peak MB", "runs", "answer"];

/// One table a contest.
pub fn markdown(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "# Benchmarks\n\n{}, {} cores; the engine uses {}. Everybody computes the same from the \
         same file, each in a process of its own; answers are compared, then all are timed by \
         turns. A ratio says how many times faster than the fastest rival in 32-bit floats, by \
         medians. Nothing is pinned to a core.\n",
        machine.cpu, machine.cores, machine.isa
    );
    for contest in &results.contests {
        text += &section(contest);
    }
    text
}

/// One page with curves, roofline and tables; needs nothing else.
pub fn html(results: &Results) -> String {
    let machine = &results.machine;
    let about = vec![
        format!("{}, {} cores; the engine uses {}", machine.cpu, machine.cores, machine.isa),
        "Everybody computes the same from the same file, each in a process of its own. A ratio \
         says how many times faster than the fastest rival in 32-bit floats, by medians."
            .into(),
    ];
    render_speed(&Speed {
        title: "Speed".into(),
        about,
        curves: curves(&results.contests),
        roofline: roofline(results),
        tables: results.contests.iter().map(numbers).collect(),
    })
}

/// The contests on curves, in the order in which they were held.
fn curves(contests: &[Contest]) -> Vec<SpeedCurve> {
    let mut curves: Vec<SpeedCurve> = Vec::new();
    for contest in contests {
        let Some(point) = &contest.point else { continue };
        if curves.last().is_none_or(|curve| curve.title != point.curve) {
            curves.push(SpeedCurve {
                title: point.curve.clone(),
                axis: point.axis.into(),
                unit: contest.unit.into(),
                lines: Vec::new(),
            });
        }
        let Some(curve) = curves.last_mut() else { continue };
        for measured in &contest.measured {
            let Some(seconds) = measured.median_s else { continue };
            let point = (point.at, seconds * contest.per_second);
            match curve.lines.iter_mut().find(|(name, _)| *name == measured.name) {
                Some((_, points)) => points.push(point),
                None => curve.lines.push((measured.name.clone(), vec![point])),
            }
        }
    }
    curves
}

fn roofline(results: &Results) -> Option<Roofline> {
    let (mut kernels, mut dense) = (Vec::new(), None::<(String, f64)>);
    for contest in &results.contests {
        let Some(kernel) = &contest.kernel else { continue };
        for measured in &contest.measured {
            let Some(seconds) = measured.median_s else { continue };
            let speed = kernel.macs / seconds;
            match kernel.bytes.iter().find(|(name, _)| *name == measured.name) {
                Some((name, bytes)) => {
                    kernels.push((
                        format!("{name}: {}", contest.title),
                        kernel.macs / bytes,
                        speed,
                    ));
                }
                None if dense.as_ref().is_none_or(|(_, best)| speed > *best) => {
                    dense = Some((measured.name.clone(), speed));
                }
                None => {}
            }
        }
    }
    let bandwidth = results.machine.bandwidth;
    (!kernels.is_empty()).then_some(Roofline { bandwidth, dense, kernels })
}

fn numbers(contest: &Contest) -> SpeedTable {
    let abouts = contest.measured.iter().map(|measured| match &measured.failure {
        Some(failure) => format!("{} was not timed: {failure}", measured.about),
        None => measured.about.clone(),
    });
    let unit = format!("numbers are {}", contest.unit);
    let numeric = |(i, head): (usize, &str)| match i {
        0 => head.to_owned(),
        _ if i + 1 == HEAD.len() => head.to_owned(),
        _ => format!("#{head}"),
    };
    SpeedTable {
        title: contest.title.clone(),
        notes: contest.conditions.iter().cloned().chain([unit]).chain(abouts).collect(),
        head: HEAD.into_iter().enumerate().map(numeric).collect(),
        rows: contest.measured.iter().map(|m| row(contest, m).to_vec()).collect(),
    }
}

/// A contest alone.
pub fn section(contest: &Contest) -> String {
    let mut text = format!("\n## {}\n\n", contest.title);
    for condition in &contest.conditions {
        text += &format!("- {condition}\n");
    }
    text += &format!("- numbers are {}\n\n", contest.unit);
    let rows: Vec<[String; 7]> = contest.measured.iter().map(|m| row(contest, m)).collect();
    text += &table(&rows);
    text.push('\n');
    for measured in &contest.measured {
        text += &format!("- {}: {}", measured.name, measured.about);
        match &measured.failure {
            Some(failure) => text += &format!(" **not timed: {failure}**\n"),
            None => text += &format!("; ready in {:.1} s\n", measured.setup_s),
        }
    }
    text
}

fn row(contest: &Contest, measured: &Measured) -> [String; 7] {
    let dash = || "-".to_owned();
    let number =
        |seconds: Option<f64>| seconds.map_or_else(dash, |s| significant(s * contest.per_second));
    let median = measured.median_s;
    let ratio = contest.fastest_rival().zip(median);
    [
        measured.name.clone(),
        number(median),
        number(measured.min_s),
        ratio.map_or_else(dash, |(rival, own)| format!("{:.2}x", rival / own)),
        measured.peak_rss_mb.map_or_else(dash, |mb| format!("{mb:.0}")),
        measured.seconds.len().to_string(),
        measured.answer.clone(),
    ]
}

/// Three significant digits, or all before the point.
fn significant(x: f64) -> String {
    let before = if x >= 1.0 { x.log10() as usize + 1 } else { 1 };
    format!("{x:.0$}", 3usize.saturating_sub(before))
}

fn table(rows: &[[String; 7]]) -> String {
    let head = HEAD.map(String::from);
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|i| std::iter::once(&head).chain(rows).map(|row| row[i].len()).max().unwrap_or(0))
        .collect();
    let words = |i: usize| i == 0 || i + 1 == HEAD.len();
    let mut text = String::new();
    let mut line = |cell: &dyn Fn(usize, usize) -> String| {
        let cells: Vec<String> = widths.iter().enumerate().map(|(i, &w)| cell(i, w)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | ")); // writing to memory cannot fail
    };
    let padded = |row: &[String; 7], i: usize, w: usize| {
        if words(i) { format!("{:<w$}", row[i]) } else { format!("{:>w$}", row[i]) }
    };
    line(&|i, w| padded(&head, i, w));
    line(&|i, w| if words(i) { "-".repeat(w) } else { format!("{}:", "-".repeat(w - 1)) });
    for row in rows {
        line(&|i, w| padded(row, i, w));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let texts = [0.1234, 1.234, 12.34, 123.4, 1234.4].map(significant);
        assert_eq!(texts, ["0.12", "1.23", "12.3", "123", "1234"]);
    }
}
