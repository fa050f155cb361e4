//! The authors' own weights are recognised for what they are.
//!
//! The files are not part of this repository: `SNN_GOLDEN` names their folder,
//! `../shared/golden` beside the workspace is the default.

use std::path::{Path, PathBuf};

use snn_import::{Request, import};
use snn_models::golden::Golden;

fn folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden");
    let folder = std::env::var_os("SNN_GOLDEN").map_or_else(|| beside.into(), PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no golden files in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// What tensors do not tell, as the file's own description has it.
fn untold(golden: &Golden) -> Vec<String> {
    let table = toml::Table::try_from(&golden.config).unwrap();
    let told = ["time_steps", "heads", "image", "chunk", "pooling", "tet", "dvs_mode", "events"];
    let more = ["attention", "levels", "weight_bits", "qk_attention", "batch_coupled"];
    let keys = told.into_iter().chain(more);
    keys.filter_map(|key| Some(format!("{key}={}", table.get(key)?))).collect()
}

#[test]
fn authors_weights_are_recognised() {
    let Some(folder) = folder() else { return };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut seen = std::collections::BTreeSet::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "safetensors")) {
        // Files of mechanisms, and of systems that are not in the zoo.
        let Ok(golden) = Golden::load(path) else { continue };
        check(path, &golden);
        seen.insert(golden.config.system());
    }
    for system in ["spikformer", "qkformer", "statten", "meta-spikeformer", "e-spikeformer"] {
        assert!(seen.contains(system), "no file of {system}");
    }
}

fn check(path: &Path, golden: &Golden) {
    let recorded = ["input", "logits", "labels", "loss", "act.*", "rate.*", "level.*", "grad.*"];
    let ignore = recorded.into_iter().chain(["after.*"]).map(str::to_owned).collect();
    let twins = ["spike-driven-transformer", "statten"];
    let system = golden.config.system();
    let request = Request {
        system: twins.contains(&system).then(|| system.to_owned()),
        set: untold(golden),
        ignore,
        ..Request::default()
    };
    let found = import(path, &request).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
    assert_eq!(found.config, golden.config, "{}", path.display());
    assert_eq!(found.weights.tensors, golden.weights.tensors, "{}", path.display());
}
