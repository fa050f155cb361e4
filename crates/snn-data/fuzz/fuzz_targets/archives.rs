//! Archives: whatever they hold, nothing leaves the folder of the dataset.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snn_data::{
    Manifest,
    fetch::{Fetch, Silent},
};
use std::fs;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let name = ["a.zip", "a.tar", "a.tar.gz"][usize::from(choice) % 3];
    let nested = if choice & 128 != 0 { "nested = \"beside\"" } else { "" };
    let text = format!(
        "name = \"toy\"\ntitle = \"Toy\"\ntask = \"event-classification\"\nlicence = \"none\"\n\
         citation = \"none\"\nregistration = false\nsources = []\nsplit = \"none\"\ntrain = 0\n\
         test = 0\nclass_count = 0\n\n[[archives]]\nname = {name:?}\n{nested}\n"
    );
    let manifest = Manifest::parse("toy", &text).expect("a sound manifest");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let from = dir.path().join("from");
    fs::create_dir(&from).expect("a temporary folder");
    fs::write(from.join(name), bytes).expect("a temporary file");
    let fetch = Fetch { from: Some(from.clone()), ..Fetch::new(&dir.path().join("to")) };
    let _ = fetch.get(&manifest, &Silent);
    let names = |dir: &std::path::Path| fs::read_dir(dir).expect("a folder").count();
    assert_eq!((names(dir.path()), names(&from)), (2, 1), "something left its folder");
});
