//! What several tests need.

use std::path::PathBuf;

/// The folder of golden files: `SNN_GOLDEN`, or `../shared/golden` beside the
/// workspace; `None`, and a line that says so, if it is not there.
pub fn golden_folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden");
    let folder = std::env::var_os("SNN_GOLDEN").map_or_else(|| beside.into(), PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no golden files in {}", folder.display());
        return None;
    }
    Some(folder)
}
