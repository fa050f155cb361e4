//! A tree of HTML or SVG elements: tags balance and text is escaped by construction.

use std::fmt::{self, Display, Formatter, Write};

/// An element with its attributes and children.
#[derive(Clone, Debug)]
pub(super) struct Element {
    tag: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Element(Element),
    Text(String),
}

/// What may stand as an attribute.
pub(super) trait Attribute {
    /// The value as text, not yet escaped.
    fn value(self) -> String;
}

impl Attribute for &str {
    fn value(self) -> String {
        self.to_owned()
    }
}

impl Attribute for String {
    fn value(self) -> String {
        self
    }
}

/// A length or coordinate: two decimals are finer than any screen.
impl Attribute for f64 {
    fn value(self) -> String {
        if !self.is_finite() {
            return "0".into(); // a coordinate that cannot be drawn must not break its neighbours
        }
        let text = format!("{self:.2}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text == "-0" { "0".into() } else { text.into() }
    }
}

impl Element {
    pub(super) fn new(tag: &'static str) -> Self {
        Self { tag, attributes: Vec::new(), children: Vec::new() }
    }

    pub(super) fn set(mut self, name: &'static str, value: impl Attribute) -> Self {
        self.attributes.push((name, value.value()));
        self
    }

    pub(super) fn class(self, names: &str) -> Self {
        self.set("class", names)
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    pub(super) fn child(mut self, child: Element) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    /// Adds what a browser shows when the pointer rests on an SVG element.
    pub(super) fn tooltip(self, text: impl Into<String>) -> Self {
        self.child(Element::new("title").text(text))
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.tag)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"")?;
            escape(f, value)?;
            f.write_char('"')?;
        }
        if VOID.contains(&self.tag) {
            return f.write_char('>');
        }
        if self.children.is_empty() && SHAPES.contains(&self.tag) {
            return f.write_str("/>");
        }
        f.write_char('>')?;
        for child in &self.children {
            match child {
                Node::Element(element) => element.fmt(f)?,
                Node::Text(text) => escape(f, text)?,
            }
        }
        write!(f, "</{}>", self.tag)
    }
}

/// Elements of HTML that never have an end tag, of those that we use.
const VOID: [&str; 2] = ["meta", "wbr"];

/// Elements of SVG that may do without one.
const SHAPES: [&str; 6] = ["rect", "line", "path", "image", "use", "feColorMatrix"];

/// Writes `text` so that no character of it is read as markup. Control characters, which HTML
/// forbids even as references, become the replacement character.
fn escape(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            c if c.is_control() && c != '\n' && c != '\t' => f.write_char('\u{fffd}')?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        let element =
            Element::new("p").set("title", "a\"b").text("<&>\u{7}").child(Element::new("b"));
        assert_eq!(element.to_string(), "<p title=\"a&quot;b\">&lt;&amp;&gt;\u{fffd}<b></b></p>");
    }

    #[test]
    fn coordinates_are_short() {
        let value = |x: f64| x.value();
        assert_eq!(
            [2.0, 0.125, -0.001, f64::NAN, f64::INFINITY].map(value),
            ["2", "0.12", "0", "0", "0"]
        );
    }
}
