//! What names and shapes tell of a configuration.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{
    Differences, Family, Shapes, compare,
    fields::{IDENTITY, Number, config},
    outline::{self, numbers},
};

/// A configuration as far as names and shapes tell it.
pub(crate) struct Solved {
    /// It, with whatever is valid in the fields that are not told.
    pub table: Table,
    /// Keys of the fields that are told.
    pub told: BTreeSet<String>,
    /// How the tensors differ from those of the network all the same.
    pub differences: Differences,
}

/// Most numbers of a network that is tried: six times what the largest published one has.
const MOST_NUMBERS: f64 = 1e9;

/// One in so many names of a family must be there: no network is so much deeper than another.
const LEAST_SHARED: usize = 20;

/// Fields that are words: no published network may show what else they can be.
pub(super) fn words() -> [(&'static str, Value); 4] {
    let learned = |granularity: &str| {
        let table = [("kind", "learned-xnor"), ("granularity", granularity)];
        Value::Table(table.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect())
    };
    [
        ("spike_mode", "plif".into()),
        ("similarity", learned("per-layer")),
        ("similarity", learned("per-channel")),
        ("similarity", learned("per-head")),
    ]
}

/// Finds the network of a family that has these tensors, or comes closest to it. None if no
/// network of the family can be built of their sizes.
pub(crate) fn solve(family: &Family, shapes: &Shapes) -> Option<Solved> {
    let there = family.tensors.keys().filter(|name| shapes.contains_key(*name)).count();
    if LEAST_SHARED * there < family.tensors.len() {
        return None;
    }
    let mut told = BTreeSet::new();
    let mut starts = vec![family.template.clone()];
    for (key, value) in words().into_iter().filter(|(key, _)| family.template.contains_key(*key)) {
        // A word that would bring tensors is told by whether they are there.
        let with = |start: &Table| {
            let mut start = start.clone();
            start.insert(key.to_owned(), value.clone());
            let brought = brought(&family.tensors, &outline(&start)?);
            Some((start, brought))
        };
        let Some((_, brought)) = with(&family.template) else { continue };
        if brought.is_empty() {
            continue;
        }
        told.insert(key.to_owned());
        if brought.iter().any(|name| shapes.contains_key(name)) {
            let plain = starts.iter().filter(|start| start.get(key) == family.template.get(key));
            let more: Vec<_> = plain.filter_map(|start| Some(with(start)?.0)).collect();
            starts.extend(more);
        }
    }
    let solved = starts.iter().filter_map(|start| numbers_of(family, start, shapes));
    let best = solved.min_by_key(|solved| solved.differences.count())?;
    Some(Solved { told: &best.told | &told, ..best })
}

fn outline(table: &Table) -> Option<Shapes> {
    outline::outline(&config(table).ok()?).ok()
}

/// Names that `after` has and `before` has not.
fn brought(before: &Shapes, after: &Shapes) -> Vec<String> {
    after.keys().filter(|name| !before.contains_key(*name)).cloned().collect()
}

/// One axis of one tensor.
type Axis = (String, usize);

/// What a number does to names and shapes.
struct Effect {
    number: Number,
    from: i64,
    /// Axes that grow with it, by which power.
    axes: BTreeMap<Axis, u32>,
    /// What stands in front of the indices of the list that it is the length of: `block.`
    list: Option<String>,
}

fn numbers_of(family: &Family, start: &Table, shapes: &Shapes) -> Option<Solved> {
    let mut told = BTreeSet::new();
    let table = flags(start, shapes, &mut told)?;
    let base = outline(&table)?;
    let mut effects = Vec::new();
    let mut idle = Vec::new();
    for number in Number::all(&table) {
        if IDENTITY.contains(&number.key()) {
            continue;
        }
        match Effect::of(&number, &table, &base) {
            Some(effect) if effect.axes.is_empty() && effect.list.is_none() => {
                idle.push(number);
            }
            Some(effect) => {
                told.insert(number.key().to_owned());
                effects.push(effect);
            }
            None => {}
        }
    }
    // A number that is not told must not stand in the way, as heads would that do not divide.
    let mut table = idle.iter().filter(|number| number.key() != "image").fold(table, |table, n| {
        let one = n.set(&table, 1);
        if outline(&one).is_some() { one } else { table }
    });
    let ratios = ratios(&effects, &base, shapes);
    // Nothing is built that is far larger than what is there.
    let grown = |(name, shape): (&String, &Vec<usize>)| {
        let before = shape.iter().map(|&axis| axis as f64).product::<f64>();
        let growth = effects.iter().zip(&ratios).map(|(effect, ratio)| effect.growth(name, *ratio));
        before * growth.product::<f64>()
    };
    let size = base.iter().map(grown).sum::<f64>();
    if size > (4.0 * numbers(shapes) + family.size()).min(MOST_NUMBERS) {
        return None;
    }
    for (effect, ratio) in effects.iter().zip(&ratios) {
        table = effect.number.set(&table, (effect.from as f64 * ratio).round() as i64);
    }
    let differences = compare(shapes, &outline(&table)?);
    Some(Solved { table, told, differences })
}

/// Sets every flag that brings or removes tensors as the tensors say.
fn flags(start: &Table, shapes: &Shapes, told: &mut BTreeSet<String>) -> Option<Table> {
    let mut table = start.clone();
    for (key, value) in start {
        let &Value::Boolean(flag) = value else { continue };
        let mut other = table.clone();
        other.insert(key.clone(), Value::Boolean(!flag));
        let (before, Some(after)) = (outline(&table)?, outline(&other)) else { continue };
        let (more, less) = (brought(&before, &after), brought(&after, &before));
        if more.is_empty() && less.is_empty() {
            continue;
        }
        told.insert(key.clone());
        let agree = |names: &[String], wanted: bool| {
            first(names).filter(|name| shapes.contains_key(*name) == wanted).count()
        };
        if agree(&more, true) + agree(&less, false) > agree(&more, false) + agree(&less, true) {
            table = other;
        }
    }
    Some(table)
}

/// Names in the first block of every list, which a network of any depth has; all if none is.
fn first(names: &[String]) -> impl Iterator<Item = &String> {
    let first =
        |name: &&String| !name.split('.').any(|part| part.parse::<usize>().is_ok_and(|i| i > 0));
    let any = names.iter().any(|name| first(&name));
    names.iter().filter(move |name| !any || first(name))
}

impl Effect {
    /// None if the number cannot be changed alone.
    fn of(number: &Number, table: &Table, base: &Shapes) -> Option<Self> {
        let from = number.get(table)?;
        let others = [2 * from, from + 1, from / 2];
        let mut tried = others.into_iter().filter(|&to| to != from);
        let (to, after) = tried.find_map(|to| Some((to, outline(&number.set(table, to))?)))?;
        let mut axes = BTreeMap::new();
        for (name, shape) in base {
            let Some(other) = after.get(name).filter(|other| other.len() == shape.len()) else {
                continue;
            };
            for (axis, (&old, &new)) in shape.iter().zip(other).enumerate() {
                let (old, new) = (old as i128, new as i128);
                let (from, to) = (i128::from(from), i128::from(to));
                if old == new {
                } else if new * from == old * to {
                    axes.insert((name.clone(), axis), 1);
                } else if new * from * from == old * to * to {
                    axes.insert((name.clone(), axis), 2);
                }
            }
        }
        let more = if to > from { brought(base, &after) } else { brought(&after, base) };
        Some(Self { number: number.clone(), from, axes, list: list(&more, base) })
    }

    /// How many times larger a tensor of the template is with so many times the number.
    fn growth(&self, name: &str, ratio: f64) -> f64 {
        let power = |((tensor, _), power): (&Axis, &u32)| (tensor == name).then_some(*power as i32);
        let axes: i32 = self.axes.iter().filter_map(power).sum();
        let inside = self.list.as_ref().is_some_and(|list| name.starts_with(list));
        ratio.powi(axes + i32::from(inside))
    }
}

/// The list that names which are there would lengthen.
fn list(names: &[String], there: &Shapes) -> Option<String> {
    let parts: Vec<&str> = names.first()?.split('.').collect();
    let mut indices = (0..parts.len()).filter(|&i| parts[i].parse::<usize>().is_ok());
    indices.find_map(|i| {
        let list: String = parts[..i].iter().map(|part| format!("{part}.")).collect();
        let item = format!("{list}{}.", parts[i]);
        (!there.keys().any(|name| name.starts_with(&item))).then_some(list)
    })
}

/// Items of a list: 0, 1, and so on.
fn length(list: &str, shapes: &Shapes) -> usize {
    let index = |name: &String| name.strip_prefix(list)?.split('.').next()?.parse().ok();
    let indices: BTreeSet<usize> = shapes.keys().filter_map(index).collect();
    (0..).take_while(|i| indices.contains(i)).count()
}

/// By how much each number differs from that of the template. What nothing tells stays.
fn ratios(effects: &[Effect], base: &Shapes, shapes: &Shapes) -> Vec<f64> {
    let mut ratios: Vec<Option<f64>> = effects
        .iter()
        .map(|effect| {
            let list = effect.list.as_ref()?;
            let more = length(list, shapes) as i64 - length(list, base) as i64;
            Some((effect.from + more) as f64 / effect.from as f64)
        })
        .collect();
    // An axis tells a number once all others that it grows with are known.
    loop {
        let next = (0..effects.len()).filter(|&i| ratios[i].is_none()).find_map(|i| {
            let effect = &effects[i];
            let mut axes = effect.axes.iter();
            axes.find_map(|((name, axis), &power)| {
                let key = (name.clone(), *axis);
                let mut size = *base.get(name)?.get(*axis)? as f64;
                for (j, other) in effects.iter().enumerate().filter(|&(j, _)| j != i) {
                    if let Some(&power) = other.axes.get(&key) {
                        size *= ratios[j]?.powi(power as i32);
                    }
                }
                let there = *shapes.get(name)?.get(*axis)? as f64;
                let ratio = (there / size).powf(1.0 / f64::from(power));
                let number = effect.from as f64 * ratio;
                let whole = number >= 0.5 && (number - number.round()).abs() < 1e-6;
                whole.then_some((i, ratio))
            })
        });
        match next {
            Some((i, ratio)) => ratios[i] = Some(ratio),
            None => return ratios.into_iter().map(|ratio| ratio.unwrap_or(1.0)).collect(),
        }
    }
}
