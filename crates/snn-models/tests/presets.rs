//! Presets are what was published.

use ndarray::ArrayD;
use snn_core::{Outline, Pass, outline};
use snn_models::{Frames, InputShape, Preset, mean_logits};

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = Preset::all().iter().map(|preset| preset.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn parameter_counts_are_those_of_the_authors_code() {
    for preset in Preset::all() {
        let (_, weights) = preset.config.outline().unwrap();
        assert_eq!(weights.parameters(), preset.parameters, "{}", preset.name);
    }
}

#[test]
fn every_preset_classifies_its_input() {
    for preset in Preset::all() {
        let (network, _) = preset.config.outline().unwrap();
        let InputShape { time_steps, height, width, channels, events } = preset.config.input();
        let steps = if events { time_steps } else { 1 };
        let frames = ArrayD::zeros(vec![steps, 2, height, width, channels]);
        let frames = Frames::new(&Outline, &frames);
        let logits = network.forward(&mut Pass::new(&Outline), &frames);
        let logits = mean_logits(&Outline, &logits);
        let expected = outline::Real::new(&[2, preset.config.classes()]);
        assert_eq!(logits, expected, "{}", preset.name);
    }
}

#[test]
fn configurations_survive_json() {
    for preset in Preset::all() {
        let json = serde_json::to_string(&preset.config).unwrap();
        assert_eq!(serde_json::from_str::<snn_models::Config>(&json).unwrap(), preset.config);
    }
    let unknown = r#"{"system": "spikformer", "variant": "cifar", "dims": 3}"#;
    assert!(serde_json::from_str::<snn_models::Config>(unknown).is_err());
}
