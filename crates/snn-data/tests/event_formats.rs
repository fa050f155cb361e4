//! Every format: files that other programs wrote (`scripts/event_files.py`) and files written here
//! from the published layouts.

use snn_data::{
    DataError,
    events::{
        Event, EventDigest, EventError, Format, Options, Reader, Sensor, SpikeFile, frames::Frames,
        sets::boxes,
    },
    inspect::{Inspection, inspect},
};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// The generator of the scripts.
fn generator(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    }
}

fn events() -> Vec<Event> {
    let (mut draw, mut t) = (generator(9), 0);
    let mut event = || {
        t += draw(700) as i64;
        Event::new(t, draw(23) as u16, draw(17) as u16, draw(2) == 1)
    };
    (0..300).map(|_| event()).collect()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events").join(name)
}

fn parse(format: Format, bytes: &[u8]) -> Result<Vec<Event>, EventError> {
    let path = Path::new("written.here");
    Reader::from_bytes(path, bytes.to_vec(), format, &Options::default())?.read_all()
}

#[test]
fn files_of_other_programs_hold_the_same_events() {
    for (name, format) in [
        ("dat.dat", Format::Dat),
        ("evt2.raw", Format::Evt2),
        ("evt3.raw", Format::Evt3),
        ("spikingjelly.npz", Format::Npz),
        ("stored.npz", Format::Npz),
        ("fields.npy", Format::Npy),
        ("tonic.npy", Format::Npy),
        ("packed.mat", Format::Mat),
        ("plain.mat", Format::Mat),
    ] {
        let mut reader = Reader::open(&data(name)).unwrap();
        assert_eq!(reader.format(), format, "{name}");
        let mut found = reader.read_all().unwrap();
        if name == "tonic.npy" {
            // Milliseconds times 1000 may fall a hair short of the microsecond.
            for (e, want) in found.iter_mut().zip(events()) {
                assert!((0..=1).contains(&(want.t() - e.t())), "{} and {}", want.t(), e.t());
                *e = e.with_t(want.t());
            }
        }
        let mut want = events();
        if name == "evt3.raw" {
            want.retain(|e| e.t() < 4096);
            assert_eq!(want.len(), 11);
        }
        assert!(found == want, "{name}: {} events, expected {}", found.len(), want.len());
    }
}

#[test]
fn spike_trains_of_h5py_are_read() {
    for (name, unit) in [("half.h5", 11), ("single.h5", 24), ("latest.h5", 53)] {
        let file = SpikeFile::open(&data(name)).unwrap();
        assert_eq!(file.len(), 9);
        let mut draw = generator(5);
        let mut all = Vec::new();
        for i in 0..9 {
            let length = if i == 3 { 0 } else { 5 + draw(20) };
            let mut ticks = 0;
            // Times in 1024ths of a second; half precision keeps eleven bits of them.
            let times: Vec<i64> = (0..length)
                .map(|_| {
                    ticks += draw(64);
                    let bits = 64 - ticks.leading_zeros();
                    let step = 1u64 << bits.saturating_sub(unit);
                    let (down, rest) = (ticks / step, ticks % step);
                    let up = 2 * rest > step || (2 * rest == step && down % 2 == 1);
                    ((down + u64::from(up)) * step) as i64 * 1_000_000 / 1024
                })
                .collect();
            let units: Vec<u16> = (0..length).map(|_| draw(700) as u16).collect();
            let want: Vec<Event> =
                times.iter().zip(&units).map(|(&t, &x)| Event::new(t, x, 0, true)).collect();
            assert_eq!(file.read(i).unwrap(), want, "{name}, recording {i}");
            assert_eq!(file.labels()[i] as u64, draw(20), "{name}, recording {i}");
            all.extend(want);
        }
        assert_eq!(Reader::open(&data(name)).unwrap().read_all().unwrap(), all);
    }
}

#[test]
fn frames_and_boxes_of_numpy_are_read() {
    let frames = Frames::read_npz(&data("frames.npz")).unwrap();
    assert_eq!(frames.shape(), [4, 2, 17, 23]);
    let slicing = snn_data::events::frames::Slicing::Number { frames: 4 };
    let sensor = Sensor::new(23, 17);
    let framing = snn_data::events::frames::Framing::new(slicing, sensor);
    assert_eq!(frames, framing.frames(&events()).unwrap());
    let found = inspect(&data("frames.npz"), &Options::default()).unwrap();
    assert_eq!(found, Inspection::Frames { shape: [4, 2, 17, 23], events: 300.0 });

    let found = boxes::read(&data("boxes.npy")).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].t, found[0].x, found[0].height), (1000, 10.5, 40.25));
    assert_eq!((found[0].class, found[1].track), (1, Some(8)));
}

