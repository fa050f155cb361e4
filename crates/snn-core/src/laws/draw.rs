//! Strategies.

use ndarray::{ArrayD, IxDyn};
use proptest::{collection::vec, prelude::*, sample::select};

use super::Layer;
use crate::{
    map::{Map, Window},
    neuron::{Charge, Neuron, Reset},
    tensor::Spikes,
};

/// Numbers of channels at the edges of nibbles, words and vectors.
pub const CHANNELS: [usize; 9] = [1, 3, 31, 63, 64, 65, 100, 127, 129];

/// Spikes of shape `shape`, each 1 with probability `rate`.
///
/// # Panics
/// If `rate` is not within 0 to 1.
pub fn spikes(shape: &[usize], rate: f64) -> impl Strategy<Value = Spikes> + use<> {
    let shape = shape.to_vec();
    let bits = vec(prop::bool::weighted(rate), shape.iter().product::<usize>());
    bits.prop_map(move |bits| match ArrayD::from_shape_vec(IxDyn(&shape), bits) {
        Ok(spikes) => spikes,
        Err(e) => unreachable!("so many were drawn: {e}"),
    })
}

/// LIF and IF neurons with thresholds of 0.3 to 2 and every reset.
pub fn neurons() -> impl Strategy<Value = Neuron> {
    let charge = prop_oneof![
        Just(Charge::Integrate),
        (1.0..5.0, any::<bool>()).prop_map(|(tau, decay_input)| Charge::Leaky { tau, decay_input }),
    ];
    let reset = prop_oneof![
        Just(Reset::Soft),
        Just(Reset::Hard { to: 0.0 }),
        (-0.5..0.2).prop_map(|to| Reset::Hard { to })
    ];
    (charge, 0.3..2.0, reset).prop_map(|(charge, threshold, reset)| Neuron {
        charge,
        threshold,
        reset,
        ..Neuron::lif(2.0)
    })
}

/// Linear maps, convolutions that keep the size and others, depthwise ones and those along a line,
/// with [`CHANNELS`] in and out. They fit sides from 5 on.
pub fn maps() -> impl Strategy<Value = Map> {
    let channels = || select(&CHANNELS[..]);
    let window = (1usize..4, 1usize..3, 0usize..3, 1usize..3)
        .prop_map(|(size, stride, padding, dilation)| Window { size, stride, padding, dilation });
    prop_oneof![
        (channels(), channels()).prop_map(|(inputs, outputs)| Map::Linear { inputs, outputs }),
        (channels(), channels(), 0usize..2, 1usize..3).prop_map(|(inputs, outputs, half, d)| {
            Map::conv2d(inputs.min(33), outputs, Window::same(2 * half + 1).dilation(d))
        }),
        (channels(), channels(), window.clone()).prop_map(|(inputs, outputs, window)| Map::conv2d(
            inputs.min(9),
            outputs,
            window
        )),
        (channels(), window).prop_map(|(channels, window)| Map::depthwise(channels, window)),
        (channels(), channels(), 0usize..3).prop_map(|(inputs, outputs, half)| Map::Conv1d {
            inputs: inputs.min(33),
            outputs,
            size: 2 * half + 1,
        }),
    ]
}

/// Layers of every map: T of 1, 2 and 5, sides of 5 to 11, silence, all spikes and
/// rates between.
pub fn layers() -> impl Strategy<Value = Layer> {
    (maps(), 5usize..12, 5usize..12)
        .prop_flat_map(|(map, height, width)| drawn(map, vec![height, width]))
}

/// Layers whose map is linear, over one position axis.
pub fn linear_layers() -> impl Strategy<Value = Layer> {
    let channels = || select(&CHANNELS[..]);
    (channels(), channels(), 1usize..70).prop_flat_map(|(inputs, outputs, positions)| {
        drawn(Map::Linear { inputs, outputs }, vec![positions])
    })
}

fn drawn(map: Map, positions: Vec<usize>) -> impl Strategy<Value = Layer> {
    let (steps, rates) = (select(vec![1usize, 2, 5]), select(vec![0u32, 2, 15, 50, 100]));
    (steps, 1usize..4, rates, neurons(), any::<u64>()).prop_map(
        move |(t, b, percent, neuron, seed)| {
            let shape = [&[t, b], &positions[..], &[map.inputs()]].concat();
            Layer { map, shape, percent, neuron, seed }
        },
    )
}
