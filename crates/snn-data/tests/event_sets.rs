//! Datasets of events, in folders laid out here as published, through to batches of frames.

use snn_data::{
    Augment, DataError, EventSettings, FrameSize, Loader, LoaderConfig, Settings, Source, Sources,
    cache::Cache,
    events::{
        Event, Sensor,
        frames::{Framing, Slicing},
        sets::{Convention, EventFrames, EventSet, Part, Splitting, boxes},
        transform::{FrameAugment, FramePolicy},
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

fn put(path: PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Events of a sample that depend on `seed`.
fn events(seed: u64, count: u64, width: u64, height: u64) -> Vec<Event> {
    let event = |i| {
        let h: u64 = ((i + 1) * (seed + 3) * 2_654_435_761) >> 3;
        let (x, y) = ((h % width) as u16, (h / width % height) as u16);
        Event::new((100 * i + h % 90) as i64, x, y, h & 32 != 0)
    };
    (0..count).map(event).collect()
}

fn atis(events: &[Event]) -> Vec<u8> {
    let row = |e: &Event| {
        let t = (e.t() as u32).to_be_bytes();
        [e.x() as u8, e.y() as u8, u8::from(e.p()) << 7 | t[1], t[2], t[3]]
    };
    events.iter().flat_map(row).collect()
}

fn aedat2(events: &[Event]) -> Vec<u8> {
    let mut bytes = b"#!AER-DAT2.0\r\n# no chip is named, as in CIFAR10-DVS\r\n".to_vec();
    for e in events {
        let address = u32::from(e.y()) << 8 | u32::from(e.x()) << 1 | u32::from(!e.p());
        bytes.extend(address.to_be_bytes());
        bytes.extend((e.t() as i32).to_be_bytes());
    }
    bytes
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

fn aedat3(events: &[Event]) -> Vec<u8> {
    let mut bytes = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n".to_vec();
    bytes.extend([1, 0, 1, 0]);
    let count = events.len() as u32;
    for word in [8, 4, 0, count, count, count] {
        bytes.extend(u32::to_le_bytes(word));
    }
    for e in events {
        let data = u32::from(e.x()) << 17 | u32::from(e.y()) << 2 | u32::from(e.p()) << 1 | 1;
        bytes.extend(data.to_le_bytes());
        bytes.extend((e.t() as u32).to_le_bytes());
    }
    bytes
}

fn open(name: &str, dir: &Path, convention: Convention) -> Result<EventSet, DataError> {
    EventSet::open(name, dir, convention, Splitting::default())
}

#[test]
fn nmnist_is_found_and_framed() {
    let dir = tempfile::tempdir().unwrap();
    for digit in 0..10 {
        for (part, count) in [("Train", 3), ("Test", 1)] {
            for i in 0..count {
                let bytes = atis(&events(digit * 10 + i, 200, 34, 34));
                put(dir.path().join(format!("nmnist/{part}/{digit}/0000{i}.bin")), &bytes);
            }
        }
    }
    let set = Arc::new(open("nmnist", dir.path(), Convention::SpikingJelly).unwrap());
    assert_eq!((set.train.len(), set.test.len(), set.sensor), (30, 10, Sensor::new(34, 34)));
    assert_eq!(set.train[3].label, 1);
    assert_eq!(set.read(&set.test[7]).unwrap(), events(70, 200, 34, 34));
    assert!(set.split.sha256.is_none());

    let slicing = Slicing::Number { frames: 4 };
    let augment = FrameAugment::default();
    let frames =
        EventFrames::new(Arc::clone(&set), set.train.clone(), slicing, 4, augment).unwrap();
    assert_eq!(frames.shape(), [4, 34, 34, 2]);
    let config = LoaderConfig { batch: 6, shuffle: true, seed: 3, ..LoaderConfig::default() };
    let cache = Cache::at(dir.path().join("cache"));
    let cached = frames.clone().cached(&cache).unwrap();
    let plain: Vec<_> =
        Loader::new(frames, config.clone()).unwrap().epoch(0).map(|b| b.unwrap()).collect();
    let kept: Vec<_> = Loader::new(cached, LoaderConfig { workers: 1, ..config })
        .unwrap()
        .epoch(0)
        .map(|b| b.unwrap())
        .collect();
    assert_eq!(plain, kept);
    assert_eq!((plain.len(), plain[0].inputs.shape()), (5, &[4, 6, 34, 34, 2][..]));
    for batch in &plain {
        assert_eq!(batch.inputs.sum(), 6.0 * 200.0);
        let labels: Vec<usize> = batch.indices.iter().map(|i| i / 3).collect();
        assert_eq!(batch.labels, labels);
    }
    // The frames are those of SpikingJelly, with the channels moved last.
    let want = Framing::new(slicing, set.sensor).frames(&events(0, 200, 34, 34)).unwrap();
    let first = plain.iter().find_map(|b| Some((b, b.indices.iter().position(|&i| i == 0)?)));
    let (batch, i) = first.unwrap();
    for ((t, c, y, x), value) in (0..4 * 2 * 34 * 34)
        .map(|v| (v / 34 / 34 / 2, v / 34 / 34 % 2, v / 34 % 34, v % 34))
        .zip(want.values())
    {
        assert_eq!(batch.inputs[[t, i, y, x, c]], *value);
    }
}

#[test]
fn sources_are_named_with_their_settings_and_their_split() {
    let dir = tempfile::tempdir().unwrap();
    for (class, seed) in [("airplanes", 1), ("ant", 2)] {
        for i in 0..10 {
            let bytes = atis(&events(seed + i, 100, 200, 150));
            put(dir.path().join(format!("Caltech101/{class}/{i}.bin")), &bytes);
        }
    }
    let toml = "slicing = { number = { frames = 4 } }\naugment = { flip = 0.5 }\n\
                splitting = { first = { share = 0.8 } }";
    let settings: EventSettings = toml::from_str(toml).unwrap();
    let size = |steps| FrameSize { steps, height: 180, width: 240 };
    let sources = Sources::events("n-caltech101", dir.path(), &settings, size(4)).unwrap();
    assert_eq!((sources.train.len(), sources.test.len()), (16, 4));
    assert_eq!((sources.train.shape(), sources.train.classes()), ([4, 180, 240, 2], 2));
    assert!(sources.split.starts_with("first 0.8 of each class in the order of names (sha256 "));
    let loader = Loader::new(sources.test, LoaderConfig::default()).unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    assert_eq!(batch.inputs.sum(), 4.0 * 100.0);
    let error = Sources::events("n-caltech101", dir.path(), &settings, size(5)).err().unwrap();
    assert!(error.to_string().contains("4 by the slicing and 5 in a sample"), "{error}");
}

#[test]
fn conventions_differ_as_the_libraries_do() {
    let dir = tempfile::tempdir().unwrap();
    let stored = [(0, 2, 3, true), (10, 1, 240, false), (20, 4, 5, false)];
    let stored = stored.map(|(t, x, y, p)| Event::new(t, x, y, p));
    put(dir.path().join("Train/0/a.bin"), &atis(&stored));
    (0..10).for_each(|d| fs::create_dir_all(dir.path().join(format!("Train/{d}"))).unwrap());
    (0..10).for_each(|d| fs::create_dir_all(dir.path().join(format!("Test/{d}"))).unwrap());
    let read = |name, convention| {
        let set = open(name, dir.path(), convention).unwrap();
        set.read(set.train.first().or(set.test.first()).unwrap()).unwrap()
    };
    assert_eq!(read("nmnist", Convention::SpikingJelly), stored);
    let tonic = read("nmnist", Convention::Tonic);
    assert_eq!(tonic, [stored[0], stored[2].with_t(20 + 8192)]);

    put(dir.path().join("Caltech101/airplanes/a.bin"), &atis(&stored));
    put(dir.path().join("Caltech101/ant/b.bin"), &atis(&stored[..1]));
    assert_eq!(read("n-caltech101", Convention::Stored), stored);
    let moved = read("n-caltech101", Convention::Tonic);
    assert_eq!(
        moved,
        [(0, 0, 0, true), (20 + 8192, 2, 2, false)].map(|(t, x, y, p)| Event::new(t, x, y, p))
    );
    let set = open("n-caltech101", dir.path(), Convention::Stored).unwrap();
    assert_eq!(set.classes, ["airplanes", "ant"]);

    let letters = "abcdefghiklmnopqrstuvwxy";
    letters.chars().for_each(|c| fs::create_dir_all(dir.path().join(c.to_string())).unwrap());
    let matlab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events/plain.mat");
    fs::copy(&matlab, dir.path().join("b/one.mat")).unwrap();
    let stored = read("asl-dvs", Convention::Stored);
    let turned = read("asl-dvs", Convention::SpikingJelly);
    assert_eq!(stored.len(), 300);
    for (s, t) in stored.iter().zip(&turned) {
        assert_eq!(*t, s.with_place(239 - s.x(), 179 - s.y()));
    }
}

#[test]
fn cifar10_dvs_is_divided_by_seed_or_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let classes =
        ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    for (k, class) in classes.iter().enumerate() {
        for i in 0..20u64 {
            let bytes = aedat2(&events(100 * k as u64 + i, 50, 128, 128));
            put(dir.path().join(format!("cifar10-dvs/{class}/cifar10_{class}_{i}.aedat")), &bytes);
        }
    }
    let open = |splitting| {
        EventSet::open("cifar10-dvs", dir.path(), Convention::SpikingJelly, splitting).unwrap()
    };
    let set = open(Splitting::default());
    assert_eq!((set.train.len(), set.test.len()), (180, 20));
    let names = |set: &EventSet| -> Vec<String> {
        let name = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().into_owned();
        set.test.iter().map(|r| name(&r.path)).collect()
    };
    // A fixed list: these lines may only change together with every report that names the sum.
    assert_eq!(names(&set)[..4], FIXED);
    assert_eq!(set.split.sha256.as_deref(), Some(FIXED_SUM));
    assert_eq!(open(Splitting::default()).split, set.split);
    let other = open(Splitting::Seeded { seed: 1, share: 0.9 });
    assert_ne!(other.split.sha256, set.split.sha256);
    assert!(set.split.to_string().contains("seed 0") && set.split.to_string().contains(FIXED_SUM));

    // SpikingJelly takes the last tenth in the order of names as text: ..., _7, _8, _9.
    let first = open(Splitting::First { share: 0.9 });
    assert_eq!(names(&first)[..2], ["cifar10_airplane_8.aedat", "cifar10_airplane_9.aedat"]);
    let error = EventSet::open(
        "cifar10-dvs",
        dir.path(),
        Convention::Stored,
        Splitting::First { share: 1.5 },
    );
    assert!(matches!(error, Err(DataError::Setting { setting: "share", .. })));

    // x = 127 - row, y = 127 - column, as SpikingJelly's reader has it.
    let stored = events(0, 50, 128, 128);
    let found =
        set.read(set.train.iter().find(|r| r.path.ends_with("cifar10_airplane_0.aedat")).unwrap());
    for (f, s) in found.unwrap().iter().zip(&stored) {
        assert_eq!(*f, Event::new(s.t(), 127 - s.y(), 127 - s.x(), s.p()));
    }
}

const FIXED: [&str; 4] = [
    "cifar10_airplane_14.aedat",
    "cifar10_airplane_18.aedat",
    "cifar10_automobile_1.aedat",
    "cifar10_automobile_6.aedat",
];
const FIXED_SUM: &str = "ca2748f60fe07644e31594f85e67b8cc8546723df2f49eeaab10b2847277e61f";

#[test]
fn gestures_are_cut_out_of_their_trials() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("dvs128-gesture/DvsGesture");
    let trial = events(5, 1000, 128, 128);
    put(root.join("user01_led.aedat"), &aedat3(&trial));
    put(root.join("user24_led.aedat"), &aedat3(&trial[..300]));
    let head = "class,startTime_usec,endTime_usec\n";
    put(
        root.join("user01_led_labels.csv"),
        format!("{head}1,1000,20000\n11,50000,99000\n").as_bytes(),
    );
    put(root.join("user24_led_labels.csv"), format!("{head}2,0,1000\n").as_bytes());
    put(root.join("trials_to_train.txt"), b"user01_led.aedat\n\n");
    put(root.join("trials_to_test.txt"), b"user24_led.aedat\n");
    let set = open("dvs128-gesture", dir.path(), Convention::SpikingJelly).unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.classes.len()), (2, 1, 11));
    assert_eq!((set.train[0].label, set.train[1].label, set.test[0].label), (0, 10, 1));
    assert_eq!(set.train[1].part, Part::Between { start: 50_000, end: 99_000 });
    let want: Vec<Event> =
        trial.iter().copied().filter(|e| (50_000..99_000).contains(&e.t())).collect();
    assert_eq!(set.read(&set.train[1]).unwrap(), want);

    put(root.join("user01_led_labels.csv"), format!("{head}12,1,2\n").as_bytes());
    let error = open("dvs128-gesture", dir.path(), Convention::SpikingJelly).unwrap_err();
    assert!(matches!(error, DataError::Label { found: 11, classes: 11, .. }), "{error}");
    put(root.join("user01_led_labels.csv"), format!("{head}0,1,2\n").as_bytes());
    let error = open("dvs128-gesture", dir.path(), Convention::SpikingJelly).unwrap_err();
    assert!(error.to_string().contains("`0,1,2`"), "{error}");
}

