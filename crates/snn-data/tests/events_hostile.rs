//! No bytes make a parser of events panic, hang or take memory out of proportion: samples of every
//! format with flipped, cut, doubled and inserted bytes, and noise.

use proptest::{collection::vec, prelude::*, sample::Index};
use snn_data::{
    events::{Event, Format, Options, Reader, SpikeFile, frames::Frames, sets::boxes},
    inspect::inspect,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::Write,
    path::{Path, PathBuf},
};

/// Counts the bytes that this thread holds, and the most that it held.
struct Counting;

thread_local! {
    static HELD: Cell<[isize; 2]> = const { Cell::new([0; 2]) };
}

fn held(change: isize) {
    // A thread that ends may free what is left after its counter is gone.
    let _ = HELD.try_with(|held| {
        let [now, most] = held.get();
        held.set([now + change, most.max(now + change)]);
    });
}

// SAFETY: every call goes to the system's allocator as it came; the counter allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        held(layout.size() as isize);
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        held(-(layout.size() as isize));
        // SAFETY: the caller keeps the rules of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Most bytes that `work` held beyond what was held before.
fn most_held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let [before, _] = HELD.get();
    HELD.set([before; 2]);
    let result = work();
    let [_, most] = HELD.get();
    (result, (most - before) as usize)
}

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events").join(name);
    std::fs::read(path).unwrap()
}

/// A sample of every format that is read as a stream of bytes.
fn streams() -> Vec<(Format, Vec<u8>)> {
    let mut aedat2 =
        b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n".to_vec();
    let mut aedat3 = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n".to_vec();
    aedat3.extend([
        1, 0, 1, 0, 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 20, 0, 0, 0, 20, 0, 0, 0,
    ]);
    let mut atis = Vec::new();
    for i in 0..20u32 {
        aedat2.extend((i << 22 | i << 12 | 1 << 11).to_be_bytes());
        aedat2.extend((100 * i).to_be_bytes());
        aedat3.extend((i << 17 | i << 2 | 1).to_le_bytes());
        aedat3.extend((100 * i).to_le_bytes());
        atis.extend([i as u8, 240 - i as u8, i as u8, 0, 0]);
    }
    let mut dvs = b"Event Stream\x02\x00\x00\x01\x20\x00\x10\x00".to_vec();
    let mut atis_es = b"Event Stream\x02\x00\x00\x02\x20\x00\x10\x00".to_vec();
    let mut generic = b"Event Stream\x02\x00\x00\x00".to_vec();
    for i in 0..20 {
        dvs.extend([2 * i, i, 0, i % 16, 0, 0xff]);
        atis_es.extend([4 * i, i, 0, i % 16, 0, 0xfe]);
        generic.extend([i, 6, b'a', b'b', b'c']);
    }
    vec![
        (Format::Aedat2, aedat2),
        (Format::Aedat3, aedat3),
        (Format::Aedat4, aedat4()),
        (Format::Atis, atis),
        (Format::Dat, data("dat.dat")),
        (Format::Evt2, data("evt2.raw")),
        (Format::Evt3, data("evt3.raw")),
        (Format::EventStream, dvs),
        (Format::EventStream, atis_es),
        (Format::EventStream, generic),
        (Format::Text, b"# t x y p\n34 34\n0.001 1 2 1\n0.0025 3 4 0\n17 5 6 -1\n".to_vec()),
        (Format::Npy, data("fields.npy")),
        (Format::Npy, data("tonic.npy")),
        (Format::Mat, data("packed.mat")),
        (Format::Mat, data("plain.mat")),
    ]
}

/// One packet of four events, packed by LZ4. The header is a FlatBuffer written out by hand.
fn aedat4() -> Vec<u8> {
    let xml = br#"<dv><node name="outInfo"><node name="0"><attr key="typeIdentifier">EVTS</attr><node name="info"><attr key="sizeX">30</attr><attr key="sizeY">20</attr></node></node></node></dv>"#;
    let mut header = vec![16, 0, 0, 0, 0, 0, 10, 0, 12, 0, 4, 0, 0, 0, 8, 0];
    header.extend([10, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0]);
    header.extend((xml.len() as u32).to_le_bytes());
    header.extend(xml);
    let mut body = vec![12, 0, 0, 0, 0, 0, 6, 0, 8, 0, 4, 0, 6, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0];
    for i in 0..4u8 {
        body.extend([i, 0, 0, 0, 0, 0, 0, 0, i, 0, i, 0, i % 2, 0, 0, 0]);
    }
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&(body.len() as u32).to_le_bytes()).unwrap();
    lz4.write_all(&body).unwrap();
    let packet = lz4.finish().unwrap();
    let mut file = b"#!AER-DAT4.0\r\n".to_vec();
    file.extend((header.len() as u32).to_le_bytes());
    file.extend(header);
    file.extend(0u32.to_le_bytes());
    file.extend((packet.len() as u32).to_le_bytes());
    file.extend(packet);
    file
}

/// Reads everything and drops it, batch by batch; returns the number of events.
fn drain(format: Format, bytes: Vec<u8>, options: &Options) -> Option<usize> {
    let mut reader = Reader::from_bytes(Path::new("hostile"), bytes, format, options).ok()?;
    let (mut batch, mut count) = (Vec::<Event>::new(), 0);
    loop {
        let more = reader.read(&mut batch);
        count += batch.len();
        batch.clear();
        match more {
            Ok(true) => {}
            Ok(false) => return Some(count),
            Err(error) => {
                assert_eq!(error.to_string().lines().count(), 1);
                return None;
            }
        }
    }
}

