//! What a small network does, neuron by neuron.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use snn_attn::Attend;
use snn_core::{Backend, Event, Input, Pass, Probe, Weights};
use snn_models::{Config, Frames};

/// What every neuron sent, by its name.
#[derive(Default, PartialEq, Debug)]
pub struct Sent(pub BTreeMap<String, ArrayD<f64>>);

impl<B: Backend> Probe<B> for Sent {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        if let Event::Neuron { name, output, .. } = event {
            let again = self.0.insert(name.to_owned(), backend.read(output));
            assert!(again.is_none(), "two neurons are called {name}");
        }
    }
}

/// Everything sent, and the logits.
pub fn run<B: Attend + 'static>(
    backend: &B,
    config: &Config,
    weights: &Weights,
    images: &ArrayD<f32>,
) -> (Sent, ArrayD<f64>) {
    let network = config.load(backend, weights).unwrap();
    let input = Frames::new(backend, images);
    let mut sent = Sent::default();
    let logits = network.forward(&mut Pass::new(backend).with_probe(&mut sent), &input);
    (sent, backend.read(Input::Real(&logits)))
}
