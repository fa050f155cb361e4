//! Files of images, texts, lists and labels; the first byte chooses the reader.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snn_data::{
    Manifest,
    events::sets::{Convention, EventSet, Splitting},
    images::{
        cifar::{self, Layout},
        decode::decode,
        idx, imagenet, tiny_imagenet,
    },
    segmentation::read_label,
    text::{Columns, Corpus, Sentences},
};
use snn_data_fuzz::{Counting, within};
use std::{fs, path::Path};

#[global_allocator]
static COUNTING: Counting = Counting;

/// A picture of a few bytes may be large, as one colour is.
const MOST: usize = 512 << 20;

/// Writes `bytes` to `name` in `dir`, and nothing to the other files.
fn files(dir: &Path, name: &str, bytes: &[u8], empty: &[&str]) {
    for (name, bytes) in empty.iter().map(|name| (*name, &b""[..])).chain([(name, bytes)]) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a temporary folder");
        fs::write(path, bytes).expect("a temporary file");
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    within(MOST, || match choice % 10 {
        0 => {
            let _ = (idx::parse(bytes, dir, 1), idx::parse(bytes, dir, 3));
        }
        1 => {
            let _ = cifar::parse(bytes, dir, Layout::Cifar10);
            let _ = cifar::parse(bytes, dir, Layout::Cifar100);
        }
        2 => {
            let _ = Manifest::parse("toy", &String::from_utf8_lossy(bytes));
        }
        3 => {
            files(dir, "a.png", bytes, &[]);
            let _ = (decode(&dir.join("a.png"), 3), read_label(&dir.join("a.png")));
        }
        4 => {
            files(dir, "a.jpg", bytes, &[]);
            let _ = decode(&dir.join("a.jpg"), 1);
        }
        5 => {
            files(dir, "a.tsv", bytes, &[]);
            for name in ["sst2", "glue-cola", "glue-mnli"] {
                let columns = Columns::of(name).expect("a table");
                let classes = ["0", "1", "neutral"].map(str::to_owned);
                let _ = Sentences::read(&dir.join("a.tsv"), columns, &classes);
            }
        }
        6 => {
            files(dir, "a.txt", bytes, &[]);
            let _ = Corpus::one_text(&dir.join("a.txt"));
        }
        7 => {
            let kit = "ILSVRC2012_devkit_t12/data";
            let list = format!("{kit}/ILSVRC2012_validation_ground_truth.txt");
            let train = "train/n02119789/a.JPEG";
            let val = "val/ILSVRC2012_val_00000001.JPEG";
            files(dir, &format!("{kit}/meta.mat"), bytes, &[&list, train, val]);
            let _ = imagenet::open(dir);
        }
        8 => {
            let [train, val] = ["train/n01/images/n01_0.JPEG", "val/images/val_0.JPEG"];
            files(dir, "val/val_annotations.txt", bytes, &[train, val]);
            let _ = tiny_imagenet::open(dir);
        }
        _ => {
            let [train, test] = ["trials_to_train.txt", "trials_to_test.txt"]
                .map(|name| format!("DvsGesture/{name}"));
            files(dir, "DvsGesture/a_labels.csv", bytes, &[&test]);
            files(dir, &train, b"a.aedat\n", &[]);
            let (convention, splitting) = (Convention::default(), Splitting::default());
            let _ = EventSet::open("dvs128-gesture", dir, convention, splitting);
            files(dir, &train, bytes, &[]);
            let _ = EventSet::open("dvs128-gesture", dir, convention, splitting);
        }
    });
});
