//! Real recordings, where they lie beside the workspace (`../shared/datasets/events`) or in the
//! folder that `SNN_DATA_DIR` names: every parser must give the counts and sums that two
//! independent programs gave.

use snn_data::events::{Address, EventDigest, Options, Reader};
use std::path::{Path, PathBuf};

fn recordings() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    let root = std::env::var_os("SNN_DATA_DIR").map_or(beside, PathBuf::from);
    let dir = root.join("events");
    if dir.join("expected.json").is_file() {
        return Some(dir);
    }
    eprintln!("skipped: no recordings in {}; set SNN_DATA_DIR", dir.display());
    None
}

fn range(values: impl Iterator<Item = u16> + Clone) -> [u64; 2] {
    [values.clone().min().unwrap().into(), values.max().unwrap().into()]
}

#[test]
fn every_recording_gives_the_expected_events() {
    let Some(dir) = recordings() else { return };
    let text = std::fs::read_to_string(dir.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for (name, want) in expected.as_object().unwrap().iter().filter(|(n, _)| *n != "_note") {
        let mut reader = Reader::open(&dir.join(name)).unwrap();
        let events = reader.read_all().unwrap();
        let number = |key: &str| want.get(key).map(|v| v.as_i64().unwrap());
        if let Some(count) = number("events") {
            assert_eq!(events.len() as i64, count, "{name}");
        }
        if let Some(words) = number("words") {
            assert_eq!(events.len() as i64 + reader.skipped() as i64, words, "{name}");
        }
        if let Some(trailing) = number("trailing_bytes") {
            assert_eq!(reader.trailing() as i64, trailing, "{name}");
        }
        if let Some(other) = number("not_polarity") {
            assert_eq!(reader.skipped() as i64, other, "{name}");
        }
        if let (Some(first), Some(last)) = (number("t_first"), number("t_last")) {
            assert_eq!([events[0].t(), events.last().unwrap().t()], [first, last], "{name}");
        }
        if let Some(on) = number("on") {
            assert_eq!(events.iter().filter(|e| e.p()).count() as i64, on, "{name}");
            let ranges = [range(events.iter().map(|e| e.x())), range(events.iter().map(|e| e.y()))];
            assert_eq!(serde_json::json!(ranges[0]), want["x"], "{name}");
            assert_eq!(serde_json::json!(ranges[1]), want["y"], "{name}");
            assert_eq!(events.is_sorted_by_key(|e| e.t()), want["monotonic"], "{name}");
        }
        if let (Some(width), Some(height)) = (number("width"), number("height")) {
            let sensor = reader.sensor().unwrap();
            let found = [sensor.width, sensor.height].map(i64::from);
            assert_eq!(found, [width, height], "{name}");
        }
        if let Some(sum) = want.get("sha256_txyp_i64le") {
            let mut digest = EventDigest::default();
            digest.update(&events);
            assert_eq!(digest.finish(), sum.as_str().unwrap(), "{name}");
        }
        checked += 1;
    }
    assert_eq!(checked, 19, "recordings in expected.json");
}

#[test]
fn a_cochlea_is_read_as_plain_addresses() {
    let Some(dir) = recordings() else { return };
    let options = Options { address: Some(Address::Plain), ..Options::default() };
    let path = dir.join("cochlea_vowelsounds.aedat.gz");
    let events = Reader::open_with(&path, &options).unwrap().read_all().unwrap();
    assert_eq!(range(events.iter().map(|e| e.x())), [1, 1023]);
}

#[test]
fn a_cut_recording_gives_its_beginning_and_an_error_or_trailing_bytes() {
    let Some(dir) = recordings() else { return };
    let whole = std::fs::read(dir.join("dvxplorer_lite_sample.aedat4")).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    let format = snn_data::events::Format::Aedat4;
    let mut reader =
        Reader::from_bytes(Path::new("cut.aedat4"), cut, format, &Options::default()).unwrap();
    let events = reader.read_all().unwrap();
    assert!(events.len() > 10_000 && events.len() < 111_954);
    assert!(reader.trailing() > 0);
}
