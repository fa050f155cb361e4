//! A kernel of your own, held to the laws: `cargo run --example own_kernel --features proptest`.
//!
//! The kernel is event-driven: each spike adds one row of the transposed weights. Fusing the LIF
//! neuron keeps currents out of memory.

use ndarray::{Array2, ArrayD, Axis};
use proptest::test_runner::{Config, TestRunner};
use snn_core::{
    laws::{self, Layer},
    neuron::{Charge, Neuron, Reset},
    tensor::Spikes,
};

/// Currents `[T, B, N, outputs]` of spikes `[T, B, N, inputs]`.
fn currents(layer: &Layer, x: &Spikes) -> ArrayD<f64> {
    let (weight, bias) = layer.folded();
    let rows = x.len() / layer.map.inputs();
    let mut sums = Array2::from_shape_fn((rows, bias.len()), |(_, o)| bias[o]);
    for (mut sum, spikes) in sums.outer_iter_mut().zip(x.rows()) {
        for (input, _) in spikes.iter().enumerate().filter(|(_, spike)| **spike) {
            sum += &weight.index_axis(Axis(1), input);
        }
    }
    ArrayD::from_shape_fn(layer.output_shape(), {
        let mut sums = sums.into_iter();
        move |_| sums.next().unwrap_or(f64::NAN)
    })
}

/// Spikes of currents `[T, ...]` and the membranes after them.
fn fire(neuron: &Neuron, currents: &ArrayD<f64>, start: &ArrayD<f64>) -> (Spikes, ArrayD<f64>) {
    let mut spikes = Spikes::default(currents.raw_dim());
    let mut v = start.clone();
    let rest = match neuron.reset {
        Reset::Hard { to } => to,
        Reset::Soft => 0.0,
    };
    for (x, mut fired) in currents.outer_iter().zip(spikes.outer_iter_mut()) {
        for ((v, &x), fired) in v.iter_mut().zip(x).zip(&mut fired) {
            let h = match neuron.charge {
                Charge::Leaky { tau, decay_input: true } => *v + (x - (*v - rest)) / tau,
                Charge::Leaky { tau, .. } => *v - (*v - rest) / tau + x,
                _ => *v + x,
            };
            *fired = h - neuron.threshold >= 0.0;
            *v = match neuron.reset {
                Reset::Hard { to } if *fired => to,
                Reset::Soft if *fired => h - neuron.threshold,
                _ => h,
            };
        }
    }
    (spikes, v)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let layers = laws::linear_layers();
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&layers, |layer| {
        laws::currents_are_those_of_the_reference(&layer, currents, 1e-9)?;
        laws::currents_add_up(&layer, currents, 1e-9)?;
        laws::samples_stand_alone(&layer, currents, 0.0)?;
        let x = currents(&layer, &layer.spikes());
        laws::spikes_go_on(&layer.neuron, &x, layer.shape[0] / 2, fire)
    })?;
    println!("64 layers, 4 laws: the kernel is right");
    Ok(())
}
