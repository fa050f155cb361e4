//! Reading files of ten million events, and making frames of them.
//!
//! The files are written to the folder `SNN_BENCH_DIR`, or to one below the system's temporary
//! folder, where `rivals.py` times tonic and SpikingJelly on the same files.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use snn_data::events::{
    Event, Reader, Sensor,
    frames::{Framing, Slicing},
};
use std::{
    hint::black_box,
    path::{Path, PathBuf},
    time::Duration,
};

const COUNT: usize = 10_000_000;

/// Events at random places of a DVS128, one every other microsecond or so.
fn events() -> Vec<Event> {
    let (mut state, mut t) = (1u64, 0i64);
    let event = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let h = state >> 33;
        t += (h >> 20 & 3) as i64;
        Event { t, x: (h & 127) as u16, y: (h >> 7 & 127) as u16, p: h >> 14 & 1 == 1 }
    };
    (0..COUNT).map(event).collect()
}

fn aedat2(events: &[Event]) -> Vec<u8> {
    let mut bytes = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n".to_vec();
    for e in events {
        let address = u32::from(e.y) << 8 | u32::from(e.x) << 1 | u32::from(!e.p);
        bytes.extend(address.to_be_bytes());
        bytes.extend((e.t as i32).to_be_bytes());
    }
    bytes
}

fn aedat3(events: &[Event]) -> Vec<u8> {
    let mut bytes = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n".to_vec();
    // Packets of the size that DVS128 Gesture has.
    for packet in events.chunks(8192) {
        bytes.extend([1, 0, 1, 0]);
        let count = packet.len() as u32;
        for word in [8, 4, 0, count, count, count] {
            bytes.extend(u32::to_le_bytes(word));
        }
        for e in packet {
            let data = u32::from(e.x) << 17 | u32::from(e.y) << 2 | u32::from(e.p) << 1 | 1;
            bytes.extend(data.to_le_bytes());
            bytes.extend((e.t as u32).to_le_bytes());
        }
    }
    bytes
}

fn atis(events: &[Event]) -> Vec<u8> {
    let row = |e: &Event| {
        let t = (e.t as u32 & 0x7f_ffff).to_be_bytes();
        [e.x as u8, e.y as u8, u8::from(e.p) << 7 | t[1], t[2], t[3]]
    };
    events.iter().flat_map(row).collect()
}

fn dat(events: &[Event]) -> Vec<u8> {
    let mut bytes = b"% Data file containing Event2D events.\n% Version 2\n\x00\x08".to_vec();
    for e in events {
        let data = u32::from(e.x) | u32::from(e.y) << 14 | u32::from(e.p) << 28;
        bytes.extend((e.t as u32).to_le_bytes());
        bytes.extend(data.to_le_bytes());
    }
    bytes
}

fn folder() -> PathBuf {
    let dir = std::env::var_os("SNN_BENCH_DIR")
        .map_or_else(|| std::env::temp_dir().join("snn-data-bench"), PathBuf::from);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Reads a file batch by batch, as a loader does; returns the number of events and the last time.
fn stream(path: &Path) -> (usize, i64) {
    let mut reader = Reader::open(path).unwrap();
    let (mut batch, mut count, mut last) = (Vec::new(), 0, 0);
    while reader.read(&mut batch).unwrap() {
        count += batch.len();
        last = black_box(&batch)[batch.len() - 1].t;
        batch.clear();
    }
    (count, last)
}

fn reading(c: &mut Criterion) {
    let (events, dir) = (events(), folder());
    let mut group = c.benchmark_group("read 10^7 events");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, bytes) in [
        ("ten_million.aedat", aedat2(&events)),
        ("ten_million_v3.aedat", aedat3(&events)),
        ("ten_million.bin", atis(&events)),
        ("ten_million.dat", dat(&events)),
    ] {
        let path = dir.join(name);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(stream(&path).0, COUNT, "{name}");
        if name != "ten_million.bin" {
            assert_eq!(stream(&path).1, events[COUNT - 1].t, "{name}");
        }
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("{name}, in batches"), |b| b.iter(|| stream(&path)));
        let read = || snn_data::events::read(&path).unwrap();
        group.bench_function(format!("{name}, into one vector"), |b| b.iter(read));
    }
    group.finish();
}

fn framing(c: &mut Criterion) {
    let events = events();
    let mut group = c.benchmark_group("frames of 10^7 events");
    group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
    for (name, slicing) in [
        ("number, 16", Slicing::Number { frames: 16 }),
        ("time, 16", Slicing::Time { frames: 16 }),
        ("duration, 1 s", Slicing::Duration { us: 1_000_000 }),
    ] {
        let framing = Framing::new(slicing, Sensor::new(128, 128));
        let sum: f64 =
            framing.frames(&events).unwrap().values().iter().map(|&v| f64::from(v)).sum();
        assert_eq!(sum, COUNT as f64, "{name}");
        group.bench_function(name, |b| b.iter(|| framing.frames(&events).unwrap()));
    }
    group.finish();
}

criterion_group!(benches, reading, framing);
criterion_main!(benches);
