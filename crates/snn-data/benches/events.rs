//! Reading files of events into memory, and making frames of them.
//!
//! Files of ten million events and of the sizes that datasets have are written to the folder
//! `SNN_BENCH_DIR`, or to one below the system's temporary folder. Recordings that lie in it
//! already are read too.
//!
//! `rivals.py` times tonic, SpikingJelly and this crate by turns. For that the benchmark, given the
//! word `beside`, does what the lines of its input say and answers with the time that each took.

use criterion::{Criterion, Throughput, criterion_group};
use rayon::prelude::*;
use snn_data::events::{
    Event, EventDigest, Reader, Sensor,
    frames::{Framing, Slicing},
};
use std::{
    fmt::Display,
    hint::black_box,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const COUNT: usize = 10_000_000;

/// Events at random places of a DVS128, one every other microsecond or so.
fn events() -> Vec<Event> {
    let (mut state, mut t) = (1u64, 0i64);
    let event = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let h = state >> 33;
        t += (h >> 20 & 3) as i64;
        Event::new(t, (h & 127) as u16, (h >> 7 & 127) as u16, h >> 14 & 1 == 1)
    };
    (0..COUNT).map(event).collect()
}

fn aedat2(events: &[Event]) -> Vec<u8> {
    let mut bytes = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n".to_vec();
    for e in events {
        let address = u32::from(e.y()) << 8 | u32::from(e.x()) << 1 | u32::from(!e.p());
        bytes.extend(address.to_be_bytes());
        bytes.extend((e.t() as i32).to_be_bytes());
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
            let data = u32::from(e.x()) << 17 | u32::from(e.y()) << 2 | u32::from(e.p()) << 1 | 1;
            bytes.extend(data.to_le_bytes());
            bytes.extend((e.t() as u32).to_le_bytes());
        }
    }
    bytes
}

fn atis(events: &[Event]) -> Vec<u8> {
    let row = |e: &Event| {
        let t = (e.t() as u32 & 0x7f_ffff).to_be_bytes();
        [e.x() as u8, e.y() as u8, u8::from(e.p()) << 7 | t[1], t[2], t[3]]
    };
    events.iter().flat_map(row).collect()
}

fn dat(events: &[Event]) -> Vec<u8> {
    let mut bytes = b"% Data file containing Event2D events.\n% Version 2\n\x00\x08".to_vec();
    for e in events {
        let data = u32::from(e.x()) | u32::from(e.y()) << 14 | u32::from(e.p()) << 28;
        bytes.extend((e.t() as u32).to_le_bytes());
        bytes.extend(data.to_le_bytes());
    }
    bytes
}

/// What came of `what`; a file or a line that is no good ends the program with one line.
fn good<T, E: Display>(what: impl Display, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("error: {what}: {error}");
        std::process::exit(1)
    })
}

fn folder() -> PathBuf {
    let dir = std::env::var_os("SNN_BENCH_DIR")
        .map_or_else(|| std::env::temp_dir().join("snn-data-bench"), PathBuf::from);
    good(dir.display(), std::fs::create_dir_all(&dir));
    dir
}

/// Reads a file batch by batch with bounded memory, and shows every batch to `see`.
fn stream(path: &Path, batch: &mut Vec<Event>, mut see: impl FnMut(&[Event])) {
    let mut reader = good(path.display(), Reader::open(path));
    batch.clear();
    while good(path.display(), reader.read(batch)) {
        see(batch);
        batch.clear();
    }
}

/// Reads the bytes of a file and does nothing with them: what no reader can beat.
fn copy(path: &Path, buffer: &mut Vec<u8>) {
    let mut file = good(path.display(), std::fs::File::open(path));
    buffer.resize(256 << 10, 0);
    while good(path.display(), file.read(buffer)) > 0 {
        black_box(&buffer);
    }
}

/// Reads events in memory and does next to nothing with them: what no frames can beat.
fn look(events: &[Event]) {
    let all = |events: &[Event]| events.iter().fold(0, |all, event| all | event.x());
    black_box(events.par_chunks(1 << 16).map(all).reduce(|| 0, |a, b| a | b));
}

/// Keeps the compiler from leaving out what nobody looks at.
fn seen(events: &[Event]) {
    black_box(events);
}

