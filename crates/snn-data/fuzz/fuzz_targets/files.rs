//! Files of any kind through `inspect`, boxes and spike trains; the first byte chooses the name.
//!
//! `cargo +nightly fuzz run files corpus/files ../tests/data/events -- -rss_limit_mb=1024`
#![no_main]

use libfuzzer_sys::fuzz_target;
use snn_data::{
    events::{Options, SpikeFile, sets::boxes},
    inspect::inspect,
    sound::Sound,
};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let names = ["a.npz", "a.h5", "a.mat", "a.npy", "a.gz", "a.raw", "a.wav", "a.txt"];
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join(names[usize::from(choice) % names.len()]);
    std::fs::write(&path, bytes).expect("a temporary file");
    let _ = inspect(&path, &Options::default());
    let _ = boxes::read(&path);
    let _ = Sound::read(&path);
    if let Ok(file) = SpikeFile::open(&path) {
        (0..file.len().min(64)).for_each(|i| drop(file.read(i)));
    }
});
