//! Dictionaries of tensors, wherever they are in what was saved.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::{
    ReadError,
    pickle::{Id, Pickle, Value},
    tensor::{Stored, Unreadable},
    torch::Tensors,
};

/// Tensors that were saved under one key.
pub(crate) struct Part {
    /// The keys to it, with dots between them; empty for what was saved itself.
    pub path: String,
    pub tensors: BTreeMap<String, Result<Stored, Unreadable>>,
}

/// A number or word beside the tensors, such as an argument of the training script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    Bool(bool),
    Int(i64),
    Text(String),
    Ints(Vec<i64>),
}

/// What was saved.
#[derive(Default)]
pub(crate) struct Tree {
    pub parts: Vec<Part>,
    /// By name; the outermost one where there are several.
    pub facts: BTreeMap<String, Fact>,
    /// Keys of the outermost dictionary, and what is there in a few words.
    pub entries: Vec<(String, String)>,
}

/// Bytes that all names together may have: hostile files repeat theirs without end.
const MOST_NAMES: usize = 1 << 26;
/// Longest text that is a fact.
const LONGEST_FACT: usize = 64;
/// Deepest module in a module that was saved whole.
const DEEPEST: usize = 32;

/// Finds everything, outermost first.
pub(crate) fn walk(tensors: &Tensors<'_>) -> Result<Tree, ReadError> {
    let root = tensors.pickle.root();
    let mut walk = Walk {
        pickle: tensors.pickle,
        tensors,
        tree: Tree::default(),
        seen: HashSet::from([root]),
        queue: VecDeque::from([(root, String::new())]),
        left: MOST_NAMES,
    };
    while let Some((id, path)) = walk.queue.pop_front() {
        walk.visit(id, &path)?;
    }
    Ok(walk.tree)
}

struct Walk<'a> {
    pickle: &'a Pickle,
    tensors: &'a Tensors<'a>,
    tree: Tree,
    seen: HashSet<Id>,
    queue: VecDeque<(Id, String)>,
    left: usize,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, id: Id, path: &str) -> Result<(), ReadError> {
        let pickle = self.pickle;
        if self.field(id, "_modules").is_some() && self.field(id, "_parameters").is_some() {
            return self.module(id, path);
        }
        self.mapping(pickle.items(id).iter().copied(), path)?;
        if let Some(pairs) = pickle.pairs(id) {
            let pair = |&id| match pickle.sequence(id)? {
                &[key, value] => Some((key, value)),
                _ => None,
            };
            let pairs = pickle.sequence(pairs).unwrap_or_default();
            self.mapping(pairs.iter().filter_map(pair), path)?;
        }
        // A state is visited once, whatever number of objects share it.
        if let Some(state) = pickle.state(id) {
            self.enqueue(state, path.to_owned())?;
        }
        for (i, &item) in pickle.sequence(id).unwrap_or_default().iter().enumerate() {
            self.enqueue(item, join(path, &i.to_string()))?;
        }
        Ok(())
    }

    fn enqueue(&mut self, id: Id, path: String) -> Result<(), ReadError> {
        use Value::{Dict, List, Object, Tuple};
        let holds = matches!(self.pickle.get(id), Dict(_) | List(_) | Object(_) | Tuple(_));
        if holds && self.seen.insert(id) {
            self.spend(path.len())?;
            self.queue.push_back((id, path));
        }
        Ok(())
    }

    fn mapping(
        &mut self,
        entries: impl Iterator<Item = (Id, Id)>,
        path: &str,
    ) -> Result<(), ReadError> {
        let pickle = self.pickle;
        let outermost = path.is_empty();
        let mut found = BTreeMap::new();
        for (key, value) in entries {
            // What numbers are the keys of, such as an optimiser's state, is no network.
            let Some(name) = pickle.text(key) else { continue };
            self.spend(name.len())?;
            if let Some(tensor) = self.tensors.get(value) {
                found.insert(name.to_owned(), tensor);
                continue;
            }
            if let Some(fact) = self.fact(value) {
                self.tree.facts.entry(name.to_owned()).or_insert(fact);
            }
            if outermost {
                self.tree.entries.push((name.to_owned(), pickle.describe(value)));
            }
            self.enqueue(value, join(path, name))?;
        }
        self.add(path, found);
        Ok(())
    }

    fn add(&mut self, path: &str, found: BTreeMap<String, Result<Stored, Unreadable>>) {
        if found.is_empty() {
            return;
        }
        match self.tree.parts.iter_mut().find(|part| part.path == path) {
            Some(part) => part.tensors.extend(found),
            None => self.tree.parts.push(Part { path: path.to_owned(), tensors: found }),
        }
    }

    /// The tensors of a module that was saved whole, under the names of its state dict.
    fn module(&mut self, id: Id, path: &str) -> Result<(), ReadError> {
        let pickle = self.pickle;
        let mut found = BTreeMap::new();
        let mut modules = vec![(id, String::new(), 0)];
        while let Some((id, prefix, depth)) = modules.pop() {
            let passing = self.field(id, "_non_persistent_buffers_set");
            let passing = passing.map(|set| self.texts(set)).unwrap_or_default();
            for kind in ["_parameters", "_buffers"] {
                let items = self.field(id, kind).map(|id| pickle.items(id)).unwrap_or_default();
                for &(key, value) in items {
                    let Some(name) = pickle.text(key) else { continue };
                    self.spend(prefix.len() + name.len())?;
                    if let Some(tensor) = self.tensors.get(value)
                        && !passing.contains(name)
                    {
                        found.insert(format!("{prefix}{name}"), tensor);
                    }
                }
            }
            let items = self.field(id, "_modules").map(|id| pickle.items(id)).unwrap_or_default();
            for &(key, value) in items.iter().filter(|_| depth < DEEPEST) {
                let Some(name) = pickle.text(key) else { continue };
                self.spend(prefix.len() + name.len())?;
                modules.push((value, format!("{prefix}{name}."), depth + 1));
            }
        }
        self.add(path, found);
        Ok(())
    }

    /// An attribute of an object.
    fn field(&self, id: Id, name: &str) -> Option<Id> {
        let attributes = self.pickle.items(self.pickle.state(id)?);
        // The first ones: modules have few, and a hostile file may have millions.
        let found =
            attributes.iter().take(64).find(|(key, _)| self.pickle.text(*key) == Some(name));
        found.map(|&(_, value)| value)
    }

    /// The texts of a set.
    fn texts(&self, id: Id) -> HashSet<&'a str> {
        let list = match self.pickle.call(id) {
            Some((_set, &[list])) => list,
            _ => id,
        };
        let items = self.pickle.sequence(list).unwrap_or_default();
        items.iter().take(64).filter_map(|&id| self.pickle.text(id)).collect()
    }

    fn fact(&self, id: Id) -> Option<Fact> {
        let pickle = self.pickle;
        match pickle.get(id) {
            Value::Bool(value) => Some(Fact::Bool(*value)),
            Value::Int(_) => pickle.int(id).map(Fact::Int),
            Value::Text(text) if text.len() <= LONGEST_FACT => Some(Fact::Text(text.clone())),
            Value::Tuple(items) | Value::List(items) if items.len() <= 4 => {
                items.iter().map(|&id| pickle.int(id)).collect::<Option<_>>().map(Fact::Ints)
            }
            _ => None,
        }
    }

    /// Notes that a name of so many bytes is kept.
    fn spend(&mut self, bytes: usize) -> Result<(), ReadError> {
        let left = self.left.checked_sub(bytes + 16);
        self.left = left.ok_or(ReadError::Names { most: MOST_NAMES })?;
        Ok(())
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