#[test]
fn tonics_gestures_cars_boxes_and_spike_trains_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events");
    for (part, user) in [("ibmGestureTrain", "user01_led"), ("ibmGestureTest", "user24_lab")] {
        fs::create_dir_all(dir.path().join(part).join(user)).unwrap();
        fs::copy(data.join("tonic.npy"), dir.path().join(part).join(user).join("7.npy")).unwrap();
    }
    let set = open("dvs128-gesture-npy", dir.path(), Convention::Tonic).unwrap();
    assert_eq!((set.train.len(), set.test[0].label), (1, 7));
    assert_eq!(set.read(&set.test[0]).unwrap().len(), 300);

    for (part, class) in
        [("train", "cars"), ("train", "background"), ("test", "cars"), ("test", "background")]
    {
        put(
            dir.path().join(format!("n-cars/n-cars_{part}/{class}/obj_1_td.dat")),
            &dat(&events(1, 9, 120, 100)),
        );
    }
    let set = open("n-cars", dir.path(), Convention::SpikingJelly).unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.train[1].label), (2, 2, 1));
    assert_eq!(set.read(&set.train[1]).unwrap(), events(1, 9, 120, 100));

    put(dir.path().join("gen1/drive_td.dat"), &dat(&events(2, 9, 304, 240)));
    let gen1 = dir.path().join("gen1");
    assert!(matches!(boxes::recordings(&gen1), Err(DataError::Missing { .. })));
    fs::copy(data.join("boxes.npy"), gen1.join("drive_bbox.npy")).unwrap();
    assert_eq!(boxes::recordings(&gen1).unwrap().len(), 1);

    fs::copy(data.join("half.h5"), dir.path().join("shd_train.h5")).unwrap();
    fs::copy(data.join("single.h5"), dir.path().join("shd_test.h5")).unwrap();
    let set = Arc::new(open("shd", dir.path(), Convention::SpikingJelly).unwrap());
    assert_eq!((set.train.len(), set.sensor), (9, Sensor::new(700, 1)));
    let slicing = Slicing::TimeExact { frames: 5 };
    // Recording 3 has no spikes, which no rule can divide.
    let some = set.test[..3].to_vec();
    let augment = FrameAugment { flip: 0.0, policy: Some(FramePolicy::SnnAugmentWide) };
    let frames = EventFrames::new(Arc::clone(&set), some, slicing, 5, augment).unwrap();
    assert_eq!((frames.shape(), frames.classes()), ([5, 1, 700, 1], 20));
    let empty = EventFrames::new(
        Arc::clone(&set),
        set.test[3..4].to_vec(),
        slicing,
        5,
        FrameAugment::default(),
    );
    let loader = Loader::new(empty.unwrap(), LoaderConfig::default()).unwrap();
    let error = loader.epoch(0).next().unwrap().unwrap_err();
    assert!(matches!(error, DataError::Recording { .. }), "{error}");
    let error = EventFrames::new(set, vec![], slicing, 6, FrameAugment::default()).unwrap_err();
    assert!(matches!(error, DataError::Setting { setting: "number of frames", .. }), "{error}");
}

