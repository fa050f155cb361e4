//! Shapes of SVG, in the page's units: one is a pixel on a wide screen.

use super::element::{Attribute, Element};
use super::scale::{LEVELS, Ramp};

/// A drawing that shrinks with the page and is called `label` by a screen reader.
pub(super) fn drawing(width: f64, height: f64, label: &str) -> Element {
    Element::new("svg")
        .set("viewBox", format!("0 0 {} {}", number(width), number(height)))
        .set("width", width)
        .set("height", height)
        .set("role", "img")
        .set("aria-label", label)
}

/// A drawing 100 units wide that is stretched to the width of the text around it. It holds bars
/// only: letters would be stretched too.
pub(super) fn strip(height: f64, label: &str) -> Element {
    Element::new("svg")
        .class("strip")
        .set("viewBox", format!("0 0 100 {}", number(height)))
        .set("preserveAspectRatio", "none")
        .set("height", height)
        .set("role", "img")
        .set("aria-label", label)
}

pub(super) fn rect(x: f64, y: f64, width: f64, height: f64) -> Element {
    Element::new("rect").set("x", x).set("y", y).set("width", width).set("height", height)
}

pub(super) fn line(from: (f64, f64), to: (f64, f64)) -> Element {
    Element::new("line").set("x1", from.0).set("y1", from.1).set("x2", to.0).set("y2", to.1)
}

pub(super) fn text(x: f64, y: f64, text: impl Into<String>) -> Element {
    Element::new("text").set("x", x).set("y", y).text(text)
}

/// A line through the points, with a gap where one is not finite. A point between two gaps is a
/// line of no length, which round caps make a dot.
pub(super) fn curve(points: &[(f64, f64)]) -> Element {
    let mut d = String::new();
    for run in points.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
        for (i, &(x, y)) in run.iter().enumerate() {
            d += &format!("{}{} {}", if i == 0 { 'M' } else { 'L' }, number(x), number(y));
        }
        d += if run.len() == 1 { "h0" } else { "" };
    }
    Element::new("path").class("curve").set("d", d)
}

/// A colour scale with what stands at its ends.
pub(super) fn legend(ramp: Ramp, lo: &str, hi: &str) -> Element {
    let width = 100.0 / LEVELS as f64;
    let step = |l| rect(l as f64 * width, 0.0, width, 10.0).class(&ramp.class(Some(l)));
    Element::new("span")
        .class("legend")
        .child(Element::new("span").text(lo))
        .child(strip(10.0, "colour scale").children((0..LEVELS).map(step)))
        .child(Element::new("span").text(hi))
}

/// Fills and filters that drawings all over the page refer to.
pub(super) fn shared() -> Element {
    let hatch = Element::new("pattern")
        .set("id", "hatch")
        .set("width", 5.0)
        .set("height", 5.0)
        .set("patternUnits", "userSpaceOnUse")
        .child(Element::new("path").set("d", "M0 5L5 0"));
    // A third of the lightness, around the middle: what lies over it is to stand out.
    let row = "0.07 0.24 0.02 0 0.33";
    let matrix = Element::new("feColorMatrix")
        .set("type", "matrix")
        .set("values", format!("{row} {row} {row} 0 0 0 1 0"));
    let pale = Element::new("filter")
        .set("id", "pale")
        .set("color-interpolation-filters", "sRGB")
        .child(matrix);
    Element::new("svg")
        .class("shared")
        .set("width", 0.0)
        .set("height", 0.0)
        .set("aria-hidden", "true")
        .child(Element::new("defs").child(hatch).child(pale))
}

/// A coordinate inside an attribute of several.
pub(super) fn number(x: f64) -> String {
    x.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(points: &[(f64, f64)]) -> String {
        curve(points).to_string()
    }

    #[test]
    fn a_curve_breaks_where_a_value_is_missing() {
        let nan = f64::NAN;
        let d = |points: &[(f64, f64)], d: &str| assert!(path(points).contains(d), "{points:?}");
        d(&[(0.0, 1.0), (1.0, 2.0)], r#"d="M0 1L1 2""#);
        d(&[(0.0, 1.0), (1.0, nan), (2.0, 3.0)], r#"d="M0 1h0M2 3h0""#);
        d(&[(0.0, 1.0), (1.0, 2.0), (2.0, nan)], r#"d="M0 1L1 2""#);
        d(&[(0.0, nan)], r#"d="""#);
    }
}
