use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select};
use snn_models::Preset;
use toml::{Table, Value};

use super::{
    Family, Solved, choose, families,
    family::of_authors,
    fields::{Number, config, table},
    outline, solve,
    solve::words,
};
use crate::tree::Fact;

fn of<'a>(families: &'a [Family], preset: &Preset) -> &'a Family {
    families
        .iter()
        .find(|family| family.presets.iter().any(|(name, _)| *name == preset.name))
        .unwrap()
}

#[test]
fn every_published_network_is_recognised() {
    let families = families();
    for preset in of_authors() {
        let (family, shapes) = (of(&families, &preset), outline(&preset.config).unwrap());
        let solved = solve(family, &shapes).unwrap();
        assert!(solved.differences.none(), "{}: {}", preset.name, solved.differences);
        let choice = choose(family, &solved, &BTreeMap::new(), &[]).unwrap();
        let same = choice.config == preset.config || choice.others.contains(&preset.name);
        assert!(same, "{} became {:?}", preset.name, choice.config);
    }
}

#[test]
fn no_family_has_the_tensors_of_another() {
    let families = families();
    for family in &families {
        let has = |other: &&Family| {
            solve(other, &family.tensors).is_some_and(|solved| solved.differences.none())
        };
        let found: Vec<_> = families.iter().filter(has).map(|family| family.system).collect();
        // These two were published under the same names.
        let twins = ["spike-driven-transformer", "statten"];
        if twins.contains(&family.system) {
            assert_eq!(found, twins);
        } else {
            assert_eq!(found, [family.system], "{}", family.name());
        }
    }
}

/// A small network of some family: its index, and the numbers of its configuration.
fn network(count: usize) -> impl Strategy<Value = (usize, Vec<i64>, Vec<bool>, usize)> {
    (
        0..count,
        prop::collection::vec(1i64..6, 16),
        prop::collection::vec(any::<bool>(), 8),
        0usize..5,
    )
}

fn small(family: &Family, sizes: &[i64], flags: &[bool], word: usize) -> Option<Table> {
    let mut table = family.template.clone();
    for (number, size) in Number::all(&table).into_iter().zip(sizes.iter().cycle()) {
        let value = match number.key() {
            "dim" => 16 * size,
            "embed_dims" => 4 * size,
            "heads" => *[1, 2, 4].get(*size as usize % 3)?,
            "depths" | "depth" | "mlp_ratio" | "in_channels" => *size,
            "classes" => size + 7,
            _ => continue,
        };
        table = number.set(&table, value);
    }
    for (value, flag) in table.iter_mut().map(|(_, v)| v).filter(|v| v.is_bool()).zip(flags) {
        *value = Value::Boolean(*flag);
    }
    for (key, value) in words().into_iter().skip(word).take(1) {
        if table.contains_key(key) {
            table.insert(key.to_owned(), value);
        }
    }
    // As it is written: with the defaults of what is left out.
    let config = config(&table).ok()?;
    outline(&config).ok()?;
    Some(super::fields::table(&config))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tensors_tell_every_field_that_they_depend_on((index, sizes, flags, word) in network(64)) {
        let families = families();
        let family = &families[index % families.len()];
        let Some(expected) = small(family, &sizes, &flags, word) else {
            return Err(TestCaseError::reject("no such network"));
        };
        let shapes = outline(&config(&expected).unwrap()).unwrap();
        let Solved { table: found, told, differences } = solve(family, &shapes).unwrap();
        prop_assert!(differences.none(), "{expected}: {differences}");
        let found = table(&config(&found).unwrap());
        for key in &told {
            // One head, one channel, one layer: the same tensor, and the same network.
            if key != "similarity" && key != "heads" {
                prop_assert_eq!(&found[key], &expected[key], "{}", key);
            }
        }
        prop_assert!(told.contains("classes") && told.contains("in_channels"));
        prop_assert!(!told.contains("time_steps"));
    }
}

