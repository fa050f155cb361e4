//! Tables whose numbers a reader can copy.

use super::element::Element;
use super::format::shorten;

/// Rows from which a table gets a height of its own, so that what follows stays near.
const LONG: usize = 40;

/// A cell with a number, or a dash.
pub(super) fn number(text: impl Into<String>) -> Element {
    Element::new("td").class("number").text(text)
}

/// A cell with words.
pub(super) fn words(text: &str) -> Element {
    Element::new("td").child(label(text))
}

/// The cell that names its row.
pub(super) fn name(text: &str) -> Element {
    Element::new("th").set("scope", "row").child(label(text))
}

/// A name of any length, which may break after each of its parts. What is cut out of a long one is
/// in its tooltip.
pub(super) fn label(text: &str) -> Element {
    let short = shorten(text, 40);
    let span = Element::new("span").class("name");
    let span = if short == text { span } else { span.set("title", text) };
    let mut parts = short.split_inclusive(['.', '_', '/']);
    let first = span.text(parts.next().unwrap_or_default());
    parts.fold(first, |span, part| span.child(Element::new("wbr")).text(part))
}

/// A table that scrolls inside its box where the screen is too small.
///
/// `head` names the columns; one that starts with `#` holds numbers.
pub(super) fn table(
    title: &str,
    head: &[&str],
    rows: impl IntoIterator<Item = Element>,
) -> Element {
    let head = head.iter().map(|text| {
        let cell = Element::new("th").set("scope", "col");
        match text.strip_prefix('#') {
            Some(text) => cell.class("number").text(text),
            None => cell.text(*text),
        }
    });
    let rows: Vec<Element> = rows.into_iter().collect();
    let long = rows.len() > LONG;
    let table = Element::new("table")
        .child(Element::new("thead").child(row(head)))
        .child(Element::new("tbody").children(rows));
    let scroll = scroll(title, table);
    if long { Element::new("div").class("long").child(scroll) } else { scroll }
}

pub(super) fn row(cells: impl IntoIterator<Item = Element>) -> Element {
    Element::new("tr").children(cells)
}

/// A box in which a table scrolls, by keyboard too.
pub(super) fn scroll(title: &str, table: Element) -> Element {
    Element::new("div")
        .class("scroll")
        .set("role", "region")
        .set("aria-label", title)
        .set("tabindex", "0")
        .child(table)
}

/// What a click unfolds; `open` says whether it is so from the start.
pub(super) fn folded(title: &str, open: bool, content: Element) -> Element {
    let details = Element::new("details");
    let details = if open { details.set("open", "") } else { details };
    details.child(Element::new("summary").text(title)).child(content)
}
