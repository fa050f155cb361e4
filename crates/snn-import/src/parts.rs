//! Networks in a file: where their tensors are, and under which prefix.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    recognise::Shapes,
    tensor::{Stored, Unreadable},
    tree::Part,
};

/// Tensors that may be a network's.
pub(crate) struct Candidate<'a> {
    part: &'a Part,
    /// What stands in front of the network's own names: `module.`, for one.
    pub prefix: String,
    votes: usize,
}

impl<'a> Candidate<'a> {
    /// The keys to it, with its prefix.
    pub fn name(&self) -> String {
        let path = [self.part.path.as_str(), self.prefix.trim_end_matches('.')];
        path.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
    }

    /// The keys to it.
    pub fn path(&self) -> &str {
        &self.part.path
    }

    /// Its tensors under the network's own names.
    pub fn tensors(&self) -> impl Iterator<Item = (&'a str, &'a Result<Stored, Unreadable>)> {
        let inside = |(name, tensor): (&'a String, &'a Result<Stored, Unreadable>)| {
            name.strip_prefix(&self.prefix).map(|name| (name, tensor))
        };
        self.part.tensors.iter().filter_map(inside)
    }

    /// Names of the tensors that lie beside the network.
    pub fn outside(&self) -> impl Iterator<Item = &'a str> {
        self.part.tensors.keys().filter(|n| !n.starts_with(&self.prefix)).map(String::as_str)
    }

    /// The axes of what can be read.
    pub fn shapes(&self) -> Shapes {
        let readable = self.tensors().filter_map(|(name, tensor)| {
            Some((name.to_owned(), tensor.as_ref().ok()?.shape.clone()))
        });
        readable.collect()
    }

    /// Whether it is a running average of another network, which is asked for by name.
    fn average(&self) -> bool {
        self.name().to_lowercase().contains("ema")
    }
}

/// Finds networks by the names that networks of the zoo have, the likeliest first.
pub(crate) fn candidates<'a>(parts: &'a [Part], known: &BTreeSet<&str>) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for part in parts {
        let mut votes: HashMap<&str, usize> = HashMap::new();
        for name in part.tensors.keys() {
            let starts = name.match_indices('.').map(|(dot, _)| dot + 1);
            for start in std::iter::once(0).chain(starts) {
                if known.contains(&name[start..]) {
                    *votes.entry(&name[..start]).or_default() += 1;
                }
            }
        }
        // In the order of their names, so that the order of a hash map is never seen.
        let votes: BTreeMap<_, _> = votes.into_iter().collect();
        candidates.extend(votes.into_iter().map(|(prefix, votes)| Candidate {
            part,
            prefix: prefix.to_owned(),
            votes,
        }));
    }
    let most = candidates.iter().map(|candidate| candidate.votes).max().unwrap_or(0);
    candidates.retain(|candidate| 2 * candidate.votes >= most);
    candidates.sort_by_key(Candidate::average);
    candidates
}
