//! Whether two passes fire the same spikes.

use crate::{
    backend::Backend,
    pass::{Event, Probe},
};

/// Every spike of a pass, and every level of an integer neuron, in the order of
/// computation.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    layers: Vec<(String, Vec<u8>)>,
}

impl Recording {
    /// Spikes and silences that it holds.
    pub fn len(&self) -> usize {
        self.layers.iter().map(|(_, levels)| levels.len()).sum()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Share of neurons that fire, over all layers and steps.
    pub fn rate(&self) -> f64 {
        let all = || self.layers.iter().flat_map(|(_, levels)| levels);
        all().filter(|&&level| level > 0).count() as f64 / all().count() as f64
    }
}

/// A level of more than 255 counts as 255.
fn levels<B: Backend>(backend: &B, output: crate::Input<'_, B>) -> Vec<u8> {
    backend.read(output).iter().map(|&x| x as u8).collect()
}

impl<B: Backend> Probe<B> for Recording {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        if let Event::Neuron { name, output, .. } = event {
            self.layers.push((name.to_owned(), levels(backend, output)));
        }
    }
}

/// How the spikes of passes differ from those of recorded ones.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// Spikes and silences that were compared.
    pub compared: usize,
    /// Those that differ.
    pub flipped: usize,
    /// The same for each layer, in the order of computation.
    pub layers: Vec<LayerAgreement>,
}

/// How the spikes of one layer differ.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LayerAgreement {
    /// Published name.
    pub name: String,
    /// Spikes and silences that were compared.
    pub compared: usize,
    /// Those that differ.
    pub flipped: usize,
}

impl Agreement {
    /// A probe that compares a pass over the same input with `recording`, and
    /// adds what it finds.
    pub fn with<'a>(&'a mut self, recording: &'a Recording) -> Comparison<'a> {
        Comparison { found: self, recording, next: 0 }
    }

    /// Share of spikes and silences that differ.
    pub fn share(&self) -> f64 {
        self.flipped as f64 / self.compared.max(1) as f64
    }
}

/// See [`Agreement::with`].
#[derive(Debug)]
pub struct Comparison<'a> {
    found: &'a mut Agreement,
    recording: &'a Recording,
    next: usize,
}

impl<B: Backend> Probe<B> for Comparison<'_> {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        let Event::Neuron { name, output, .. } = event else { return };
        let found = levels(backend, output);
        // A layer that the other pass does not have differs in all of its spikes.
        let expected = match self.recording.layers.get(self.next) {
            Some((other, levels)) if other == name => levels.as_slice(),
            _ => &[],
        };
        let same = found.iter().zip(expected).filter(|(a, b)| a == b).count();
        let flipped = found.len() - same;
        if self.found.layers.len() == self.next {
            let layer = LayerAgreement { name: name.to_owned(), compared: 0, flipped: 0 };
            self.found.layers.push(layer);
        }
        let layer = &mut self.found.layers[self.next];
        layer.compared += found.len();
        layer.flipped += flipped;
        self.found.compared += found.len();
        self.found.flipped += flipped;
        self.next += 1;
    }
}
