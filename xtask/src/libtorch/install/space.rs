//! Free space on the disk.

use std::path::Path;

use super::error::Error;

/// Fails if the disk of `folder` has less than `needed` bytes free.
pub fn check(folder: &Path, needed: u64) -> Result<(), Error> {
    let free =
        fs4::available_space(folder).map_err(Error::io("measure the free space of", folder))?;
    if free < needed {
        return Err(Error::Space { folder: folder.to_owned(), needed, free });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_is_said_to_be_small() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), 1).unwrap();
        let error = check(folder.path(), u64::MAX).unwrap_err().to_string();
        let start = format!("{} needs 18.45 EB for libtorch and ", folder.path().display());
        assert!(error.starts_with(&start) && error.contains(" are free; make room, "), "{error}");
    }
}
