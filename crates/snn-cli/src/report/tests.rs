//! The page as a whole: structure, escaping, sections that come and go.

mod example;

use super::*;
use example::{Size, example};
use proptest::{collection::vec, prelude::*};
use snn_core::probe::Costs;

/// Name of each tag in the order of the page, `/` before one that closes; panics on a stray `<`.
fn tags(html: &str) -> Vec<(String, bool)> {
    let pieces = html.strip_prefix("<!DOCTYPE html>").unwrap().split('<').skip(1);
    let tag = |piece: &str| {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "unescaped text: {text}");
        assert_eq!(tag.matches('"').count() % 2, 0, "unescaped attribute: {tag}");
        let name = tag.split([' ', '/']).find(|s| !s.is_empty()).unwrap();
        let name = if tag.starts_with('/') { format!("/{name}") } else { name.to_owned() };
        let void = ["meta", "wbr"].contains(&name.as_str());
        (name, void || tag.ends_with('/'))
    };
    pieces.map(tag).collect()
}

fn assert_balanced(html: &str) {
    let mut open = Vec::new();
    for (tag, closed) in tags(html) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name)),
            None if !closed => open.push(tag),
            None => {}
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// Values of an attribute, in the order of the page.
fn attribute<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let pieces = html.split(&format!(" {name}=\"")).skip(1).collect::<Vec<_>>();
    pieces.iter().map(|piece| piece.split('"').next().unwrap()).collect()
}

fn sections(html: &str) -> Vec<&str> {
    let sections = html.split("<section id=\"").skip(1);
    sections.map(|piece| piece.split('"').next().unwrap()).collect()
}

/// Rows of the body of the table that a screen reader calls `title`.
fn rows<'a>(html: &'a str, title: &str) -> Vec<&'a str> {
    let table = html.split(&format!("aria-label=\"{title}\"")).nth(1).unwrap();
    let body = table.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    body.split("<tr").skip(1).collect()
}

