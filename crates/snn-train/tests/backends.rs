//! Every registered system on every backend.

#[path = "../../snn-models/tests/common/binary.rs"]
mod binary;
#[path = "../../snn-models/tests/common/lively.rs"]
mod lively;
#[path = "../../snn-models/tests/common/pyramids.rs"]
mod pyramids;

use std::collections::BTreeMap;

use lively::{images, lively};
use ndarray::ArrayD;
use proptest::prelude::*;
use snn_attn::Attend;
use snn_core::{
    Backend, Event, Input, Packed, Pass, Probe, Reference, Unfolded, packed::Precision as Digits,
};
use snn_models::{Config, Frames};
use snn_train::{Precision, Torch};

/// What every neuron sent, by its name.
#[derive(Default)]
struct Sent(BTreeMap<String, ArrayD<f64>>);

impl<B: Backend> Probe<B> for Sent {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        if let Event::Neuron { name, output, .. } = event {
            self.0.insert(name.to_owned(), backend.read(output));
        }
    }
}

/// Everything sent, and the logits.
fn run<B: Attend + 'static>(backend: &B, config: &Config, seed: u64) -> (Sent, ArrayD<f64>) {
    let network = config.load(backend, &lively(config, seed)).unwrap();
    let input = Frames::new(backend, &images(config, seed));
    let mut sent = Sent::default();
    let logits = network.forward(&mut Pass::new(backend).with_probe(&mut sent), &input);
    (sent, backend.read(Input::Real(&logits)))
}

fn any() -> impl Strategy<Value = Config> {
    prop_oneof![binary::any_binary(), pyramids::any()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In 64 bits the spikes are the same, whoever computes them.
    #[test]
    fn backends_agree_on_every_system(config in any(), seed: u64) {
        let (spikes, logits) = run(&Reference::<f64>::new(), &config, seed);
        let torch = Torch::new(tch::Device::Cpu, Precision::Double).unwrap();
        let others = [
            ("torch", run(&torch, &config, seed)),
            ("packed", run(&Packed::new(Digits::Exact), &config, seed)),
            ("unfolded", run(&Unfolded::new(Packed::new(Digits::Exact)), &config, seed)),
        ];
        for (name, (found, answer)) in others {
            prop_assert_eq!(&found.0, &spikes.0, "{}", name);
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
            prop_assert!(answer.iter().zip(&logits).all(near), "{}", name);
        }
    }
}
