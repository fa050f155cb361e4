//! The language models on libtorch: what the reference gives, and gradients for every tensor.

use std::sync::Arc;

use ndarray::Array2;
use snn_core::{
    Backend, Input, Pass, Reference, Tensor,
    quant::{Base, LogCode},
};
use snn_models::{
    matterhorn::Coding,
    wta_spikingformer::{Attention, Config, Task, Tokens},
};
use snn_train::{Precision, Torch};
use tch::{Device, Kind};

fn configs() -> Vec<Config> {
    let tasks = [Task::Causal, Task::Masked, Task::Classify { classes: 3 }];
    let attentions = [Attention::WinnerTakeAll, Attention::Softmax];
    let each = |task| {
        attentions.map(|attention| Config {
            vocabulary: 11,
            context: 9,
            dim: 12,
            depth: 2,
            heads: 3,
            mlp_ratio: 2,
            attention,
            ..Config::encoder(task)
        })
    };
    let coded = |base, task| Config {
        coding: Some(Coding {
            dead_zone: 1,
            weights: Some(LogCode::new(4, base).unwrap()),
            ..Coding::published()
        }),
        ..each(task)[0].clone()
    };
    let matterhorn =
        [coded(Base::Two, Task::Masked), coded(Base::RootTwo, Task::Classify { classes: 3 })];
    tasks.into_iter().flat_map(each).chain(matterhorn).collect()
}

#[test]
fn libtorch_gives_what_the_reference_gives_and_learns() {
    for config in configs() {
        let ids = Array2::from_shape_fn((3, 7), |(b, n)| (b * 31 + n * 17) as u32 % 11);
        let there = Array2::from_shape_fn((3, 7), |(b, n)| n < 7 - 2 * b);
        let tokens = Tokens::new(&config, &ids, Some(there)).unwrap();
        let reference = Reference::<f64>::new();
        let (_, mut weights) = config.draw(&reference, 5).unwrap();
        for (name, tensor) in &mut weights.tensors {
            if name.ends_with("_norm.weight") {
                *tensor = Arc::new(Tensor::F32(tensor.to_f32() * 5.0));
            }
        }
        let network = config.load(&reference, &weights).unwrap();
        let expected = network.forward(&mut Pass::new(&reference), &tokens);
        let torch = Torch::new(Device::Cpu, Precision::Double).unwrap();
        let network = config.load(&torch, &weights).unwrap();
        let found = network.forward(&mut Pass::new(&torch), &tokens);
        let found = torch.read(Input::Real(&found));
        assert_eq!(found.shape(), expected.shape());
        let far = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-9, "{config:?}: {far}");

        let logits = network.forward(&mut Pass::train(&torch), &tokens);
        logits.tensor().square().sum(Kind::Double).backward();
        for (name, parameter) in torch.parameters() {
            let gradient = parameter.grad();
            assert!(gradient.defined(), "{name} has no gradient: {config:?}");
            let norm = gradient.norm().double_value(&[]);
            assert!(norm.is_finite() && norm > 0.0, "{name} learns nothing: {config:?}");
        }
    }
}