/// A sensor of one row fills frames row by row, a row for each step of time.
#[test]
fn steps_of_one_row_become_rows_of_frames() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events");
    let dir = tempfile::tempdir().unwrap();
    for part in ["train", "test", "valid"] {
        fs::copy(data.join("half.h5"), dir.path().join(format!("ssc_{part}.h5"))).unwrap();
        fs::copy(data.join("half.h5"), dir.path().join(format!("shd_{part}.h5"))).unwrap();
    }
    let events: EventSettings =
        toml::from_str("slicing = { time-exact = { frames = 6 } }").unwrap();
    let settings = Settings { events: Some(events), ..Settings::default() };
    let open = |name, steps, height, width| {
        let size = FrameSize { steps, height, width };
        Sources::open(name, Some(dir.path()), &settings, size).unwrap()
    };
    let first = |sources: Sources| {
        let config = LoaderConfig { batch: 3, ..LoaderConfig::default() };
        Loader::new(sources.test, config).unwrap().epoch(0).next().unwrap().unwrap().inputs
    };
    let rows = first(open("shd", 6, 1, 700));
    assert_eq!(rows.shape(), [6, 3, 1, 700, 1]);
    let frames = first(open("shd", 2, 3, 700));
    assert_eq!(frames.shape(), [2, 3, 3, 700, 1]);
    for (t, b) in (0..6).flat_map(|t| (0..3).map(move |b| (t, b))) {
        let row = rows.slice(ndarray::s![t, b, 0, .., ..]);
        assert_eq!(row, frames.slice(ndarray::s![t / 3, b, t % 3, .., ..]));
    }
    let narrow = first(open("shd", 2, 3, 140));
    assert_eq!(narrow.shape(), [2, 3, 3, 140, 1]);
    // Classes without names are known by their numbers.
    let ssc = open("ssc", 6, 1, 700);
    assert_eq!((ssc.classes.len(), ssc.classes[34].as_str()), (35, "34"));
}