fn spikformer() -> (Family, Solved) {
    let family = families().into_iter().find(|family| family.name() == "spikformer (cifar)");
    let family = family.unwrap();
    let mut tiny = family.template.clone();
    tiny.insert("dim".into(), 64.into());
    tiny.insert("heads".into(), 1.into());
    let shapes = outline(&config(&tiny).unwrap()).unwrap();
    let solved = solve(&family, &shapes).unwrap();
    (family, solved)
}

#[test]
fn what_nothing_tells_is_asked_for() {
    let (family, solved) = spikformer();
    let none = BTreeMap::new();
    let told = choose(&family, &solved, &none, &[]).err().unwrap().to_string();
    assert!(told.contains("do not tell heads; pass --set heads=VALUE"), "{told}");
    let choice = choose(&family, &solved, &none, &["heads=4".into()]).unwrap();
    assert!(serde_json::to_string(&choice.config).unwrap().contains("\"heads\":4"));
    let told = choose(&family, &solved, &none, &["heads=5".into()]).err().unwrap().to_string();
    assert!(told.contains("`heads` is 5, expected a divisor of 64; --set"), "{told}");
    let zero = ["heads=4".into(), "time_steps=0".into()];
    let told = choose(&family, &solved, &none, &zero).err().unwrap().to_string();
    assert!(told.contains("`time_steps` is 0, expected at least 1"), "{told}");
    let small = ["heads=4".into(), "image=[6, 6]".into()];
    let told = choose(&family, &solved, &none, &small).err().unwrap().to_string();
    assert!(told.contains("`image` is 6, expected a positive multiple of 4"), "{told}");
    let unknown = ["heads=4".into(), "head=2".into()];
    let told = choose(&family, &solved, &none, &unknown).err().unwrap().to_string();
    assert!(told.contains("unknown field `head`"), "{told}");
}

#[test]
fn what_the_file_tells_goes_before_what_was_published() {
    let (family, solved) = spikformer();
    let facts = BTreeMap::from([
        ("num_heads".to_owned(), Fact::Int(2)),
        ("time_steps".to_owned(), Fact::Int(6)),
        ("img_size".to_owned(), Fact::Int(48)),
        // Spikformer has no such field.
        ("pooling_stat".to_owned(), Fact::Text("1111".into())),
    ]);
    let choice = choose(&family, &solved, &facts, &["time_steps=7".into()]).unwrap();
    let origin = |name: &str| {
        let field = choice.fields.iter().find(|field| field.name == name).unwrap();
        format!("{} {}", field.value, field.origin)
    };
    assert_eq!(origin("heads"), "2 from the training arguments in the file");
    assert_eq!(origin("image"), "[48, 48] from the training arguments in the file");
    assert_eq!(origin("time_steps"), "7 set");
    assert_eq!(origin("dim"), "64 told by the tensors");
    // What does not fit is an argument of something else.
    let odd = BTreeMap::from([("num_heads".to_owned(), Fact::Int(7))]);
    assert!(choose(&family, &solved, &odd, &[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Shapes that no network has neither crash nor make anything large.
    #[test]
    fn hostile_shapes(
        index in 0usize..64,
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(),
             select(vec![0usize, 1, 3, 1 << 20, 1 << 40, usize::MAX])),
            1..6,
        ),
    ) {
        let families = families();
        let family = &families[index % families.len()];
        let mut shapes = family.tensors.clone();
        let names: Vec<String> = shapes.keys().cloned().collect();
        for (name, axis, size) in changes {
            let shape = shapes.get_mut(name.get(&names)).unwrap();
            if !shape.is_empty() {
                *axis.get_mut(shape) = size;
            }
        }
        if let Some(solved) = solve(family, &shapes) {
            prop_assert!(shapes == family.tensors || !solved.differences.none());
        }
    }
}

/// Once the guard against large networks took each list for all of them.
#[test]
fn a_network_of_many_short_lists() {
    let families = families();
    let family = families.iter().find(|family| family.name() == "qkformer (cifar)").unwrap();
    let mut table = family.template.clone();
    table.insert("depths".into(), vec![5, 5, 5].into());
    let shapes = outline(&config(&table).unwrap()).unwrap();
    let solved = solve(family, &shapes).unwrap();
    assert_eq!(solved.table["depths"], table["depths"]);
}