#[test]
fn aedat2_of_a_davis_and_of_a_wrapped_clock() {
    let mut bytes =
        b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n".to_vec();
    let mut word = |address: u32, t: i32| {
        bytes.extend(address.to_be_bytes());
        bytes.extend(t.to_be_bytes());
    };
    let polarity = |x: u32, y: u32, p: u32| y << 22 | x << 12 | p << 11;
    word(polarity(239, 179, 1), i32::MAX - 1);
    word(1 << 31 | 5, i32::MAX);
    word(1 << 10 | polarity(1, 1, 1), i32::MAX);
    // The clock starts again, then the camera's clock runs on from there.
    word(polarity(3, 2, 0), i32::MIN);
    word(polarity(0, 0, 0), 7);
    bytes.extend([1, 2, 3]);
    let options = Options::default();
    let path = Path::new("written.here");
    let mut reader = Reader::from_bytes(path, bytes, Format::Aedat2, &options).unwrap();
    let found = reader.read_all().unwrap();
    let base = i64::from(i32::MAX);
    assert_eq!(
        found,
        [
            Event::new(base - 1, 239, 179, true),
            Event::new(base + 1, 3, 2, false),
            Event::new((1 << 32) + 7, 0, 0, false),
        ]
    );
    assert_eq!((reader.skipped(), reader.trailing()), (2, 3));
    assert_eq!(reader.sensor(), Some(Sensor::new(240, 180)));
    assert!(reader.notes()[0].contains("clock started again"));
}

#[test]
fn an_address_that_looks_like_a_header_line_is_data() {
    // A DAVIS address whose first byte is `#`, followed by a line end somewhere.
    let address: u32 = 0x23 << 24 | 100 << 12;
    let mut bytes = b"#!AER-DAT2.0\r\n# AEChip: Davis346blue\r\n".to_vec();
    bytes.extend(address.to_be_bytes());
    bytes.extend(10i32.to_be_bytes());
    let found = parse(Format::Aedat2, &bytes).unwrap();
    assert_eq!(found, [Event::new(10, 100, 140, false)]);
}

/// A packet of AEDAT 3.1.
fn packet(kind: u16, size: u32, overflow: u32, events: &[(u32, u32)]) -> Vec<u8> {
    let count = events.len() as u32;
    let mut bytes = Vec::new();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    for word in [size, 4, overflow, count, count, count] {
        bytes.extend(word.to_le_bytes());
    }
    for (data, t) in events {
        bytes.extend(data.to_le_bytes());
        bytes.extend(t.to_le_bytes());
        bytes.resize(bytes.len() + size as usize - 8, 0);
    }
    bytes
}

#[test]
fn aedat3_packets_of_all_kinds() {
    let event = |x: u32, y: u32, p: u32, valid: u32| x << 17 | y << 2 | p << 1 | valid;
    let mut bytes = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n".to_vec();
    bytes.extend(packet(0, 8, 0, &[(1, 2), (3, 4)]));
    bytes.extend(packet(1, 8, 0, &[(event(5, 6, 1, 1), 10), (event(7, 8, 0, 0), 11)]));
    bytes.extend(packet(1, 16, 1, &[(event(9, 10, 1, 1), 12)]));
    bytes.extend(packet(1, 8, 1, &[]));
    bytes.extend(&packet(1, 8, 0, &[(event(1, 1, 1, 1), 13), (event(2, 2, 0, 1), 14)])[..36]);
    let want = [
        Event::new(10, 5, 6, true),
        Event::new(11, 7, 8, false),
        Event::new((1 << 31) + 12, 9, 10, true),
        Event::new(13, 1, 1, true),
    ];
    assert_eq!(parse(Format::Aedat3, &bytes).unwrap(), want);
    let options = Options { drop_invalid: true, ..Options::default() };
    let path = Path::new("written.here");
    let mut reader = Reader::from_bytes(path, bytes, Format::Aedat3, &options).unwrap();
    assert_eq!(reader.read_all().unwrap(), [want[0], want[2], want[3]]);
    assert_eq!(reader.skipped(), 3);
    let mut wrong = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n".to_vec();
    wrong.extend(packet(1, 8, 0, &[]));
    wrong[33] = 9; // size of an event becomes 0x0908
    wrong[34] = 0xff;
    let error = parse(Format::Aedat3, &wrong).unwrap_err().to_string();
    assert!(error.contains("size of a polarity event at byte 32"), "{error}");
}

