//! Files that somebody broke, by accident or not: an error or tensors, in little memory and time.
#![allow(clippy::result_large_err)] // as the crate

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use proptest::{prelude::*, sample::Index};
use snn_core::Weights;
use snn_import::{Checkpoint, ImportError};

static DATA: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e != "md")).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
});

/// Everything that can be read.
fn read(bytes: Vec<u8>) -> Result<Vec<Weights>, ImportError> {
    let mut checkpoint = Checkpoint::read(Path::new("hostile"), Cursor::new(bytes))?;
    let parts: Vec<_> = checkpoint.part_names().map(str::to_owned).collect();
    parts.iter().map(|part| Ok(checkpoint.tensors(part)?.0)).collect()
}

/// Numbers never take more memory than the file explains: 8 bytes for each byte, shared fourfold.
fn check(bytes: Vec<u8>) {
    let most = 32 * bytes.len();
    for weights in read(bytes).unwrap_or_default() {
        let shapes = weights.tensors.values().map(|tensor| tensor.shape());
        let numbers: usize = shapes.map(|shape| shape.iter().product::<usize>()).sum();
        assert!(numbers <= most, "{numbers} numbers from {most} / 32 bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn changed_bytes(
        file in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = file.get(&DATA).1.clone();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        check(bytes);
    }

    #[test]
    fn flipped_bits(file in any::<Index>(), at in any::<Index>(), bit in 0u8..8) {
        let mut bytes = file.get(&DATA).1.clone();
        *at.get_mut(&mut bytes) ^= 1 << bit;
        check(bytes);
    }

    #[test]
    fn missing_and_repeated_pieces(
        file in any::<Index>(),
        (from, to) in any::<(Index, Index)>(),
        repeats in 0usize..3,
    ) {
        let bytes = &file.get(&DATA).1;
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let piece = bytes[from.min(to)..from.max(to)].repeat(repeats);
        check([&bytes[..from.min(to)], &piece, &bytes[from.max(to)..]].concat());
    }

    #[test]
    fn noise(head in prop::sample::select(vec![
        &b""[..], b"PK\x03\x04", b"\x80\x02", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    ]), noise in prop::collection::vec(any::<u8>(), 0..600)) {
        check([head, &noise].concat());
    }

    /// Instructions that a pickle has, in any order, as the object of a stream.
    #[test]
    fn pickles_of_any_instructions(opcodes in prop::collection::vec(
        prop::sample::select(b"(01t2NKQR)]}abdeiohjqrsuc\x81\x85\x86\x87\x88\x8f\x90\x94".to_vec()),
        0..400,
    )) {
        let head: [&[u8]; 3] = [
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
            b"\x80\x02}X\r\0\0\0little_endian\x88s.",
            b"\x80\x02",
        ];
        check([&head.concat(), &*opcodes, b".\x80\x02]."].concat());
    }
}

#[test]
fn every_cut() {
    for (_, bytes) in &*DATA {
        // Every byte near the ends, where the structure is; fewer between.
        let near = |n: &usize| *n < 200 || bytes.len() - n < 200 || n.is_multiple_of(37);
        for length in (0..bytes.len()).filter(near) {
            check(bytes[..length].to_vec());
        }
    }
}

/// A stream of PyTorch around a pickle, without storages.
fn stream(pickle: &[u8]) -> Vec<u8> {
    let head: [&[u8]; 2] = [
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        b"\x80\x02}X\r\0\0\0little_endian\x88s.",
    ];
    [&head.concat(), pickle, b"\x80\x02]."].concat()
}

#[test]
fn a_dictionary_that_doubles_without_end() {
    // Each of 60 dictionaries holds the one before twice: 2^60 paths.
    let mut pickle = b"\x80\x02}q\x00".to_vec();
    for i in 0u8..60 {
        pickle.extend([b'}', b'q', i + 1, b'(']);
        for key in [b'a', b'b'] {
            pickle.extend([b'X', 1, 0, 0, 0, key, b'h', i]);
        }
        pickle.push(b'u');
    }
    pickle.push(b'.');
    assert_eq!(read(stream(&pickle)).unwrap().len(), 0);
}

#[test]
fn a_dictionary_in_itself() {
    assert_eq!(read(stream(b"\x80\x02}q\x00X\x01\0\0\0ah\x00s.")).unwrap().len(), 0);
}

#[test]
fn a_list_of_a_million_lists_in_each_other() {
    let depth = 1_000_000;
    let pickle = [&b"\x80\x02"[..], &vec![b']'; depth], &vec![b'a'; depth - 1], b"."].concat();
    let told = format!("{:?}", read(stream(&pickle)));
    assert!(told.contains("Names") || told.starts_with("Ok"), "{told}");
}

#[test]
fn a_long_name_that_repeats_without_end() {
    // {a: 100 kB of name, used 20,000 times}: 2 GB if each were copied.
    let name = vec![b'n'; 100_000];
    let mut pickle = b"\x80\x02]q\x01X".to_vec();
    pickle.extend((name.len() as u32).to_le_bytes());
    pickle.extend(&name);
    pickle.extend(b"q\x000");
    for _ in 0..20_000 {
        pickle.extend(b"}h\x00]sa");
    }
    pickle.push(b'.');
    let told = format!("{:?}", read(stream(&pickle)).unwrap_err());
    assert!(told.contains("Names"), "{told}");
}
