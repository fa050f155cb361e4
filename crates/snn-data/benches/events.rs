//! Reading files of events into memory, and making frames of them.
//!
//! Files of ten million events and of the sizes that datasets have are written to the folder
//! `SNN_BENCH_DIR`, or to one below the system's temporary folder. Recordings that lie in it
//! already are read too. `rivals.py` times tonic and SpikingJelly on the same files.

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

/// Reads a file batch by batch with bounded memory; returns the number of events.
fn stream(path: &Path, batch: &mut Vec<Event>) -> usize {
    let mut reader = Reader::open(path).unwrap();
    let mut count = 0;
    batch.clear();
    while reader.read(batch).unwrap() {
        count += black_box(&*batch).len();
        batch.clear();
    }
    count
}

/// Reads a file into memory that served the file before.
fn again(path: &Path, events: &mut Vec<Event>) {
    events.clear();
    Reader::open(path).unwrap().read_rest(events).unwrap();
}

/// What makes the bytes of a file.
type Format = fn(&[Event]) -> Vec<u8>;

/// Writes the files whose events we know.
fn write(dir: &Path) {
    let events = events();
    let written: [(&str, usize, Format); 8] = [
        ("cifar10-dvs-200k.aedat", 200_000, aedat2),
        ("ten-million.aedat", COUNT, aedat2),
        ("gesture-3m-v3.aedat", 3_000_000, aedat3),
        ("ten-million-v3.aedat", COUNT, aedat3),
        ("n-mnist-4k.bin", 4_000, atis),
        ("n-caltech101-100k.bin", 100_000, atis),
        ("ten-million.bin", COUNT, atis),
        ("ten-million.dat", COUNT, dat),
    ];
    for (name, count, bytes) in written {
        let path = dir.join(name);
        std::fs::write(&path, bytes(&events[..count])).unwrap();
        let read = snn_data::events::read(&path).unwrap();
        assert_eq!(read.len(), count, "{name}");
        assert!(name.ends_with(".bin") || read == events[..count], "{name}");
    }
}

fn reading(c: &mut Criterion) {
    let dir = folder();
    write(&dir);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut group = c.benchmark_group("read");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    let mut events = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        group.throughput(Throughput::Bytes(path.metadata().unwrap().len()));
        let new = || snn_data::events::read(&path).unwrap();
        group.bench_function(format!("{name}, into new memory"), |b| b.iter(new));
        let kept = format!("{name}, into kept memory");
        group.bench_function(kept, |b| b.iter(|| again(&path, &mut events)));
        let batches = format!("{name}, in batches");
        group.bench_function(batches, |b| b.iter(|| stream(&path, &mut events)));
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
