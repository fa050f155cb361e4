//! Files of any kind through `inspect`, boxes and spike trains; the first byte chooses the name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snn_data::{
    events::{Options, SpikeFile, frames::Frames, sets::boxes},
    inspect::inspect,
    sound::Sound,
};
use snn_data_fuzz::{Counting, within};

#[global_allocator]
static COUNTING: Counting = Counting;

const NAMES: [&str; 8] = ["a.npz", "a.h5", "a.mat", "a.npy", "a.gz", "a.raw", "a.wav", "a.txt"];

/// Archives hold up to 1032 times their bytes, a chunk of HDF5 has a limit of its own.
const MOST: usize = 512 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join(NAMES[usize::from(choice) % NAMES.len()]);
    std::fs::write(&path, bytes).expect("a temporary file");
    within(MOST, || {
        let _ = inspect(&path, &Options::default());
        let _ = boxes::read(&path);
        let _ = Sound::read(&path);
        let _ = Frames::read_npz(&path);
        if let Ok(file) = SpikeFile::open(&path) {
            (0..file.len().min(64)).for_each(|i| drop(file.read(i)));
        }
    });
});
