//! `meta.mat` of ImageNet's development kit: the WordNet name of each ILSVRC number.

use crate::{
    DataError,
    matlab::{self, Array, Fault},
};
use std::{collections::HashMap, path::Path};

/// Most bytes that its variables may have once unpacked; the real file has 0.5 MB.
const MOST: u64 = 16 << 20;

/// ILSVRC number to WordNet name, from the structure array `synsets`.
///
/// # Errors
/// [`DataError::Foreign`] when the file is none of that kind.
pub fn synsets(bytes: &[u8], path: &Path) -> Result<HashMap<u32, String>, DataError> {
    let foreign = |Fault { what, expected, found }| DataError::Foreign {
        path: path.into(),
        what,
        expected,
        found,
    };
    parse(bytes).map_err(foreign)?.ok_or_else(|| {
        foreign(Fault {
            what: "variables",
            expected: "`synsets` among them".into(),
            found: "others".into(),
        })
    })
}

fn parse(bytes: &[u8]) -> Result<Option<HashMap<u32, String>>, Fault> {
    let mut found = None;
    matlab::variables(bytes, MOST, |array| {
        if array.name == b"synsets" {
            let fields = array.fields(["ILSVRC2012_ID", "WNID"])?;
            let names = fields.into_iter().map(|[id, name]| Ok((number(id)?, name.text()?)));
            found = Some(names.collect::<Result<_, Fault>>()?);
        }
        Ok(())
    })?;
    Ok(found)
}

fn number(array: Array<'_>) -> Result<u32, Fault> {
    match array.numbers()? {
        Some(numbers) if numbers.len() == 1 => Ok(numbers.get(0) as u32),
        _ => Err(Fault {
            what: "ILSVRC2012_ID",
            expected: "one number".into(),
            found: "another value".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by `tests/scripts/meta_mat.py` with SciPy, packed and plain.
    const PACKED: &[u8] = include_bytes!("../../tests/data/meta_packed.mat");
    const PLAIN: &[u8] = include_bytes!("../../tests/data/meta_plain.mat");

    #[test]
    fn numbers_and_names_are_found() {
        for bytes in [PACKED, PLAIN] {
            let names = synsets(bytes, Path::new("meta.mat")).unwrap();
            assert_eq!(names.len(), 4);
            assert_eq!(
                [&names[&1], &names[&2], &names[&1000]],
                ["n02119789", "n02100735", "n03255030"]
            );
        }
        let error = synsets(b"MATLAB 7.3", Path::new("meta.mat")).unwrap_err().to_string();
        assert!(error.contains("meta.mat: header is 10, expected 128 bytes"), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(
            packed in any::<bool>(), at in any::<prop::sample::Index>(), value in any::<u8>(),
            end in any::<prop::sample::Index>(),
        ) {
            let mut bytes = if packed { PACKED } else { PLAIN }.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = value;
            let _ = parse(&bytes);
            let _ = parse(&bytes[..end.index(bytes.len())]);
        }
    }
}
