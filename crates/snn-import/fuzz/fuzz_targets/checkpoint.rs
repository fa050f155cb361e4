//! Any bytes give tensors or an error.
#![no_main]

use std::{io::Cursor, path::Path};

use libfuzzer_sys::fuzz_target;
use snn_import::Checkpoint;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut checkpoint) = Checkpoint::read(Path::new("fuzz"), Cursor::new(bytes.to_vec())) else {
        return;
    };
    let parts: Vec<String> = checkpoint.part_names().map(str::to_owned).collect();
    for part in parts {
        let _ = checkpoint.tensors(&part);
    }
});
