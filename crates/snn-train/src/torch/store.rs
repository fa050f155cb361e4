use std::collections::BTreeMap;

use snn_core::{Tensor as Published, Weights};
use tch::Tensor;

use super::convert::publish;

/// The tensors of a network by published name.
#[derive(Debug, Default)]
pub(super) struct Store(BTreeMap<String, Entry>);

#[derive(Debug)]
enum Entry {
    Parameter(Tensor),
    Statistic(Tensor),
    /// Nothing computes with it: it goes out as it came in.
    Carried(Published),
}

impl Store {
    pub(super) fn parameter(&mut self, name: &str, tensor: &Tensor) {
        self.0.insert(name.into(), Entry::Parameter(tensor.shallow_clone()));
    }

    pub(super) fn statistic(&mut self, name: &str, tensor: &Tensor) {
        self.0.insert(name.into(), Entry::Statistic(tensor.shallow_clone()));
    }

    pub(super) fn carried(&mut self, name: &str, tensor: &Published) {
        self.0.insert(name.into(), Entry::Carried(tensor.clone()));
    }

    pub(super) fn parameters(&self) -> Vec<(String, Tensor)> {
        let parameter = |(name, entry): (&String, &Entry)| match entry {
            Entry::Parameter(tensor) => Some((name.clone(), tensor.shallow_clone())),
            Entry::Statistic(_) | Entry::Carried(_) => None,
        };
        self.0.iter().filter_map(parameter).collect()
    }

    pub(super) fn weights(&self) -> Weights {
        let mut weights = Weights::default();
        for (name, entry) in &self.0 {
            weights.insert(
                name.as_str(),
                match entry {
                    Entry::Parameter(tensor) | Entry::Statistic(tensor) => publish(tensor),
                    Entry::Carried(tensor) => tensor.clone(),
                },
            );
        }
        weights
    }
}