/// Bytes of a field in its table, and the vector behind it: number of elements, bytes.
type Field = (Vec<u8>, Option<(u32, Vec<u8>)>);

/// A FlatBuffer table.
fn table(fields: &[Field]) -> Vec<u8> {
    let vtable = 4 + 2 * fields.len();
    let mut entries = Vec::new();
    let mut body = vec![0; 4];
    for (bytes, _) in fields {
        body.resize(body.len().next_multiple_of(bytes.len().max(1)), 0);
        entries.push(if bytes.is_empty() { 0 } else { body.len() as u16 });
        body.extend(bytes);
    }
    let start = (4 + vtable).next_multiple_of(8);
    let mut out = (start as u32).to_le_bytes().to_vec();
    out.resize(start - vtable, 0);
    out.extend((vtable as u16).to_le_bytes());
    out.extend((body.len() as u16).to_le_bytes());
    entries.iter().for_each(|e| out.extend(e.to_le_bytes()));
    body[..4].copy_from_slice(&(vtable as i32).to_le_bytes());
    out.extend(&body);
    for ((_, vector), entry) in fields.iter().zip(&entries) {
        let Some((count, bytes)) = vector else { continue };
        let field = start + usize::from(*entry);
        out.resize(out.len().next_multiple_of(4), 0);
        let distance = (out.len() - field) as u32;
        out[field..field + 4].copy_from_slice(&distance.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(bytes);
    }
    out
}

fn sized(bytes: Vec<u8>) -> Vec<u8> {
    let mut out = (bytes.len() as u32).to_le_bytes().to_vec();
    out.extend(bytes);
    out
}

fn aedat4(compression: i32, pack: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let xml = r#"<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">
        <node name="0" path="/mainloop/Recorder/outInfo/0/"><attr key="typeIdentifier" type="string">FRME</attr></node>
        <node name="1" path="/mainloop/Recorder/outInfo/1/"><attr key="typeIdentifier" type="string">EVTS</attr>
        <node name="info" path="/mainloop/Recorder/outInfo/1/info/"><attr key="sizeX" type="int">23</attr>
        <attr key="sizeY" type="int">17</attr></node></node></node></dv>"#;
    let header = table(&[
        (compression.to_le_bytes().to_vec(), None),
        ((-1i64).to_le_bytes().to_vec(), None),
        (vec![0; 4], Some((xml.len() as u32, xml.as_bytes().to_vec()))),
    ]);
    let mut out = b"#!AER-DAT4.0\r\n".to_vec();
    out.extend(sized(header));
    let mut packet = |stream: i32, bytes: Vec<u8>| {
        out.extend(stream.to_le_bytes());
        out.extend(sized(bytes));
    };
    for events in events().chunks(70) {
        let rows = events.iter().flat_map(|e| {
            let mut row = e.t().to_le_bytes().to_vec();
            row.extend(e.x().to_le_bytes());
            row.extend(e.y().to_le_bytes());
            row.extend([u8::from(e.p()), 0, 0, 0]);
            row
        });
        packet(0, b"a frame that nobody reads".to_vec());
        let vector = Some((events.len() as u32, rows.collect()));
        packet(1, pack(sized(table(&[(vec![0; 4], vector)]))));
    }
    out
}

fn lz4(bytes: Vec<u8>) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: Vec<u8>) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(&bytes[..], ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn aedat4_of_every_compression() {
    for file in [aedat4(0, |b| b), aedat4(1, lz4), aedat4(2, lz4), aedat4(3, zstd), aedat4(4, zstd)]
    {
        let path = Path::new("written.aedat4");
        let mut reader =
            Reader::from_bytes(path, file, Format::Aedat4, &Options::default()).unwrap();
        assert_eq!(reader.read_all().unwrap(), events());
        assert_eq!(reader.sensor(), Some(Sensor::new(23, 17)));
        assert_eq!((reader.skipped(), reader.trailing()), (5, 0));
    }
}

#[test]
fn a_packet_that_unpacks_without_end_is_refused() {
    let bomb = vec![0; 65 << 20];
    let file = aedat4(1, |_| lz4(bomb.clone()));
    let error = parse(Format::Aedat4, &file).unwrap_err().to_string();
    assert!(error.contains("bytes unpacked"), "{error}");
}

#[test]
fn atis_with_and_without_clock_overflow() {
    let row = |x: u8, y: u8, p: u8, t: u32| {
        let t = t.to_be_bytes();
        [x, y, p << 7 | t[1], t[2], t[3]]
    };
    let bytes = [
        row(1, 2, 1, 0x7f_ffff),
        row(0, 240, 0, 5),
        row(3, 4, 0, 6),
        row(9, 240, 1, 0),
        row(5, 6, 1, 7),
    ]
    .concat();
    let plain = parse(Format::Atis, &bytes).unwrap();
    assert_eq!(plain.len(), 5);
    assert_eq!(plain[0], Event::new(0x7f_ffff, 1, 2, true));
    assert_eq!(plain[2], Event::new(6, 3, 4, false));
    let options = Options { atis_overflow: true, ..Options::default() };
    let mut reader = Reader::from_bytes(Path::new("a.bin"), bytes, Format::Atis, &options).unwrap();
    let times: Vec<i64> = reader.read_all().unwrap().iter().map(|e| e.t()).collect();
    assert_eq!(times, [0x7f_ffff, 6 + 8192, 7 + 2 * 8192]);
    assert_eq!(reader.skipped(), 2);
}

#[test]
fn evt2_times_go_on_after_the_clock_wraps() {
    let mut bytes = b"% evt 2.0\n% geometry 640x480\n".to_vec();
    let cd = |p: u32, t: u32, x: u32, y: u32| p << 28 | t << 22 | x << 11 | y;
    for word in [
        cd(1, 1, 1, 1), // no time yet
        0x8 << 28 | 0x0fff_ffff,
        cd(1, 63, 639, 479),
        0xa << 28,
        0x8 << 28 | 1,
        cd(0, 2, 3, 4),
    ] {
        bytes.extend(u32::to_le_bytes(word));
    }
    let path = Path::new("a.raw");
    let mut reader = Reader::from_bytes(path, bytes, Format::Evt2, &Options::default()).unwrap();
    let want = [Event::new((1 << 34) - 1, 639, 479, true), Event::new((1 << 34) + 66, 3, 4, false)];
    assert_eq!(reader.read_all().unwrap(), want);
    assert_eq!((reader.skipped(), reader.sensor()), (2, Some(Sensor::new(640, 480))));
}

#[test]
fn evt3_vectors_and_wraps() {
    let mut bytes = b"% format EVT3;height=720;width=1280\n% end\n".to_vec();
    for word in [
        0x2005, // an event before the clock is known
        0x8fff, 0x6ffe, // time high, time low
        0x0064, // row 100
        0x2805, // column 5, ON
        0x3010, // base column 16, OFF
        0x4803, // columns 16, 17 and 27
        0x5081, // columns 28 and 35
        0x8000, 0x6003, // the clock starts again
        0x2007, 0xa000, // a trigger
        0x37ff, 0x5001, // the last column
    ] {
        bytes.extend(u16::to_le_bytes(word));
    }
    let path = Path::new("a.raw");
    let mut reader =
        Reader::from_bytes(path, bytes.clone(), Format::Evt3, &Options::default()).unwrap();
    let t = (1 << 24) - 2;
    let at = |t, x, p| Event::new(t, x, 100, p);
    let mut want = vec![at(t, 5, true)];
    want.extend([16, 17, 27, 28, 35].map(|x| at(t, x, false)));
    want.extend([at((1 << 24) + 3, 7, false), at((1 << 24) + 3, 2047, false)]);
    assert_eq!(reader.read_all().unwrap(), want);
    assert_eq!((reader.skipped(), reader.sensor()), (2, Some(Sensor::new(1280, 720))));
    bytes.extend(0x5001u16.to_le_bytes());
    let error = parse(Format::Evt3, &bytes).unwrap_err().to_string();
    assert!(error.contains("column of a vector event") && error.contains("2048"), "{error}");
}

#[test]
fn event_stream_of_an_atis() {
    let mut bytes = b"Event Stream\x02\x00\x00\x02\x20\x00\x10\x00".to_vec();
    bytes.extend([0b1010, 31, 0, 15, 0]); // 2 us later, ON
    bytes.extend([0xff]); // 3 x 63 us pass
    bytes.extend([0b100, 1, 0, 2, 0]); // 1 us later, OFF
    bytes.extend([0b1, 1, 0, 2, 0]); // exposure, no change
    let want = [Event::new(2, 31, 15, true), Event::new(192, 1, 2, false)];
    assert_eq!(parse(Format::EventStream, &bytes).unwrap(), want);
    bytes.extend([0, 32, 0, 0, 0]);
    let error = parse(Format::EventStream, &bytes).unwrap_err().to_string();
    assert!(error.contains("(32, 0)") && error.contains("32x16"), "{error}");
}

/// The bytes of a `.npy` file of rows x, y, p, t.
fn npy(x: u16, y: u16, p: u16, t: u16) -> Vec<u8> {
    let header = "{'descr': [('x', '<u2'), ('y', '<u2'), ('p', '<u2'), ('t', '<u2')], \
                  'fortran_order': False, 'shape': (1,)}\n";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend([x, y, p, t].map(u16::to_le_bytes).as_flattened());
    bytes
}

#[test]
fn a_row_that_no_event_can_have_is_told() {
    let stream = |y: u16| {
        // The largest sensor that the header can name.
        let mut bytes = b"Event Stream\x02\x00\x00\x01\xff\xff\xff\xff\x0b\x07\x00".to_vec();
        bytes.extend(y.to_le_bytes());
        bytes
    };
    let text = |y: u16| format!("5 7 {y} 1\n").into_bytes();
    let files = |y| {
        [(Format::EventStream, stream(y)), (Format::Text, text(y)), (Format::Npy, npy(7, y, 1, 5))]
    };
    for (format, bytes) in files(Event::LAST_ROW) {
        let found = parse(format, &bytes).unwrap();
        assert_eq!(found, [Event::new(5, 7, Event::LAST_ROW, true)], "{format:?}");
    }
    for (format, bytes) in files(Event::LAST_ROW + 1) {
        let error = parse(format, &bytes).unwrap_err();
        assert!(matches!(error, EventError::Corrupt { .. }), "{format:?}: {error}");
    }
}

#[test]
fn text_in_all_its_dialects() {
    let want = [Event::new(1500, 3, 4, true), Event::new(2000, 5, 6, false)];
    for text in [
        "0.0015 3 4 1\n0.002 5 6 0\n",
        "1500 3 4 1\n2000 5 6 -1",
        "# a comment\n34 34\n1500\t3\t4\t1\r\n\r\n2000,5,6,False\n",
        "t,x,y,p\n1500.0e,3,4,1\n",
        "t,x,y,p\n0.0015,3.0,4.0,1\n0.002,5,6,0\n",
    ] {
        match parse(Format::Text, text.as_bytes()) {
            Ok(found) => assert_eq!(found, want, "{text}"),
            Err(error) => {
                assert!(text.contains('e') && error.to_string().contains("1500.0e"), "{error}");
            }
        }
    }
    let error = parse(Format::Text, b"1 2 3 1\nnot an event\n").unwrap_err().to_string();
    assert!(error.contains("line at byte 8") && error.contains("not an event"), "{error}");
}

#[test]
fn what_is_no_recording_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let error = Reader::open(&write("a.xyz", b"\x00\x01\x02 nothing")).map(|_| ()).unwrap_err();
    assert!(matches!(error, EventError::UnknownFormat { .. }));
    assert!(error.to_string().contains("aedat2, aedat3"), "{error}");
    assert!(matches!(Reader::open(&dir.path().join("no.bin")), Err(EventError::Io { .. })));
    for (name, bytes) in [
        ("a.npz", &b"PK\x03\x04 but no archive"[..]),
        ("a.h5", b"\x89HDF\r\n\x1a\n and nothing else"),
        ("a.npy", b"\x93NUMPY\x01\x00\xff\xff"),
        ("a.mat", b"MATLAB 5.0 and nothing else"),
        ("a.aedat4", b"#!AER-DAT4.0\r\n\xff\xff\xff\xff"),
        ("a.es", b"Event Stream\x01\x00\x00\x01\x00\x00\x00\x00"),
        ("a.dat", b"% Data file containing\n\x05\x08"),
    ] {
        let error = inspect(&write(name, bytes), &Options::default()).unwrap_err();
        let DataError::Events(error) = error else { panic!("{name}: {error}") };
        assert!(matches!(error, EventError::Corrupt { .. }), "{name}: {error}");
        assert!(error.to_string().contains(name) && !error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn inspection_counts_and_sums() {
    let found = inspect(&data("evt2.raw"), &Options::default()).unwrap();
    let Inspection::Events(file) = found else { panic!("no events") };
    let events = events();
    let mut digest = EventDigest::default();
    digest.update(&events);
    assert_eq!(file.sha256_txyp_i64le, digest.finish());
    assert_eq!((file.events, file.on + file.off, file.monotonic), (300, 300, true));
    assert_eq!((file.t_first, file.t_last), (Some(events[0].t()), Some(events[299].t())));
    // gzip is seen through.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("packed.raw.gz");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&std::fs::read(data("evt2.raw")).unwrap()).unwrap();
    std::fs::write(&path, gz.finish().unwrap()).unwrap();
    let Inspection::Events(packed) = inspect(&path, &Options::default()).unwrap() else {
        panic!("no events")
    };
    assert!(packed.gzip);
    assert_eq!(packed.sha256_txyp_i64le, file.sha256_txyp_i64le);
}