/// Four times the input, and room for the fixed buffers: a piece of the file, a batch of events,
/// the blocks of the decompressors.
fn allowance(input: usize) -> usize {
    4 * input + (4 << 20)
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Set(Index, [u8; 4]),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Double(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let word = prop_oneof![
        any::<[u8; 4]>(),
        Just([0xff; 4]),
        Just([0xff, 0xff, 0xff, 0x7f]),
        Just([0; 4])
    ];
    prop_oneof![
        (any::<Index>(), 1u8..).prop_map(|(i, b)| Damage::Flip(i, b)),
        (any::<Index>(), word).prop_map(|(i, w)| Damage::Set(i, w)),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), vec(any::<u8>(), 1..40)).prop_map(|(i, b)| Damage::Insert(i, b)),
        (any::<Index>(), 1usize..40).prop_map(|(i, n)| Damage::Remove(i, n)),
        (any::<Index>(), 1usize..400).prop_map(|(i, n)| Damage::Double(i, n)),
    ]
}

fn damaged(mut bytes: Vec<u8>, all: &[Damage]) -> Vec<u8> {
    for damage in all {
        if bytes.is_empty() {
            break;
        }
        let n = bytes.len();
        match damage {
            Damage::Flip(i, mask) => bytes[i.index(n)] ^= mask,
            Damage::Set(i, word) => {
                bytes.iter_mut().skip(i.index(n)).zip(word).for_each(|(b, w)| *b = *w);
            }
            Damage::Cut(i) => bytes.truncate(i.index(n)),
            Damage::Insert(i, more) => {
                let at = i.index(n);
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Remove(i, count) => {
                let at = i.index(n);
                bytes.drain(at..n.min(at + count));
            }
            Damage::Double(i, count) => {
                let at = i.index(n);
                let part = bytes[at..n.min(at + count)].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// The same cases in every run; `SNN_FUZZ` makes it so many times more.
fn cases(count: u32) -> ProptestConfig {
    let times = std::env::var("SNN_FUZZ").ok().and_then(|v| v.parse().ok()).unwrap_or(1);
    let rng_seed = proptest::test_runner::RngSeed::Fixed(u64::from(times));
    ProptestConfig { cases: count * times, rng_seed, ..ProptestConfig::default() }
}

#[test]
fn the_samples_are_sound() {
    for (format, bytes) in streams() {
        let count = drain(format, bytes, &Options::default());
        assert!(count.is_some_and(|n| n >= 3), "{format}: {count:?}");
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn damaged_streams_do_no_harm(all in vec(damage(), 1..5), atis_overflow: bool, drop_invalid: bool) {
        for (format, sample) in streams() {
            let bytes = damaged(sample, &all);
            let size = bytes.len();
            let options = Options { atis_overflow, drop_invalid, ..Options::default() };
            let (count, most) = most_held(|| drain(format, bytes, &options));
            prop_assert!(most < allowance(size), "{}: {} bytes for {}", format, most, size);
            prop_assert!(count.unwrap_or(0) <= 16 * size, "{format}: {count:?}");
        }
    }

    #[test]
    fn noise_does_no_harm(noise in vec(any::<u8>(), 0..600), head in any::<Index>()) {
        for (format, sample) in streams() {
            // Noise alone, and noise behind a good beginning.
            let mut bytes = sample[..head.index(sample.len())].to_vec();
            bytes.extend(&noise);
            for bytes in [noise.clone(), bytes] {
                let size = bytes.len();
                let (_, most) = most_held(|| drain(format, bytes, &Options::default()));
                prop_assert!(most < allowance(size), "{}: {} bytes for {}", format, most, size);
            }
        }
    }

    #[test]
    fn any_file_is_inspected_or_refused(noise in vec(any::<u8>(), 0..300), pick in any::<Index>()) {
        let names = ["a.aedat", "a.bin", "a.dat", "a.raw", "a.txt", "a.npz", "a.h5", "a.mat", "a.gz"];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(names[pick.index(names.len())]);
        std::fs::write(&path, &noise).unwrap();
        if let Err(error) = inspect(&path, &Options::default()) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}

fn written(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn damaged_files_do_no_harm(all in vec(damage(), 1..4)) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["spikingjelly.npz", "stored.npz", "frames.npz"] {
            let bytes = damaged(data(name), &all);
            let size = bytes.len();
            let path = written(dir.path(), name, &bytes);
            let (_, most) = most_held(|| inspect(&path, &Options::default()).is_ok());
            // Deflate turns a byte into up to 1032, and frames are held whole.
            prop_assert!(most < 1032 * 4 * size + (16 << 20), "{}: {} bytes for {}", name, most, size);
            let _ = Frames::read_npz(&path);
        }
        let path = written(dir.path(), "boxes.npy", &damaged(data("boxes.npy"), &all));
        let (_, most) = most_held(|| boxes::read(&path).is_ok());
        prop_assert!(most < 16 << 20, "{} bytes", most);
        for name in ["half.h5", "latest.h5"] {
            let bytes = damaged(data(name), &all);
            let size = bytes.len();
            let path = written(dir.path(), name, &bytes);
            let (_, most) = most_held(|| {
                let Ok(file) = SpikeFile::open(&path) else { return };
                for i in 0..file.len() {
                    let _ = file.read(i);
                }
            });
            prop_assert!(most < allowance(size) + (256 << 20), "{}: {} bytes for {}", name, most, size);
        }
    }
}
