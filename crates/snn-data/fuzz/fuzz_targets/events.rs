//! Formats of events that are streams of bytes; the first byte chooses one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snn_data::events::{Format, Options, Reader};
use snn_data_fuzz::{Counting, allowance, within};
use std::path::Path;

#[global_allocator]
static COUNTING: Counting = Counting;

const STREAMS: [Format; 11] = [
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

fn drain(bytes: Vec<u8>, format: Format, options: &Options) {
    let path = Path::new("fuzz");
    let Ok(mut reader) = Reader::from_bytes(path, bytes, format, options) else { return };
    let mut batch = Vec::new();
    while let Ok(true) = reader.read(&mut batch) {
        batch.clear();
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let format = STREAMS[usize::from(choice & 63) % STREAMS.len()];
    let (atis_overflow, drop_invalid) = (choice & 64 != 0, choice & 128 != 0);
    let options = Options { atis_overflow, drop_invalid, ..Options::default() };
    let most = match format {
        // What is packed may grow by as much as deflate, zstd and LZ4 pack.
        Format::Aedat4 | Format::Mat => 1032 * allowance(bytes.len()),
        _ => allowance(bytes.len()),
    };
    within(most, || drain(bytes.to_vec(), format, &options));
});