#[test]
fn settings_for_another_kind_of_data_are_told() {
    let events: EventSettings = toml::from_str("slicing = { number = { frames = 4 } }").unwrap();
    let events = Settings { events: Some(events), ..Settings::default() };
    let size = FrameSize { steps: 4, height: 34, width: 34 };
    let told = |name, settings: &Settings| {
        Sources::open(name, None, settings, size).err().unwrap().to_string()
    };
    let none = Settings::default();
    assert!(told("nmnist", &none).contains("set `events`"));
    assert!(told("fsdd", &none).contains("set `sound`"));
    assert!(told("fsdd", &events).contains("take out `events`"));
    assert!(told("digits", &events).contains("take out `events`"));
    let flip = Augment { flip: 0.5, ..Augment::default() };
    let both = Settings { augment: flip, ..events.clone() };
    assert!(told("nmnist", &both).contains("`events.augment`"));
    assert!(told("wikitext-2", &none).contains("holds text"));
}

#[test]
fn what_is_missing_or_no_event_set_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let error = open("nmnist", dir.path(), Convention::Stored).unwrap_err().to_string();
    assert!(error.contains("Train.zip") && error.contains("mendeley"), "{error}");
    assert!(matches!(
        open("mnist", dir.path(), Convention::Stored),
        Err(DataError::NotEvents { .. })
    ));
    assert!(matches!(
        open("nmnis", dir.path(), Convention::Stored),
        Err(DataError::UnknownDataset { .. })
    ));
}
