//! Codes, their bytes and their files.

use ndarray::{Array2, array};
use proptest::{collection::vec, prelude::*};
use snn_hash::{BitCodes, CodesError};

/// Bits `[codes][bits]`.
fn bits() -> impl Strategy<Value = (usize, Vec<Vec<bool>>)> {
    (1..=200usize).prop_flat_map(|bits| (Just(bits), vec(vec(any::<bool>(), bits), 0..6)))
}

fn pack(bits: usize, rows: &[Vec<bool>]) -> BitCodes {
    BitCodes::from_fn(rows.len(), bits, |i, r| rows[i][r])
}

proptest! {
    #[test]
    fn bits_come_back_and_the_tail_is_silent((bits, rows) in bits()) {
        let codes = pack(bits, &rows);
        for (i, row) in rows.iter().enumerate() {
            prop_assert!(codes.view(i).iter().by_vals().eq(row.iter().copied()));
            let ones: u32 = codes.code(i).iter().map(|word| word.count_ones()).sum();
            prop_assert_eq!(ones as usize, row.iter().filter(|&&bit| bit).count());
        }
        prop_assert_eq!(BitCodes::from_words(bits, codes.words().to_vec()).unwrap(), codes);
    }

    #[test]
    fn the_dot_product_of_signs_counts_distances((bits, rows) in bits()) {
        let codes = pack(bits, &rows);
        let mut signs = Array2::<f64>::zeros((rows.len(), bits));
        codes.write_signs(signs.view_mut());
        for i in 0..rows.len() {
            for j in 0..rows.len() {
                let dot = signs.row(i).dot(&signs.row(j));
                prop_assert_eq!(dot, bits as f64 - 2.0 * f64::from(codes.distance(i, &codes, j)));
                let both = (0..bits).filter(|&r| rows[i][r] && rows[j][r]).count();
                prop_assert_eq!(codes.overlap(i, &codes, j) as usize, both);
            }
        }
        prop_assert_eq!(BitCodes::from_signs(signs.view()), codes);
    }

    #[test]
    fn bytes_and_files_give_the_codes_back((bits, rows) in bits()) {
        let codes = pack(bits, &rows);
        prop_assert_eq!(&BitCodes::from_bytes(bits, &codes.to_bytes()).unwrap(), &codes);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.safetensors");
        codes.save(&path).unwrap();
        prop_assert_eq!(BitCodes::load(&path).unwrap(), codes);
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn cut_codes_join_again((bits, rows) in bits(), at in any::<prop::sample::Index>()) {
        prop_assume!(bits > 1);
        let codes = pack(bits, &rows);
        let at = 1 + at.index(bits - 1);
        let [a, b] = [codes.columns(0..at), codes.columns(at..bits)];
        prop_assert_eq!(BitCodes::concat(&[&a, &b]), codes);
    }
}

#[test]
fn the_first_bit_is_the_lowest_of_the_first_byte() {
    // 70 bits: 0, 9 and 69 are set.
    let codes = BitCodes::from_fn(1, 70, |_, r| [0, 9, 69].contains(&r));
    assert_eq!(codes.words(), [0x201, 0x20]);
    assert_eq!(codes.to_bytes(), [1, 2, 0, 0, 0, 0, 0, 0, 0x20]);
}

#[test]
fn a_file_has_these_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes.safetensors");
    BitCodes::from_bytes(12, &[0xef, 0x0d, 0x01, 0x00]).unwrap().save(&path).unwrap();
    let file = std::fs::read(&path).unwrap();
    let header = br#"{"__metadata__":{"bits":"12"},"codes":{"dtype":"U64","shape":[2,1],"data_offsets":[0,16]}}"#;
    assert!(file[8..].starts_with(header), "{}", String::from_utf8_lossy(&file[8..]));
    assert!(file.ends_with(&[0xef, 0x0d, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]));
}

#[test]
fn zero_is_not_positive() {
    let codes = BitCodes::from_signs(array![[0.0, -0.0, 1e-30, -1e-30]].view());
    assert_eq!(codes.words(), [0b100]);
}

#[test]
fn a_set_bit_past_the_width_is_refused() {
    let error = BitCodes::from_words(65, vec![0, 1, 0, 2]).unwrap_err();
    assert!(matches!(error, CodesError::Tail { code: 1, bits: 65 }), "{error}");
    assert!(BitCodes::from_bytes(4, &[0x0f, 0x10]).is_err());
    assert!(matches!(BitCodes::from_words(65, vec![0]), Err(CodesError::Length { each: 2, .. })));
    assert!(matches!(BitCodes::from_bytes(9, &[0]), Err(CodesError::Length { each: 2, .. })));
    assert!(matches!(BitCodes::from_words(0, vec![]), Err(CodesError::NoBits)));
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes.safetensors");
    let refuse = |reason: &str| {
        let error = BitCodes::load(&path).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    refuse("cannot access");
    let codes = BitCodes::from_fn(3, 100, |i, r| i + r == 99);
    codes.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 7, 40, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        refuse("truncated");
    }
    let text = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut changed = whole.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, changed).unwrap();
    };
    text(r#""bits":"100""#, r#""bits":"-10""#);
    refuse("`bits` of the metadata is `-10`");
    text(r#""bits":"100""#, r#""bits":"200""#);
    refuse("expected U64 [codes, 4]");
    text(r#""U64""#, r#""I64""#);
    refuse("I64");
    text(r#""bits":"100""#, r#""bits":"066""#);
    refuse("set bit past its 66 bits");
    text(r#""codes":{"#, r#""codez":{"#);
    refuse("not a complete safetensors");
}
