use snn_models::{Config, Preset, teformer};
use toml::Table;

use super::{
    Shapes,
    fields::{IDENTITY, table},
    outline::{numbers, outline},
};

/// Published networks of one system whose tensors have the same names.
pub(crate) struct Family {
    pub system: &'static str,
    /// Which of the system's networks they are, where it has several.
    pub variant: Option<String>,
    /// Name and configuration of each.
    pub presets: Vec<(&'static str, Table)>,
    /// The smallest one, which others are derived from.
    pub template: Table,
    /// Its tensors.
    pub tensors: Shapes,
}

/// The networks of the zoo that other people published: of our own, no checkpoint needs importing.
pub(crate) fn of_authors() -> Vec<Preset> {
    let ours = |preset: &Preset| {
        match &preset.config {
            Config::EfficientSpikingTransformer(_) | Config::Lsformer(_) => true,
            // For events, only the names in the network for images are known.
            Config::Teformer(config) => config.variant != teformer::Variant::Cifar,
            _ => false,
        }
    };
    Preset::all().into_iter().filter(|preset| !ours(preset)).collect()
}

/// The published networks by family, in the order of the zoo.
pub(crate) fn families() -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut presets = of_authors();
    // The smallest of each family comes first and stays its template.
    presets.sort_by_key(|preset| preset.parameters);
    for preset in presets {
        let table = table(&preset.config);
        let variant = table.get(IDENTITY[1]).and_then(|v| v.as_str()).map(str::to_owned);
        let system = preset.config.system();
        let same = |family: &&mut Family| family.system == system && family.variant == variant;
        if let Some(family) = families.iter_mut().find(same) {
            family.presets.push((preset.name, table));
            continue;
        }
        let tensors = outline(&preset.config)
            .unwrap_or_else(|e| unreachable!("the published {} is sound: {e}", preset.name));
        families.push(Family {
            system,
            variant,
            presets: vec![(preset.name, table.clone())],
            template: table,
            tensors,
        });
    }
    families.sort_by(|a, b| (a.system, &a.variant).cmp(&(b.system, &b.variant)));
    families
}

impl Family {
    /// System and variant in words.
    pub fn name(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{} ({variant})", self.system),
            None => self.system.to_owned(),
        }
    }

    /// Whether a published network is one of these.
    pub fn has(&self, preset: &str) -> bool {
        self.presets.iter().any(|(name, _)| *name == preset)
    }

    /// Numbers of the template.
    pub fn size(&self) -> f64 {
        numbers(&self.tensors)
    }
}
