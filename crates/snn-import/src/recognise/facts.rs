//! What training scripts leave beside the weights: the arguments that they were called with.

use std::collections::BTreeMap;

use toml::Value;

use crate::tree::Fact;

/// Fields of configurations, and what the scripts of authors call them.
const NAMES: [(&str, &[&str]); 8] = [
    ("time_steps", &["time_steps", "time_step", "T"]),
    ("heads", &["num_heads"]),
    ("image", &["img_size", "input_size"]),
    ("pooling", &["pooling_stat"]),
    ("dvs_mode", &["dvs_mode"]),
    ("tet", &["TET"]),
    ("chunk", &["chunk_size"]),
    ("attention", &["attention_mode"]),
];

/// What the file says of a field that has had the value `like`.
pub(super) fn fact(facts: &BTreeMap<String, Fact>, field: &str, like: &Value) -> Option<Value> {
    let (_, names) = NAMES.iter().find(|(known, _)| *known == field)?;
    let fact = names.iter().find_map(|name| facts.get(*name))?;
    match (like, fact) {
        (Value::Integer(_), Fact::Int(number)) if *number > 0 => Some(Value::Integer(*number)),
        (Value::Boolean(_), Fact::Bool(flag)) => Some(Value::Boolean(*flag)),
        (Value::String(_), Fact::Text(text)) => Some(Value::String(text.clone())),
        (Value::Array(_), Fact::Int(side)) if *side > 0 => Some(Value::from(vec![*side; 2])),
        // Channels may stand in front of height and width.
        (Value::Array(_), Fact::Ints(sides)) if matches!(sides.len(), 2 | 3) => {
            Some(Value::from(sides[sides.len() - 2..].to_vec()))
        }
        _ => None,
    }
}

/// Fields that files may tell; those come first that others must fit.
pub(super) fn fields() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(field, _)| *field)
}
