//! The readers of static image files: right files are read, wrong ones are told and never panic.

use flate2::{Compression, write::GzEncoder};
use proptest::{collection::vec, prelude::*};
use snn_data::{
    DataError, Dataset,
    images::{
        cifar::{self, Layout},
        idx,
    },
};
use std::{fs, io::Write, path::Path};

fn idx_file(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parse(bytes: &[u8], axes: usize) -> Result<idx::Idx, DataError> {
    idx::parse(bytes, Path::new("some.idx"), axes)
}

#[test]
fn idx_errors_say_what_is_wrong() {
    let whole = idx_file(&[2, 3, 4], &[7; 24]);
    let text = |e: Result<idx::Idx, DataError>| e.unwrap_err().to_string();

    let error = text(parse(&whole[..whole.len() - 1], 3));
    assert!(error.contains("some.idx: idx data has 23 bytes, expected 24"), "{error}");
    let error = text(parse(&[&whole[..], &[0]].concat(), 3));
    assert!(error.contains("idx data has 25 bytes, expected 24"), "{error}");
    let error = text(parse(b"\x89PNG\r\n\x1a\n", 3));
    assert!(error.contains("magic number is 89 50 4e 47, expected 00 00 08 03"), "{error}");
    let error = text(parse(&whole, 1));
    assert!(error.contains("is 00 00 08 03, expected 00 00 08 01"), "{error}");
    let error = text(parse(&idx_file(&[u32::MAX; 3], &[]), 3));
    assert!(error.contains("idx shape"), "{error}");
    let error = text(parse(&idx_file(&[u32::MAX, 1, 1], &[0; 5]), 3));
    assert!(error.contains("has 5 bytes, expected 4294967295"), "{error}");
}

#[test]
fn a_pair_of_idx_files_becomes_images_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let pixels: Vec<u8> = (0..24).collect();
    let x = write("x.gz", &gzip(&idx_file(&[2, 3, 4], &pixels)));
    let y = write("y", &idx_file(&[2], &[1, 0]));

    let images = idx::read_images(&x, &y, 2).unwrap();
    assert_eq!((images.len(), images.shape(), images.labels()), (2, [3, 4, 1], &[1, 0][..]));
    assert_eq!(images.image(1), &pixels[12..]);

    let error = idx::read_images(&x, &y, 1).unwrap_err().to_string();
    assert!(error.contains("record 0 has label 1, expected less than 1"), "{error}");
    let three = write("three", &idx_file(&[3], &[0; 3]));
    let error = idx::read_images(&x, &three, 2).unwrap_err().to_string();
    assert!(error.contains("number of labels is 3, expected 2 as"), "{error}");
    let flat = write("flat", &idx_file(&[2, 0, 4], &[]));
    let error = idx::read_images(&flat, &y, 2).unwrap_err().to_string();
    assert!(error.contains("image shape is 0 x 4"), "{error}");
    let gz = gzip(&idx_file(&[2, 3, 4], &pixels));
    let cut = write("cut.gz", &gz[..gz.len() - 9]);
    let error = idx::read_images(&cut, &y, 2).unwrap_err();
    assert!(matches!(error, DataError::Length { .. }), "{error}");
    let error = idx::read_images(&dir.path().join("absent"), &y, 2).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }) && error.to_string().contains("absent"));
}

#[test]
fn cifar_errors_say_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("batch.bin");
    let record = |labels: &[u8]| [labels, &[9; 3072]].concat();

    fs::write(&path, [record(&[3]), record(&[4])].concat()).unwrap();
    let images = cifar::read(&path, Layout::Cifar10, 2).unwrap();
    assert_eq!((images.labels(), images.shape()), (&[3, 4][..], [32, 32, 3]));
    let error = cifar::read(&path, Layout::Cifar10, 3).unwrap_err().to_string();
    assert!(error.contains("batch.bin: CIFAR batch has 6146 bytes, expected 9219"), "{error}");

    fs::write(&path, record(&[10])).unwrap();
    let error = cifar::read(&path, Layout::Cifar10, 1).unwrap_err().to_string();
    assert!(error.contains("record 0 has label 10, expected less than 10"), "{error}");
    let coarse = cifar::parse(&record(&[20, 0]), &path, Layout::Cifar100).unwrap_err();
    assert!(matches!(coarse, DataError::Label { classes: 20, .. }), "{coarse}");
    let fine = cifar::parse(&record(&[19, 99]), &path, Layout::Cifar100).unwrap();
    assert_eq!((fine.label(0), fine.classes()), (99, 100));
}

#[test]
fn a_missing_folder_says_which_files_to_get_from_where() {
    let error = Dataset::open("cifar10", None).unwrap_err().to_string();
    for part in ["data_batch_1.bin", "test_batch.bin", "cs.toronto.edu", "--data DIR"] {
        assert!(error.contains(part), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("t10k-labels-idx1-ubyte"), []).unwrap();
    let error = Dataset::open("mnist", Some(dir.path())).unwrap_err().to_string();
    assert!(error.contains("train-images-idx3-ubyte.gz"), "{error}");
    assert!(!error.contains("t10k-labels"), "{error}");
}

proptest! {
    #[test]
    fn idx_reads_back_what_was_written(
        (dims, data) in (0u32..4, 0u32..5, 0u32..6)
            .prop_flat_map(|(n, h, w)| (Just([n, h, w]), vec(any::<u8>(), (n * h * w) as usize)))
    ) {
        let read = parse(&idx_file(&dims, &data), 3).unwrap();
        prop_assert_eq!(read.dims, dims.map(|d| d as usize));
        prop_assert_eq!(read.data, data);
    }

    #[test]
    fn planes_become_channels(record in vec(any::<u8>(), 3072), y in 0usize..32, x in 0usize..32) {
        let images = cifar::parse(&[&[1][..], &record].concat(), Path::new(""), Layout::Cifar10);
        let at = y * 32 + x;
        let images = images.unwrap();
        prop_assert_eq!(
            &images.image(0)[3 * at..3 * at + 3],
            &[record[at], record[1024 + at], record[2048 + at]]
        );
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), axes in 0usize..4) {
        let _ = parse(&bytes, axes);
        let _ = cifar::parse(&bytes, Path::new(""), Layout::Cifar10);
        let _ = cifar::parse(&bytes, Path::new(""), Layout::Cifar100);
    }

    #[test] // a sound file with one byte changed and its end cut off, packed and plain
    fn damaged_files_never_panic(at in 0usize..60, value in any::<u8>(), cut in 0usize..10, packed in any::<bool>()) {
        let mut bytes = idx_file(&[2, 3, 4], &[5; 24]);
        if packed { bytes = gzip(&bytes) }
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(bytes.len() - cut);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        if let Ok(read) = idx::read(file.path(), 3) {
            prop_assert_eq!(read.dims.iter().product::<usize>(), read.data.len());
        }
    }
}
