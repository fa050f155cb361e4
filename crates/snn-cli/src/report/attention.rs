//! Where each block looks: attention received by the positions of an image, laid over it.

use super::data::{AttentionMap, AttentionSample};
use super::element::Element;
use super::format::fixed;
use super::picture::{frame, sample_figure};
use super::scale::{LEVELS, Ramp, extent, level};
use super::svg::{drawing, legend, number};
use super::table::label;

/// Longest side of a map.
const SIDE: f64 = 116.0;

pub(super) fn section(samples: &[AttentionSample]) -> Vec<Element> {
    let with_maps = samples.iter().filter(|s| s.maps.iter().any(|m| range(m).is_some()));
    let groups: Vec<Element> = with_maps
        .enumerate()
        .map(|(i, sample)| {
            let id = format!("sample-{i}");
            let maps = sample.maps.iter().filter_map(|map| figure(sample, map, &id));
            Element::new("div")
                .class("panels")
                .child(sample_figure(&sample.sample, &id))
                .child(Element::new("div").class("many").children(maps))
        })
        .collect();
    if groups.is_empty() {
        return groups;
    }
    let key = legend(Ramp::Cover, "least of the map", "most of the map");
    vec![
        Element::new("p").class("keys").child(key),
        Element::new("div").class("samples").children(groups),
    ]
}

/// Least and greatest attention; none if no value is finite.
fn range(map: &AttentionMap) -> Option<(f64, f64)> {
    extent(map.received.iter().flatten().copied())
}

fn figure(sample: &AttentionSample, map: &AttentionMap, id: &str) -> Option<Element> {
    let (lo, hi) = range(map)?;
    let rows = map.received.len();
    let columns = map.received.iter().map(Vec::len).max().unwrap_or(0);
    let image = frame(&sample.sample.image, SIDE);
    let (width, height) = image.unwrap_or_else(|| {
        let cell = SIDE / columns.max(rows) as f64;
        (columns as f64 * cell, rows as f64 * cell)
    });
    let size = (width / columns as f64, height / rows as f64);
    let svg =
        drawing(width, height, &format!("attention of {}", map.block))
            .children(image.map(|_| {
                Element::new("use").set("href", format!("#{id}")).set("filter", "url(#pale)")
            }))
            .children(cells(&map.received, columns, size, (lo, hi)));
    let caption = Element::new("figcaption")
        .child(label(&map.block))
        .child(Element::new("small").text(format!("{} to {}", fixed(lo, 3), fixed(hi, 3))));
    Some(Element::new("figure").child(svg).child(caption))
}

/// Cells of one colour are one path, which keeps large maps small; its tooltip tells their values.
fn cells(
    received: &[Vec<f64>],
    columns: usize,
    (width, height): (f64, f64),
    range: (f64, f64),
) -> Vec<Element> {
    let mut paths = vec![(String::new(), Vec::new()); LEVELS];
    let mut holes = String::new();
    for (y, row) in received.iter().enumerate() {
        for x in 0..columns {
            let value = row.get(x).copied().unwrap_or(f64::NAN);
            let cell = format!(
                "M{} {}h{width:.2}v{height:.2}h-{width:.2}z",
                number(x as f64 * width),
                number(y as f64 * height),
            );
            match level(value, range) {
                Some(l) => {
                    paths[l].0.push_str(&cell);
                    paths[l].1.push(value);
                }
                None => holes.push_str(&cell),
            }
        }
    }
    let path = |level: Option<usize>, d: String, tooltip: String| {
        Element::new("path").class(&Ramp::Cover.class(level)).set("d", d).tooltip(tooltip)
    };
    let coloured = paths.into_iter().enumerate().filter_map(|(l, (d, values))| {
        let (lo, hi) = extent(values)?;
        let (from, to) = (fixed(lo, 4), fixed(hi, 4));
        let tooltip = if from == to { from } else { format!("{from} to {to}") };
        Some(path(Some(l), d, tooltip))
    });
    let hole = (!holes.is_empty()).then(|| path(None, holes, "not a number".into()));
    coloured.chain(hole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_one_colour_share_a_path() {
        let drawn = cells(&[vec![0.0, 1.0, 1.0], vec![f64::NAN]], 3, (2.0, 2.0), (0.0, 1.0));
        let text: Vec<String> = drawn.iter().map(Element::to_string).collect();
        assert_eq!(text.len(), 3);
        assert!(text[1].contains("M2 0h2.00v2.00h-2.00zM4 0h2.00v2.00h-2.00z"), "{text:?}");
        assert!(text[2].contains(r#"class="none""#) && text[2].matches('M').count() == 3);
    }
}