/// Text without its tags.
fn text(html: &str) -> String {
    let pieces = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    pieces.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_size_is_a_whole_page() {
    for size in [Size::DIGITS, Size::SMALL, Size::LARGE] {
        let html = render(&example(size));
        assert_balanced(&html);
        assert_eq!(
            sections(&html),
            ["curves", "confusion", "rates", "raster", "attention", "energy", "conditions"]
        );
        let mut ids = attribute(&html, "id");
        let links = attribute(&html, "href").into_iter().filter_map(|href| href.strip_prefix('#'));
        for link in links {
            assert!(ids.contains(&link), "#{link} leads nowhere");
        }
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id is used twice");
    }
}

#[test]
fn nothing_is_fetched() {
    let html = render(&example(Size::LARGE));
    for word in ["http://", "https://", "//", "<script", "<link", "@import", "javascript:"] {
        let found = html.split("base64,").map(|piece| piece.split_once('"').map_or(piece, |p| p.1));
        assert!(!found.skip(1).any(|piece| piece.contains(word)), "{word}");
        assert!(!html.split("base64,").next().unwrap().contains(word), "{word}");
    }
    for name in ["src", "href"] {
        let inside = |v: &&str| v.starts_with('#') || v.starts_with("data:image/png;base64,");
        assert!(attribute(&html, name).iter().all(inside));
    }
}

#[test]
fn the_same_data_gives_the_same_bytes() {
    assert_eq!(render(&example(Size::DIGITS)), render(&example(Size::DIGITS)));
}

#[test]
fn a_section_without_data_is_left_out() {
    let full = example(Size::DIGITS);
    assert_eq!(sections(&render(&Report::default())), ["conditions"]);
    let cut = |cut: fn(&mut Report)| {
        let mut report = full.clone();
        cut(&mut report);
        render(&report)
    };
    assert!(!sections(&cut(|r| r.epochs.clear())).contains(&"curves"));
    assert!(!sections(&cut(|r| r.confusion = None)).contains(&"confusion"));
    assert!(!sections(&cut(|r| r.confusion = Some(Confusion::default()))).contains(&"confusion"));
    assert!(!sections(&cut(|r| r.firing_rates = None)).contains(&"rates"));
    assert!(!sections(&cut(|r| r.raster = Some(SpikeRaster::default()))).contains(&"raster"));
    assert!(!sections(&cut(|r| r.attention.clear())).contains(&"attention"));
    assert!(!sections(&cut(|r| r.energy = None)).contains(&"energy"));
}

#[test]
fn names_are_text_whatever_they_hold() {
    let evil = "<script>alert('\"&\u{0}')</script>";
    let mut report = example(Size::DIGITS);
    report.run.system = evil.into();
    report.run.command = evil.into();
    report.run.versions[0].name = evil.into();
    report.confusion.as_mut().unwrap().classes[3] = evil.into();
    report.firing_rates.as_mut().unwrap().layers[0].name = evil.into();
    report.raster.as_mut().unwrap().sample.label = evil.into();
    report.raster.as_mut().unwrap().layers[0].name = evil.into();
    report.attention[0].maps[0].block = evil.into();
    report.energy.as_mut().unwrap().excluded[0] = evil.into();
    report.energy.as_mut().unwrap().layers[0].kind = evil.into();
    let html = render(&report);
    assert_balanced(&html);
    assert!(!html.contains("<script"));
    assert!(html.contains("&lt;script&gt;alert('&quot;&amp;\u{fffd}')&lt;/script&gt;"));
}

#[test]
fn a_long_name_is_cut_and_kept_in_its_tooltip() {
    let long = "stage.".repeat(60);
    let mut report = example(Size::SMALL);
    report.firing_rates.as_mut().unwrap().layers[0].name = long.clone();
    let html = render(&report);
    let row = rows(&html, "Firing rates")[0];
    assert!(row.contains(&format!("title=\"{long}\"")));
    assert!(text(row).chars().count() < 80, "{}", text(row));
}

#[test]
fn what_is_not_finite_is_a_dash() {
    let mut report = example(Size::DIGITS);
    let nan = f64::NAN;
    report.epochs[1] = Epoch {
        epoch: 2,
        train_loss: nan,
        train_accuracy: nan,
        test_loss: f64::INFINITY,
        test_accuracy: nan,
        firing_rate: nan,
        images_per_s: nan,
        seconds: nan,
    };
    report.firing_rates.as_mut().unwrap().layers[0].rates = vec![nan; 4];
    report.attention[0].maps[0].received[0][0] = nan;
    report.energy.as_mut().unwrap().layers[0].ac = nan;
    let html = render(&report);
    assert_balanced(&html);
    assert!(!html.contains("NaN") && !html.contains("inf"), "a number that is none is shown");
    let cells = |row: &str| text(row).split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        cells(rows(&html, "Measurements of each epoch")[1]),
        ["2", "–", "–", "–", "–", "–", "–", "–"]
    );
    assert_eq!(rows(&html, "Firing rates")[0].matches("class=\"none\"").count(), 4);
    // A sum with a part that is not known is not known either.
    assert!(text(rows(&html, "Energy of each layer").last().unwrap()).contains('–'));
}

#[test]
fn the_summary_tells_best_and_last_accuracy() {
    let mut report = example(Size::DIGITS);
    report.epochs[11].test_accuracy = 0.995;
    report.epochs[29].test_accuracy = 0.9;
    let html = render(&report);
    let tiles =
        text(html.split("<dl class=\"tiles\">").nth(1).unwrap().split("</dl>").next().unwrap());
    assert!(
        tiles.contains("Test accuracy 90.00 % after the last epoch; best 99.50 %, after epoch 12"),
        "{tiles}"
    );
    assert!(tiles.contains("Parameters 1.24 M 1 239 306 trainable"), "{tiles}");
}

#[test]
fn energy_is_that_of_the_costs_given() {
    let layer = LayerEnergy {
        name: "fc".into(),
        kind: "linear".into(),
        input_density: 0.25,
        dense: 1000.0,
        ac: 500.0,
        mac: 100.0,
    };
    let energy = Energy {
        costs: Costs { mac_pj: 2.0, ac_pj: 1.0 },
        source: "a test".into(),
        samples: 1,
        layers: vec![layer.clone(), layer],
        excluded: vec![],
    };
    let html = render(&Report { energy: Some(energy), ..Report::default() });
    let rows = rows(&html, "Energy of each layer");
    assert!(text(rows[0]).ends_with("0.500 0.100 1.000 0.700 2.000 2.86×"), "{}", text(rows[0]));
    assert!(text(rows[2]).ends_with("1.000 0.200 2.000 1.400 4.000 2.86×"), "{}", text(rows[2]));
    assert!(
        text(&html).contains("for one image, 2.86× less than the same network as an ANN (4.00 nJ)")
    );
}

