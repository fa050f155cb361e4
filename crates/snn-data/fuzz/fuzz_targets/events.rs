//! Formats of events that are streams of bytes; the first byte chooses one.
//!
//! `cargo +nightly fuzz run events -- -rss_limit_mb=512 -max_len=65536 -timeout=10`
#![no_main]

use libfuzzer_sys::fuzz_target;
use snn_data::events::{Format, Options, Reader};
use std::path::Path;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let streams = [
        Format::Aedat2,
        Format::Aedat3,
        Format::Aedat4,
        Format::Atis,
        Format::Dat,
        Format::Evt2,
        Format::Evt3,
        Format::EventStream,
        Format::Text,
        Format::Npy,
        Format::Mat,
    ];
    let format = streams[usize::from(choice) % streams.len()];
    let (atis_overflow, drop_invalid) = (choice & 64 != 0, choice & 128 != 0);
    let options = Options { atis_overflow, drop_invalid, ..Options::default() };
    let path = Path::new("fuzz");
    let Ok(mut reader) = Reader::from_bytes(path, bytes.to_vec(), format, &options) else { return };
    let mut batch = Vec::new();
    while let Ok(true) = reader.read(&mut batch) {
        batch.clear();
    }
});
