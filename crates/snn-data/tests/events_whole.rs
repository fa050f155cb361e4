//! A file of some megabytes read whole, which threads share, gives what it gives batch by batch.

use snn_data::events::{
    Event, Format, Options, Reader, Sensor,
    frames::{Framing, Slicing},
};
use std::path::Path;

/// A few megabytes of records that are all kinds of odd here and there.
fn bytes(start: &[u8], rare: impl Fn(u64, &mut [u8; 8]), size: usize) -> Vec<u8> {
    let mut bytes = start.to_vec();
    for i in 0..500_000u64 {
        let mut record = (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8).to_le_bytes();
        rare(i, &mut record);
        bytes.extend(&record[..size]);
    }
    bytes.extend(&[0; 3]);
    bytes
}

/// Times that rise and start again once, and an external event now and then.
fn aedat2() -> Vec<u8> {
    let rule = |i: u64, record: &mut [u8; 8]| {
        record[2] &= if i.is_multiple_of(70_000) { 0xff } else { 0x7f };
        let t = (i as u32).wrapping_mul(20_000);
        record[4..].copy_from_slice(&t.to_be_bytes());
    };
    bytes(b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n", rule, 8)
}

fn aedat3() -> Vec<u8> {
    let mut bytes = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n".to_vec();
    for packet in 0..200u32 {
        // Every ninth packet is of another kind.
        bytes.extend([u8::from(packet % 9 != 0), 0, 1, 0]);
        for word in [8, 4, packet / 50, 3000, 3000, 3000] {
            bytes.extend(u32::to_le_bytes(word));
        }
        let records = (0..3000u32).flat_map(|i| [i.wrapping_mul(0x9e37_79b9), i * packet]);
        bytes.extend(records.flat_map(u32::to_le_bytes));
    }
    bytes
}

fn streamed(path: &Path, options: &Options) -> (Vec<Event>, u64, u64) {
    let mut reader = Reader::open_with(path, options).unwrap();
    let mut events = Vec::new();
    while reader.read(&mut events).unwrap() {}
    (events, reader.skipped(), reader.trailing())
}

#[test]
fn whole_files_and_batches_agree() {
    let dir = tempfile::tempdir().unwrap();
    let marks = |i: u64, record: &mut [u8; 8]| record[1] &= if i > 300_000 { 0xff } else { 0x7f };
    let dat = b"% Data file containing Event2D events.\n% Version 2\n\x00\x08";
    for (format, bytes) in [
        (Format::Aedat2, aedat2()),
        (Format::Aedat3, aedat3()),
        (Format::Atis, bytes(b"", marks, 5)),
        (Format::Dat, bytes(dat, |_, _| {}, 8)),
    ] {
        let path = dir.path().join(format.name());
        std::fs::write(&path, &bytes).unwrap();
        for atis_overflow in [false, true] {
            let options = Options { format: Some(format), atis_overflow, ..Options::default() };
            let batches = streamed(&path, &options);
            assert!(batches.0.len() > 400_000, "{format}");
            let mut reader = Reader::open_with(&path, &options).unwrap();
            let mut events = vec![Event::default()];
            reader.read_rest(&mut events).unwrap();
            assert!(events[1..] == batches.0, "{format}");
            assert_eq!((reader.skipped(), reader.trailing()), (batches.1, batches.2), "{format}");
            let memory = Reader::from_bytes(&path, bytes.clone(), format, &options);
            assert!(memory.unwrap().read_all().unwrap() == batches.0, "{format}");
        }
    }
}

#[test]
fn a_file_cut_while_it_is_read_ends_there() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dat = b"% Data file containing Event2D events.\n% Version 2\n\x00\x08";
    std::fs::write(file.path(), bytes(dat, |_, _| {}, 8)).unwrap();
    let options = Options { format: Some(Format::Dat), ..Options::default() };
    let mut reader = Reader::open_with(file.path(), &options).unwrap();
    file.as_file().set_len(1_000_001).unwrap();
    let events = reader.read_all().unwrap();
    assert_eq!(events.len(), (1_000_001 - dat.len()) / 8);
}

#[test]
fn pixels_count_further_than_a_byte() {
    let event = |i: i64| Event::new(i, (i % 1000 == 0).into(), 0, true);
    let events: Vec<Event> = (0..2000).map(event).collect();
    let framing = Framing::new(Slicing::Number { frames: 2 }, Sensor::new(2, 1));
    let frames = framing.frames(&events).unwrap();
    assert_eq!(frames.values(), [0., 0., 999., 1., 0., 0., 999., 1.]);
    let mut last = vec![7.0; 8];
    framing.write(&events, &mut last).unwrap();
    assert_eq!(last, [0., 999., 0., 1., 0., 999., 0., 1.]);
}

#[test]
fn the_first_fall_of_time_is_told_wherever_it_is() {
    for place in [1, 65_535, 65_536, 65_537, 199_999] {
        let mut events: Vec<Event> = (0..200_000).map(|t| Event::new(t, 0, 0, false)).collect();
        events[place] = events[place].with_t(-1);
        let framing = Framing::new(Slicing::Time { frames: 2 }, Sensor::new(1, 1));
        let error = framing.frames(&events).unwrap_err().to_string();
        assert!(error.starts_with(&format!("event {place} at -1 us comes before")), "{error}");
    }
}
