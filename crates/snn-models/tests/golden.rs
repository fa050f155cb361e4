//! What the authors' own code gave, on the reference backend.
//!
//! The files are not part of this repository: `SNN_GOLDEN` names their folder,
//! `../shared/golden` beside the workspace is the default.

use std::path::PathBuf;

use snn_core::{Packed, Reference, packed::Precision};
use snn_models::golden::{Golden, Recording};

fn folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden");
    let folder = std::env::var_os("SNN_GOLDEN").map_or_else(|| beside.into(), PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no golden files in {}", folder.display());
        return None;
    }
    Some(folder)
}

fn check(name: &str) {
    let Some(folder) = folder() else { return };
    let golden = Golden::load(&folder.join(name).with_extension("safetensors")).unwrap();
    let comparison = golden.compare(&Reference::<f64>::new()).unwrap();
    let failures: Vec<_> = comparison.failures().collect();
    assert!(failures.is_empty(), "{name}: {failures:?}");
    for kind in ["logits", "rate."] {
        assert!(comparison.greatest(kind).is_some(), "{name} compares no {kind}");
    }
    assert_eq!(comparison.greatest("act.").is_none(), golden.training);
    let comparison = golden.compare(&Reference::<f32>::new()).unwrap();
    assert_eq!(comparison.failures().count(), 0, "{name} in f32");
}

macro_rules! golden {
    ($($name:ident => $file:literal),* $(,)?) => {
        $(#[test] fn $name() { check($file) })*
    };
}

golden! {
    spikformer => "spikformer-a",
    spikformer_imagenet => "spikformer-imagenet-a",
    spikformer_dvs => "spikformer-dvs-a",
    spikformer_training => "spikformer-grad-a",
    spike_driven_transformer => "spike-driven-transformer-a",
    spike_driven_transformer_dvs => "spike-driven-transformer-dvs-a",
    spike_driven_transformer_training => "spike-driven-transformer-grad-a",
    statten => "statten-a",
    statten_dvs => "statten-dvs-a",
    statten_training => "statten-grad-a",
    qkformer => "qkformer-a",
    qkformer_imagenet => "qkformer-imagenet-a",
    qkformer_dvs => "qkformer-dvs-a",
    qkformer_training => "qkformer-grad-a",
    meta_spikeformer => "meta-spikeformer-a",
    meta_spikeformer_training => "meta-spikeformer-grad-a",
    e_spikeformer => "e-spikeformer-a",
    e_spikeformer_training => "e-spikeformer-grad-a",
    e_spikeformer_large => "e-spikeformer-large-a",
    e_spikeformer_large_training => "e-spikeformer-large-grad-a",
    qsd_transformer => "qsd-transformer-a",
    qsd_transformer_training => "qsd-transformer-grad-a",
}

#[test]
fn a_xnor() {
    let Some(folder) = folder() else { return };
    let recording = Recording::load(&folder.join("a-xnor-a.safetensors")).unwrap();
    let comparison = recording.compare(&Reference::<f64>::new()).unwrap();
    let failures: Vec<_> = comparison.failures().collect();
    assert!(failures.is_empty(), "{failures:?}");
    for kind in ["d127.r2.a0.5", "d1.r0.a0", "attn.output", "attn.similarity", "grad."] {
        assert!(comparison.greatest(kind).is_some(), "no {kind} was compared");
    }
    assert_eq!(comparison.differences.len(), 10 * 3 * 4 + 2 + 3);
}

#[test]
fn winner_take_all() {
    let Some(folder) = folder() else { return };
    let recording = Recording::load(&folder.join("wta-attention-a.safetensors")).unwrap();
    for comparison in [
        recording.compare(&Reference::<f64>::new()).unwrap(),
        recording.compare(&Packed::default()).unwrap(),
    ] {
        let failures: Vec<_> = comparison.failures().collect();
        assert!(failures.is_empty(), "{}: {failures:?}", comparison.backend);
        assert_eq!(comparison.differences.len(), 10);
    }
}

#[test]
fn hashing_and_attention_on_codes() {
    let Some(folder) = folder() else { return };
    for (name, compared) in [
        ("ecoformer-hash-a", 4),
        ("multi-scale-hash-a", 14),
        ("temporal-alignment-a", 7),
        ("lsh-attention-a", 1),
    ] {
        let recording = Recording::load(&folder.join(name).with_extension("safetensors")).unwrap();
        let reference = recording.compare(&Reference::<f64>::new()).unwrap();
        let packed = recording.compare(&Packed::new(Precision::Exact)).unwrap();
        for comparison in [reference, packed] {
            let failures: Vec<_> = comparison.failures().collect();
            assert!(failures.is_empty(), "{name} on {}: {failures:?}", comparison.backend);
            assert_eq!(comparison.differences.len(), compared, "{name}");
        }
    }
}

#[test]
fn codes_in_time_and_weights_of_few_bits() {
    let Some(folder) = folder() else { return };
    for (name, compared) in [("mttfs-a", 5 + 3 * 5 + 2), ("log-quant-a", 9), ("nf4-a", 15)] {
        let recording = Recording::load(&folder.join(name).with_extension("safetensors")).unwrap();
        let comparison = recording.compare(&Reference::<f64>::new()).unwrap();
        let failures: Vec<_> = comparison.failures().collect();
        assert!(failures.is_empty(), "{name}: {failures:?}");
        assert_eq!(comparison.differences.len(), compared, "{name}");
        // What is looked up or counted is exact, and so is NF4 as a whole.
        for d in &comparison.differences {
            let sums = ["linear", "silent", "dequant_", "delta", "nested_offset", "nested_absmax2"];
            let sums =
                d.name.starts_with("nested_offset") || sums.iter().any(|s| d.name.starts_with(s));
            assert!(d.greatest <= if sums { 1e-5 } else { 0.0 }, "{name}: {d:?}");
        }
    }
}

#[test]
fn dilated_windows() {
    let Some(folder) = folder() else { return };
    let recording = Recording::load(&folder.join("dilated-window-a.safetensors")).unwrap();
    for comparison in [
        recording.compare(&Reference::<f64>::new()).unwrap(),
        recording.compare(&Reference::<f32>::new()).unwrap(),
        recording.compare(&Packed::default()).unwrap(),
    ] {
        let failures: Vec<_> = comparison.failures().collect();
        assert!(failures.is_empty(), "{}: {failures:?}", comparison.backend);
        assert_eq!(comparison.differences.len(), 2 + 4 + 3);
    }
}

#[test]
fn temporal_block() {
    let Some(folder) = folder() else { return };
    let recording = Recording::load(&folder.join("teformer-block-a.safetensors")).unwrap();
    for comparison in [
        recording.compare(&Reference::<f64>::new()).unwrap(),
        recording.compare(&Reference::<f32>::new()).unwrap(),
        recording.compare(&Packed::default()).unwrap(),
    ] {
        let failures: Vec<_> = comparison.failures().collect();
        assert!(failures.is_empty(), "{}: {failures:?}", comparison.backend);
        assert_eq!(comparison.differences.len(), 12);
    }
}
