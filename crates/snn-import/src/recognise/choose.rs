//! What names and shapes do not tell of a configuration.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};
use snn_models::{Config, Preset};
use toml::{Table, Value};

use super::{
    Family, Shapes, Solved, apply, compare,
    facts::{self, fact},
    fields::{IDENTITY, config, table},
    outline,
};
use crate::{Why, tree::Fact};

/// One field of a configuration, and how it is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// Its key.
    pub name: String,
    /// Its value, as TOML.
    pub value: String,
    /// How it is known.
    #[serde(serialize_with = "in_words")]
    pub origin: Origin,
}

/// How a field is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Names and shapes of the tensors tell it.
    Tensors,
    /// A person set it.
    Set,
    /// The file's own arguments of the training script.
    File,
    /// The published network that a person named has it.
    Named,
    /// A published network of these shapes has it.
    Preset(&'static str),
    /// All published networks of the system have it.
    System,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensors => f.write_str("told by the tensors"),
            Self::Set => f.write_str("set"),
            Self::File => f.write_str("from the training arguments in the file"),
            Self::Named => f.write_str("of the preset"),
            Self::Preset(name) => write!(f, "assumed, as in {name}"),
            Self::System => f.write_str("assumed, as in all published networks of the system"),
        }
    }
}

fn in_words<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// A whole configuration.
pub(crate) struct Choice {
    pub config: Config,
    pub fields: Vec<Field>,
    /// Published networks of these shapes that differ in what shapes do not tell.
    pub others: Vec<&'static str>,
}

/// A configuration that comes together.
struct Draft {
    table: Table,
    /// Keys whose values are known, and how.
    origins: BTreeMap<String, Origin>,
}

/// The published network that a person named, if the tensors are its own.
pub(crate) fn published(
    preset: &Preset,
    shapes: &Shapes,
    solved: Option<&Solved>,
    changes: &[String],
) -> Result<Choice, Why> {
    let table = table(&preset.config);
    let set = |key: &str| changes.iter().any(|change| key_of(change) == key);
    let fits = |solved: &&Solved| {
        let mut told = solved.told.iter().filter(|key| !set(key));
        solved.differences.none() && told.all(|key| solved.table.get(key) == table.get(key))
    };
    let Some(solved) = solved.filter(fits) else {
        let differences = compare(shapes, &outline(&preset.config)?);
        return Err(Why::Misfit { asked: preset.name.to_owned(), differences });
    };
    let told = solved.told.iter().filter_map(|key| Some((key.clone(), solved.table.get(key)?)));
    let origins = table.keys().map(|key| (key.clone(), Origin::Named)).collect();
    let mut draft = Draft { table: table.clone(), origins };
    for (key, value) in told {
        draft.table.insert(key.clone(), value.clone());
        draft.origins.insert(key, Origin::Tensors);
    }
    draft.change(changes)?;
    draft.finish(preset.name, changes)
}

/// Completes what the tensors tell.
pub(crate) fn choose(
    family: &Family,
    solved: &Solved,
    facts: &BTreeMap<String, Fact>,
    changes: &[String],
) -> Result<Choice, Why> {
    let told = |key: &str| solved.told.contains(key) || IDENTITY.contains(&key);
    let tensors = solved.table.keys().filter(|key| told(key));
    let origins = tensors.map(|key| (key.clone(), Origin::Tensors)).collect();
    let mut draft = Draft { table: solved.table.clone(), origins };
    // Networks are often trained further for other classes, and are the same but for that.
    let exact = draft.like(family, &told, None);
    let near =
        if exact.is_empty() { draft.like(family, &told, Some("classes")) } else { Vec::new() };
    let plain = |presets: &[&Published]| presets.iter().map(|p| p.0).min_by_key(|n| n.len());
    if let Some(name) = plain(&exact) {
        let plain = exact.iter().copied().filter(|preset| preset.0 == name);
        draft.assume(plain, Origin::Preset(name));
    } else if let Some(name) = plain(&near) {
        draft.assume(near.iter().copied(), Origin::Preset(name));
    } else {
        draft.assume(family.presets.iter(), Origin::System);
    }
    draft.read(facts, &told);
    draft.change(changes)?;
    let mut choice = draft.finish(&family.name(), changes)?;
    let others = exact.iter().filter(|(_, preset)| table(&choice.config) != *preset);
    choice.others = others.map(|(name, _)| *name).collect();
    Ok(choice)
}

