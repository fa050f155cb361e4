//! Cases: drawn, written, read; and what the comparison with the reference finds.

use snn_benches::{
    Case,
    agreement::{Recording, agreement},
    case::{Draw, config},
    contest::median,
};
use snn_core::{Packed, Tensor, packed::Precision};

/// The smallest network of a system.
fn tiny(system: &str) -> Case {
    let name = format!("{system}-{}-{}", if system == "qkformer" { 3 } else { 1 }, 32);
    Case::draw(&name, config(&name, 2).unwrap(), Draw { images: 2, ..Draw::default() }).unwrap()
}

const SYSTEMS: [&str; 3] = ["spikformer", "spike-driven-transformer", "qkformer"];

#[test]
fn neurons_fire_like_those_of_trained_networks() {
    for system in SYSTEMS {
        let recording = Recording::new(&tiny(system), 2).unwrap();
        assert!((0.08..0.3).contains(&recording.rate()), "{system}: {}", recording.rate());
        assert!((0.1..0.8).contains(&recording.busy()), "{system}: {}", recording.busy());
    }
}

#[test]
fn the_engine_agrees_and_a_changed_weight_does_not() {
    for system in SYSTEMS {
        let case = tiny(system);
        let recording = Recording::new(&case, 2).unwrap();
        let exact = Packed::new(Precision::Exact);
        let (spikes, logit_error) = agreement(&exact, &case, &recording).unwrap();
        assert_eq!(spikes.flipped, 0, "{system}");
        assert!(spikes.compared > 1000 && logit_error < 1e-12, "{system}: {spikes:?}");

        let mut other = case.clone();
        let name = other.weights.tensors.keys().find(|n| n.ends_with("proj_bn.bias")).cloned();
        let name = name.unwrap();
        let moved = other.weights.get(&name).unwrap().to_f32() + 1.0;
        other.weights.insert(name, Tensor::F32(moved));
        let (spikes, _) = agreement(&exact, &other, &recording).unwrap();
        assert!(spikes.flipped > 0, "{system}");
    }
}

#[test]
fn a_case_is_read_as_it_was_written_and_drawn_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.safetensors");
    let case = tiny("spikformer");
    case.save(&path).unwrap();
    let read = Case::load(&path).unwrap();
    assert_eq!((&read.name, &read.config), (&case.name, &case.config));
    assert_eq!((&read.input, &read.logits), (&case.input, &case.logits));
    assert_eq!(read.weights, case.weights);
    assert_eq!(tiny("spikformer").logits, case.logits);
}

#[test]
fn what_is_no_case_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.safetensors");
    let error = |case: &Case, change: fn(&mut Case)| {
        let mut case = case.clone();
        change(&mut case);
        case.save(&path).unwrap();
        format!("{:#}", Case::load(&path).unwrap_err())
    };
    let case = tiny("spikformer");
    let text = error(&case, |case| case.name = "resnet-18".into());
    assert!(text.contains("`resnet-18` is not known, expected spikformer-"), "{text}");
    let text = error(&case, |case| case.name = "qkformer-1-32".into());
    assert!(text.contains("`qkformer-1-32` is not known"), "{text}");
    let text =
        error(&case, |case| case.input = case.input.index_axis(ndarray::Axis(0), 0).to_owned());
    assert!(text.ends_with("`input` has 3 axes, expected 4"), "{text}");
    let text = format!("{:#}", case.images(3).unwrap_err());
    assert_eq!(text, "a batch of 3, but `spikformer-1-32` holds 2 images");
    assert!(Case::load(&folder.path().join("none")).is_err());
}

#[test]
fn a_median_lies_in_the_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
}
