//! Presets are what was published.

use snn_core::{Builder, Reference};
use snn_models::Preset;

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
        let backend = Reference::<f32>::new();
        let builder = Builder::draw(&backend, 0);
        preset.config.build(&builder).unwrap();
        let weights = builder.finish().unwrap();
        assert_eq!(weights.parameters(), preset.parameters, "{}", preset.name);
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