/// Reads a file into memory that served the file before.
fn again(path: &Path, events: &mut Vec<Event>) {
    events.clear();
    let mut reader = good(path.display(), Reader::open(path));
    good(path.display(), reader.read_rest(events));
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
        good(path.display(), std::fs::write(&path, bytes(&events[..count])));
        let read = good(path.display(), snn_data::events::read(&path));
        assert_eq!(read.len(), count, "{name}");
        assert!(name.ends_with(".bin") || read == events[..count], "{name}");
    }
}

fn reading(c: &mut Criterion) {
    let dir = folder();
    write(&dir);
    let entries = good(dir.display(), std::fs::read_dir(&dir));
    let mut files: Vec<PathBuf> = entries.map(|entry| good(dir.display(), entry).path()).collect();
    files.sort();
    let mut group = c.benchmark_group("read");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    let mut events = Vec::new();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        group.throughput(Throughput::Bytes(good(path.display(), path.metadata()).len()));
        let new = || good(path.display(), snn_data::events::read(&path));
        group.bench_function(format!("{name}, into new memory"), |b| b.iter(new));
        let kept = format!("{name}, into kept memory");
        group.bench_function(kept, |b| b.iter(|| again(&path, &mut events)));
        let batches = format!("{name}, in batches");
        group.bench_function(batches, |b| b.iter(|| stream(&path, &mut events, seen)));
    }
    group.finish();
}

const SLICINGS: [(&str, Slicing); 3] = [
    ("number", Slicing::Number { frames: 16 }),
    ("time", Slicing::Time { frames: 16 }),
    ("duration", Slicing::Duration { us: 1_000_000 }),
];

fn framing(c: &mut Criterion) {
    let events = events();
    let mut group = c.benchmark_group("frames of 10^7 events");
    group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
    for (name, slicing) in SLICINGS {
        let framing = Framing::new(slicing, Sensor::new(128, 128));
        let sum: f64 =
            good("frames", framing.frames(&events)).values().iter().map(|&v| f64::from(v)).sum();
        assert_eq!(sum, COUNT as f64, "{name}");
        group.bench_function(name, |b| b.iter(|| good("frames", framing.frames(&events))));
    }
    group.finish();
}

/// Answers each line of the input, `read PATH` or `frames RULE`, with times in seconds.
fn beside() {
    let events = events();
    let (mut kept, mut buffer) = (Vec::new(), Vec::new());
    let timed = |work: &mut dyn FnMut()| {
        // Threads that were asleep share a core until the system spreads them.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(50) {
            work();
        }
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    for line in std::io::stdin().lines() {
        let line = good("standard input", line);
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let path = Path::new(rest);
        match word {
            // The three forms give the same events; how many, and the sum of their times.
            "check" => {
                let new = good(path.display(), snn_data::events::read(path));
                let digest = |events: &[Event]| {
                    let mut digest = EventDigest::default();
                    digest.update(events);
                    digest.finish()
                };
                let want = digest(&new);
                again(path, &mut kept);
                assert_eq!(digest(&kept), want);
                let mut batches = EventDigest::default();
                stream(path, &mut kept, |batch| batches.update(batch));
                assert_eq!(batches.finish(), want);
                println!("{} {}", new.len(), new.iter().map(|e| e.t()).sum::<i64>());
            }
            "read" => {
                let new = timed(&mut || {
                    drop(black_box(good(path.display(), snn_data::events::read(path))))
                });
                let used = timed(&mut || again(path, &mut kept));
                let batches = timed(&mut || {
                    stream(path, &mut kept, seen);
                });
                let bytes = timed(&mut || copy(path, &mut buffer));
                println!("{new} {used} {batches} {bytes}");
            }
            "frames" => {
                let known = SLICINGS.into_iter().find(|(name, _)| *name == rest);
                let (_, slicing) = good(rest, known.ok_or("no such rule"));
                let framing = Framing::new(slicing, Sensor::new(128, 128));
                let frames =
                    timed(&mut || drop(black_box(good("frames", framing.frames(&events)))));
                let alone = timed(&mut || look(&events));
                println!("{frames} {alone}");
            }
            _ => good(&line, Err("neither check, read nor frames")),
        }
    }
}

criterion_group!(benches, reading, framing);

fn main() {
    if std::env::args().any(|argument| argument == "beside") {
        return beside();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
