use std::collections::HashMap;

use crate::{
    backend::{Activity, Backend},
    pass::{Event, Probe},
};

/// Firing rates of one layer of neurons.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRates {
    /// Published name.
    pub name: String,
    /// Spikes per neuron at each time step, `[T]`; an integer level counts as
    /// that many spikes.
    pub rates: Vec<f64>,
}

/// Records how often every layer of neurons fires, in the order of computation.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    layers: Vec<(String, Vec<Activity>)>,
    places: HashMap<String, usize>,
}

impl Rates {
    /// A recorder that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rates of each layer.
    pub fn layers(&self) -> Vec<LayerRates> {
        let rates = |steps: &[Activity]| steps.iter().map(|s| s.sum / s.elements).collect();
        let layer = |(name, steps): &(String, Vec<Activity>)| LayerRates {
            name: name.clone(),
            rates: rates(steps),
        };
        self.layers.iter().map(layer).collect()
    }

    /// Spikes per neuron and time step, over all layers; NaN if nothing fired
    /// yet.
    pub fn mean(&self) -> f64 {
        let steps = || self.layers.iter().flat_map(|(_, steps)| steps);
        let spikes: f64 = steps().map(|step| step.sum).sum();
        spikes / steps().map(|step| step.elements).sum::<f64>()
    }
}

impl<B: Backend> Probe<B> for Rates {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        let Event::Neuron { name, output, .. } = event else { return };
        let next = self.layers.len();
        let place = *self.places.entry(name.to_owned()).or_insert(next);
        if place == next {
            self.layers.push((name.to_owned(), Vec::new()));
        }
        let known = &mut self.layers[place].1;
        let seen = backend.activity(output);
        known.resize(known.len().max(seen.len()), Activity::default());
        for (sum, step) in known.iter_mut().zip(seen) {
            sum.elements += step.elements;
            sum.nonzero += step.nonzero;
            sum.sum += step.sum;
        }
    }
}
