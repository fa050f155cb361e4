//! The packed engine on the golden files, on every instruction set.

mod common;

use snn_core::{
    Packed,
    packed::{Isa, Precision},
};
use snn_models::golden::Golden;

#[test]
fn exact_spikes_are_those_of_the_authors() {
    let Some(folder) = common::golden_folder() else { return };
    for name in [
        "spikformer-a",
        "spikformer-imagenet-a",
        "spikformer-dvs-a",
        "spike-driven-transformer-a",
        "spike-driven-transformer-dvs-a",
        "statten-a",
        "statten-dvs-a",
        "qkformer-a",
        "qkformer-imagenet-a",
        "qkformer-dvs-a",
        "meta-spikeformer-a",
        "e-spikeformer-a",
        "e-spikeformer-large-a",
        "qsd-transformer-a",
    ] {
        let golden = Golden::load(&folder.join(name).with_extension("safetensors")).unwrap();
        for isa in Isa::all() {
            let packed = Packed::with_isa(Precision::Exact, isa);
            let comparison = golden.compare(&packed).unwrap();
            let failures: Vec<_> = comparison.failures().collect();
            assert!(failures.is_empty(), "{name} on {}: {failures:?}", isa.name());
        }
    }
}
