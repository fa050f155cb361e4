//! The report of a benchmark: curves, a roofline, and every number as a table.

use super::element::Element;
use super::format::fixed;
use super::page;
use super::scale::{Scale, Ticks, extent};
use super::svg::{curve, drawing, line, text};
use super::table::{name, number, row, table};

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Speed {
    /// What it is.
    pub title: String,
    /// Machine and conditions, a line each.
    pub about: Vec<String>,
    /// How times depend on one thing each.
    pub curves: Vec<SpeedCurve>,
    /// What bounds the kernels.
    pub roofline: Option<Roofline>,
    /// Every comparison.
    pub tables: Vec<SpeedTable>,
}

/// Times over one thing that changes.
#[derive(Clone, Debug)]
pub struct SpeedCurve {
    /// What was computed.
    pub title: String,
    /// What changes.
    pub axis: String,
    /// What times are counted in.
    pub unit: String,
    /// Who, and their points `(axis, unit)`; all over the same places.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// Kernels under the two ceilings of a machine. Source: Williams et al., CACM 2009.
#[derive(Clone, Debug)]
pub struct Roofline {
    /// Memory bandwidth, bytes a second.
    pub bandwidth: f64,
    /// Name and speed of dense arithmetic, multiply-accumulates a second.
    pub dense: Option<(String, f64)>,
    /// Kernels: name, multiply-accumulates a byte, multiply-accumulates a second.
    pub kernels: Vec<(String, f64, f64)>,
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct SpeedTable {
    /// What was computed.
    pub title: String,
    /// What else a reader must know.
    pub notes: Vec<String>,
    /// Columns; one that starts with `#` holds numbers.
    pub head: Vec<String>,
    /// Their rows.
    pub rows: Vec<Vec<String>>,
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
/// Left, right, top and bottom edge of the plotted area.
const AREA: [f64; 4] = [48.0, WIDTH - 12.0, 10.0, HEIGHT - 38.0];
/// Times further apart than this are drawn as logarithms.
const FAR: f64 = 10.0;
/// Line styles of the sheet.
const STYLES: usize = 6;

fn style(i: usize) -> String {
    format!("s{}", i % STYLES)
}

impl Speed {
    pub(super) fn document(&self) -> String {
        let about = self.about.iter().map(|line| Element::new("p").class("about").text(&**line));
        let header = Element::new("header")
            .child(Element::new("p").class("eyebrow").text("Benchmark"))
            .child(Element::new("h1").text(&*self.title))
            .children(about);
        let mut sections = Vec::new();
        let plots: Vec<Element> = self.curves.iter().filter_map(SpeedCurve::figure).collect();
        if !plots.is_empty() {
            let lead = "Medians; lower is faster. The places on the axis are those that were \
                        measured, at equal distances.";
            let body = vec![Element::new("div").class("plots").children(plots)];
            sections.push(page::section("curves", "Curves", lead, body));
        }
        if let Some(roofline) = &self.roofline {
            let lead = "Effective multiply-accumulates (those of the dense product, whatever the \
                        spikes) over what is read and written for them. Above the dense line is \
                        what no engine that multiplies every weight can reach.";
            sections.push(page::section("roofline", "Roofline", lead, roofline.body()));
        }
        let tables = self.tables.iter().flat_map(SpeedTable::body).collect();
        sections.push(page::section(
            "numbers",
            "Every comparison",
            "Answers are compared first, \
            then all are timed by turns.",
            tables,
        ));
        let main = Element::new("main").child(header).children(sections);
        page::html(&self.title, Element::new("body").child(super::svg::shared()).child(main))
    }
}

fn key(i: usize, text: &str) -> Element {
    Element::new("span").class(&format!("key {}", style(i))).text(text)
}

impl SpeedCurve {
    fn figure(&self) -> Option<Element> {
        let [left, right, top, bottom] = AREA;
        let places: Vec<f64> = self.lines.first()?.1.iter().map(|point| point.0).collect();
        let times = self.lines.iter().flat_map(|(_, points)| points.iter().map(|p| p.1));
        let (least, most) = extent(times)?;
        // Logarithms, in powers of ten, where a line would else lie on the axis.
        let far = least > 0.0 && most / least > FAR;
        let height = |time: f64| if far { time.log10() } else { time };
        let ticks = match far {
            true => {
                let (from, to) = (height(least).floor(), height(most).ceil());
                Ticks::covering((from, to), (to - from) as usize)
            }
            false => Ticks::covering((0.0, most), 5),
        };
        let x = Scale::new((0.0, (places.len().max(2) - 1) as f64), (left + 12.0, right - 12.0));
        let y = Scale::new(ticks.domain(), (bottom, top));
        let label = |tick: f64| match far {
            true => power(tick),
            false => ticks.label(tick),
        };
        let mut svg = drawing(WIDTH, HEIGHT, &format!("{} over {}", self.unit, self.axis));
        for &tick in &ticks.at {
            let at = y.at(tick);
            svg = svg
                .child(line((left, at), (right, at)).class("grid"))
                .child(text(left - 7.0, at + 4.0, label(tick)).class("end"));
        }
        for (i, place) in places.iter().enumerate() {
            let at = x.at(i as f64);
            svg = svg
                .child(line((at, bottom), (at, bottom + 4.0)).class("axis"))
                .child(text(at, bottom + 18.0, fixed(*place, decimals(*place))).class("middle"));
        }
        svg = svg
            .child(line((left, bottom), (right, bottom)).class("axis"))
            .child(text((left + right) / 2.0, HEIGHT - 3.0, &*self.axis).class("middle"));
        for (i, (name, points)) in self.lines.iter().enumerate() {
            let at = |&(place, time): &(f64, f64)| {
                let i = places.iter().position(|p| *p == place)?;
                Some((x.at(i as f64), y.at(height(time))))
            };
            let drawn: Vec<(f64, f64)> = points.iter().filter_map(at).collect();
            let dots = points.iter().filter_map(|point| {
                let shown = format!("{name}\n{} at {}", fixed(point.1, 3), point.0);
                Some(curve(&[at(point)?]).tooltip(shown))
            });
            svg = svg
                .child(Element::new("g").class(&style(i)).child(curve(&drawn)))
                .child(Element::new("g").class(&format!("{} dots", style(i))).children(dots));
        }
        let caption = Element::new("figcaption")
            .child(Element::new("strong").text(format!("{}, {}", self.title, self.unit)))
            .children(self.lines.iter().enumerate().map(|(i, (name, _))| key(i, name)));
        Some(Element::new("figure").child(caption).child(svg))
    }
}

/// Ten to this power.
fn power(exponent: f64) -> String {
    fixed(10f64.powf(exponent), (-exponent).max(0.0).round() as usize)
}

fn decimals(x: f64) -> usize {
    if x.fract() == 0.0 { 0 } else { 2 }
}

impl Roofline {
    fn body(&self) -> Vec<Element> {
        let head = ["", "#MAC a byte", "#GMAC/s", "#of the bandwidth"];
        let rows = self.kernels.iter().map(|(kernel, per_byte, speed)| {
            let share = 100.0 * speed / per_byte / self.bandwidth;
            let cells =
                [fixed(*per_byte, 1), fixed(speed / 1e9, 0), format!("{} %", fixed(share, 0))];
            row(std::iter::once(name(kernel)).chain(cells.map(number)))
        });
        let mut about =
            format!("Memory: {} GB/s, read by all threads.", fixed(self.bandwidth / 1e9, 0));
        if let Some((who, speed)) = &self.dense {
            about += &format!(" Dense: {who}, {} GMAC/s.", fixed(speed / 1e9, 0));
        }
        let figure = self.figure().map(|figure| Element::new("div").class("plots").child(figure));
        let numbers = Element::new("div").child(table("Roofline", &head, rows));
        vec![
            Element::new("div").class("beside").children(figure).child(numbers),
            Element::new("p").class("note").text(about),
        ]
    }

    /// Both axes are logarithms to base 10.
    fn figure(&self) -> Option<Element> {
        let [left, right, top, bottom] = AREA;
        let log = |x: f64| x.log10();
        let places = extent(self.kernels.iter().map(|k| log(k.1)))?;
        let places = (places.0 - 0.5, places.1 + 0.5);
        let dense = self.dense.as_ref().map(|dense| log(dense.1));
        let speeds = extent(self.kernels.iter().map(|k| log(k.2)).chain(dense))?;
        let speeds = (speeds.0 - 0.3, speeds.1 + 0.3);
        let x = Scale::new(places, (left, right));
        let y = Scale::new(speeds, (bottom, top));
        let mut svg = drawing(WIDTH, HEIGHT, "Multiply-accumulates a second over those a byte");
        for exponent in speeds.0.ceil() as i32..=speeds.1.floor() as i32 {
            let at = y.at(f64::from(exponent));
            let label = power(f64::from(exponent - 9));
            svg = svg
                .child(line((left, at), (right, at)).class("grid"))
                .child(text(left - 7.0, at + 4.0, label).class("end"));
        }
        for exponent in places.0.ceil() as i32..=places.1.floor() as i32 {
            let at = x.at(f64::from(exponent));
            svg = svg
                .child(line((at, bottom), (at, bottom + 4.0)).class("axis"))
                .child(text(at, bottom + 18.0, power(f64::from(exponent))).class("middle"));
        }
        // The memory ceiling, from where it enters the plot to where it leaves it.
        let memory = log(self.bandwidth);
        let enter = places.0.max(speeds.0 - memory);
        let leave = places.1.min(speeds.1 - memory);
        if enter < leave {
            let ends = [enter, leave].map(|p| (x.at(p), y.at(p + memory)));
            svg = svg.child(Element::new("g").class(&style(4)).child(curve(&ends)));
        }
        if let Some(dense) = dense {
            let ends = [(left, y.at(dense)), (right, y.at(dense))];
            svg = svg.child(Element::new("g").class(&style(1)).child(curve(&ends)));
        }
        let dots = self.kernels.iter().map(|(name, per_byte, speed)| {
            let shown = format!("{name}\n{} GMAC/s", fixed(speed / 1e9, 0));
            curve(&[(x.at(log(*per_byte)), y.at(log(*speed)))]).tooltip(shown)
        });
        svg = svg
            .child(Element::new("g").class(&format!("{} dots", style(0))).children(dots))
            .child(line((left, bottom), (right, bottom)).class("axis"))
            .child(text((left + right) / 2.0, HEIGHT - 3.0, "MAC a byte").class("middle"));
        let keys = ["kernels", "dense, 32-bit floats", "memory"];
        let styles = [0, 1, 4];
        let caption = Element::new("figcaption")
            .child(Element::new("strong").text("GMAC/s"))
            .children(keys.into_iter().zip(styles).map(|(text, i)| key(i, text)));
        Some(Element::new("figure").child(caption).child(svg))
    }
}

impl SpeedTable {
    fn body(&self) -> Vec<Element> {
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        let rows = self.rows.iter().map(|cells| {
            row(cells.iter().zip(&self.head).enumerate().map(|(i, (cell, head))| match i {
                0 => name(cell),
                _ if head.starts_with('#') => number(&**cell),
                _ => Element::new("td").text(&**cell),
            }))
        });
        let notes = self.notes.iter().map(|note| Element::new("li").text(&**note));
        vec![
            Element::new("h3").text(&*self.title),
            Element::new("ul").class("about").children(notes),
            table(&self.title, &head, rows),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed() -> Speed {
        let line = |name: &str, times: [f64; 3]| {
            (name.to_owned(), [1.0, 4.0, 16.0].into_iter().zip(times).collect())
        };
        Speed {
            title: "Speed".into(),
            about: vec!["a machine".into()],
            curves: vec![SpeedCurve {
                title: "network".into(),
                axis: "batch".into(),
                unit: "ms".into(),
                lines: vec![line("ours", [1.0, 1.1, 1.2]), line("<theirs>", [3.0, 2.5, 2.0])],
            }],
            roofline: Some(Roofline {
                bandwidth: 2e10,
                dense: Some(("dense".into(), 8e10)),
                kernels: vec![("table".into(), 64.0, 3e11), ("bytes".into(), 128.0, 7e11)],
            }),
            tables: vec![SpeedTable {
                title: "network, batch 1".into(),
                notes: vec!["firing 14 %".into()],
                head: vec!["who".into(), "#median".into(), "answer".into()],
                rows: vec![vec!["ours".into(), "1.00".into(), "equal".into()]],
            }],
        }
    }

    #[test]
    fn the_page_has_curves_roofline_and_numbers() {
        let html = speed().document();
        for text in ["network, ms", "ours", "GMAC/s", "table", "firing 14 %", "1.00", "23 %"] {
            assert!(html.contains(text), "{text}");
        }
        assert!(!html.contains("<theirs>") && !html.contains("NaN"));
        // A dot for every point of both lines and for every kernel.
        assert!(html.matches("<title>").count() >= 8, "{}", html.matches("<title>").count());
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let tables = speed().tables;
        let html = Speed { tables, ..Speed::default() }.document();
        assert!(!html.contains("Roofline") && !html.contains("id=\"curves\""));
    }
}
