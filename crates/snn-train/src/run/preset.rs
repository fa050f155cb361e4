use super::{Config, RunError, text};

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every preset.
        const EMBEDDED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../presets/", $name, ".toml")))),*];
    };
}

embed![
    "digits",
    "digits-spike-driven-transformer",
    "digits-statten",
    "digits-qkformer",
    "digits-meta-spikeformer",
    "digits-e-spikeformer",
    "digits-qsd-transformer",
    "digits-xnor",
    "digits-efficient",
    "digits-lsformer",
    "digits-teformer",
    "mnist",
    "fashion-mnist",
    "fashion-mnist-efficient",
    "fashion-mnist-lsformer",
    "cifar10",
    "cifar100",
    "tiny-imagenet",
    "imagenet",
    "dvs128-gesture",
    "dvs128-gesture-qkformer",
    "cifar10-dvs",
    "cifar10-dvs-spike-driven-transformer",
    "cifar10-dvs-qkformer",
    "cifar10-dvs-statten",
    "cifar10-dvs-teformer",
    "nmnist",
    "n-caltech101",
    "n-cars",
    "asl-dvs",
    "shd",
    "ssc",
    "fsdd",
    "fsdd-teformer",
    "speech-commands",
];

/// Names of the presets, the default one first.
pub fn preset_names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|(name, _)| *name).collect()
}

/// The preset of that name, after `changes` as for [`Config::load`].
///
/// # Errors
/// [`RunError::Preset`] lists the names that exist; else as [`Config::parse`].
pub fn preset(name: &str, changes: &[String]) -> Result<Config, RunError> {
    match EMBEDDED.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Config::parse(&format!("preset `{name}`"), text, changes),
        None => Err(RunError::Preset {
            name: name.into(),
            known: [preset_names(), text::preset_names()].concat(),
        }),
    }
}