/// The key that a change is made to.
fn key_of(change: &str) -> &str {
    change.split(['.', '=']).next().unwrap_or_default().trim()
}

/// Name and configuration of a published network.
type Published = (&'static str, Table);

impl Draft {
    /// Published networks with the same values in all fields that are told, but for `but`.
    fn like<'a>(
        &self,
        family: &'a Family,
        told: &dyn Fn(&str) -> bool,
        but: Option<&str>,
    ) -> Vec<&'a Published> {
        let agrees = |(_, preset): &&Published| {
            let mut keys = self.table.keys().filter(|key| told(key) && Some(key.as_str()) != but);
            keys.all(|key| preset.get(key) == self.table.get(key))
        };
        family.presets.iter().filter(agrees).collect()
    }

    /// Takes what is not known yet from published networks, where they all say the same.
    fn assume<'a>(&mut self, presets: impl Iterator<Item = &'a Published> + Clone, origin: Origin) {
        for (key, value) in self.table.iter_mut() {
            let mut values = presets.clone().map(|(_, preset)| preset.get(key));
            if let Some(Some(first)) = values.next()
                && !self.origins.contains_key(key)
                && values.all(|value| value == Some(first))
            {
                *value = first.clone();
                self.origins.insert(key.clone(), origin);
            }
        }
    }

    /// Takes what the file tells of its training, where the tensors do not tell.
    fn read(&mut self, facts: &BTreeMap<String, Fact>, told: &dyn Fn(&str) -> bool) {
        for key in facts::fields().filter(|key| !told(key)) {
            let Some(like) = self.table.get(key) else { continue };
            let Some(value) = fact(facts, key, like) else { continue };
            if *like == value && self.origins.contains_key(key) {
                continue;
            }
            let mut with = self.table.clone();
            with.insert(key.to_owned(), value);
            // Scripts have arguments that their networks never see.
            if config(&with).is_ok_and(|config| outline(&config).is_ok()) {
                self.table = with;
                self.origins.insert(key.to_owned(), Origin::File);
            }
        }
    }

    fn change(&mut self, changes: &[String]) -> Result<(), Why> {
        for change in changes {
            let key = key_of(change);
            let before = self.table.get(key).cloned();
            apply(&mut self.table, change).map_err(|e| Why::set(change, e))?;
            let number = !matches!(before, Some(Value::String(_) | Value::Table(_)));
            match (self.origins.get(key), before) {
                // Sizes: one that is wrong would ask for another network.
                (Some(Origin::Tensors), Some(told)) if number => {
                    if self.table.get(key) != Some(&told) {
                        return Err(Why::set(change, format!("the tensors tell {told}")));
                    }
                }
                _ => drop(self.origins.insert(key.to_owned(), Origin::Set)),
            }
        }
        Ok(())
    }

    fn finish(self, network: &str, changes: &[String]) -> Result<Choice, Why> {
        let Self { table, origins } = self;
        let fields: Vec<String> =
            table.keys().filter(|key| !origins.contains_key(*key)).cloned().collect();
        if !fields.is_empty() {
            return Err(Why::Untold { system: network.to_owned(), fields });
        }
        let config = config(&table).map_err(|e| Why::set(&changes.join(" "), e.to_string()))?;
        outline(&config)?;
        let keys = table.iter().filter(|(key, _)| *key != IDENTITY[0]);
        let field = |(name, value): (&String, &Value)| {
            let origin = *origins.get(name)?;
            Some(Field { name: name.clone(), value: value.to_string(), origin })
        };
        Ok(Choice { config, fields: keys.filter_map(field).collect(), others: Vec::new() })
    }
}