#[test]
fn numbers_of_a_class_follow_their_definitions() {
    let confusion = Confusion {
        classes: vec!["cat".into(), String::new()],
        counts: vec![vec![8, 2], vec![1]], // a short row: nothing of class 1 was right
    };
    let html = render(&Report { confusion: Some(confusion), ..Report::default() });
    let rows = rows(&html, "Numbers of every class");
    assert!(text(rows[0]).ends_with("cat 10 80.0 % 88.9 % 84.2 % 1"), "{}", text(rows[0]));
    assert!(text(rows[1]).ends_with("1 1 0.0 % 0.0 % 0.0 % cat"), "{}", text(rows[1]));
    assert!(text(&html).contains("Test accuracy 72.73 %"));
}

#[test]
fn json_keeps_a_report() {
    let mut report = example(Size::DIGITS);
    report.epochs[0].test_loss = f64::NAN;
    report.attention[0].maps[0].received[0][0] = f64::NAN;
    let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert!(read.epochs[0].test_loss.is_nan());
    assert_eq!(render(&read), render(&report));
}

/// Any number at all, hard ones often.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, -0.0, 1.0]),
    ]
}

/// A report of whatever is given, in every place where it fits.
fn filled(
    name: &str,
    values: &[f64],
    counts: Vec<Vec<u64>>,
    spikes: Vec<Vec<u8>>,
    (side, channels): (usize, usize),
) -> Report {
    let name = name.to_owned();
    let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    let epoch = |i: usize| Epoch {
        epoch: i,
        train_loss: at(i),
        train_accuracy: at(i + 1),
        test_loss: at(i + 2),
        test_accuracy: at(i + 3),
        firing_rate: at(i + 4),
        images_per_s: at(i + 5),
        seconds: at(i + 6),
    };
    let pixels = vec![9; side * 2 * channels];
    let sample = Sample {
        image: Image { height: side, width: 2, channels, pixels },
        label: name.clone(),
        prediction: String::new(),
    };
    let grid: Vec<Vec<f64>> = values.chunks(side + 1).map(<[f64]>::to_vec).collect();
    let rates = |row: &Vec<f64>| LayerRates { name: name.clone(), rates: row.clone() };
    let layer = |row: &Vec<f64>| LayerEnergy {
        name: name.clone(),
        kind: name.clone(),
        input_density: row[0],
        dense: row[row.len() / 2],
        ac: row[row.len() - 1],
        mac: row[0],
    };
    let layers = vec![LayerSpikes { name: name.clone(), neurons: side, spikes }];
    let maps = vec![AttentionMap { block: name.clone(), received: grid.clone() }];
    Report {
        run: Run { system: name.clone(), command: name.clone(), ..Run::default() },
        epochs: (0..values.len()).map(epoch).collect(),
        confusion: Some(Confusion { classes: vec![name.clone()], counts }),
        firing_rates: Some(FiringRates { samples: side, layers: grid.iter().map(rates).collect() }),
        raster: Some(SpikeRaster { sample: sample.clone(), layers }),
        attention: vec![AttentionSample { sample, maps }],
        energy: Some(Energy {
            costs: Costs { mac_pj: at(0), ac_pj: at(1) },
            source: name.clone(),
            samples: side,
            layers: grid.iter().map(layer).collect(),
            excluded: vec![name.clone()],
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_data_gives_a_whole_page(
        name in any::<String>(),
        values in vec(any_number(), 0..40),
        counts in vec(vec(any::<u64>(), 0..5), 0..5),
        spikes in vec(vec(any::<u8>(), 0..6), 0..6),
        image in (0usize..5, 0usize..5),
    ) {
        let html = render(&filled(&name, &values, counts, spikes, image));
        assert_balanced(&html);
        let page = html.split("</style>").nth(1).unwrap();
        let coordinates = ["x", "y", "width", "height", "d", "viewBox", "transform"];
        for value in coordinates.iter().flat_map(|name| attribute(page, name)) {
            prop_assert!(!value.contains("NaN") && !value.contains("inf"), "{}", value);
        }
    }
}
