use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    backend::{Backend, Input},
    map::Map,
    pass::{Event, Probe},
};

/// Energy of one operation, in pJ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// A multiply-accumulate (MAC).
    pub mac_pj: f64,
    /// An accumulate (AC).
    pub ac_pj: f64,
}

impl Costs {
    /// 32-bit floats in 45 nm CMOS: 3.7 pJ for a product, 0.9 pJ for a sum.
    /// Source: Horowitz, *Computing's energy problem*, ISSCC 2014; the numbers
    /// that the papers on spiking transformers use.
    pub const F32_45NM: Self = Self { mac_pj: 4.6, ac_pj: 0.9 };
    /// 16-bit floats in 45 nm CMOS, same source.
    pub const F16_45NM: Self = Self { mac_pj: 1.5, ac_pj: 0.4 };
    /// 8-bit integers in 45 nm CMOS, same source.
    pub const I8_45NM: Self = Self { mac_pj: 0.23, ac_pj: 0.03 };

    /// What the estimate leaves out, a phrase each.
    pub const EXCLUDED: [&str; 4] = [
        "memory traffic",
        "membrane updates of the neurons",
        "pooling and residual sums",
        "BatchNorm, which folds into the weights",
    ];

    /// Energy of `operations`, in pJ.
    pub fn energy_pj(&self, operations: &Operations) -> f64 {
        operations.ac * self.ac_pj + operations.mac * self.mac_pj
    }
}

/// Operations for one sample, over all time steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Operations {
    /// Accumulates: one for each spike and weight that it meets (synaptic
    /// operations, SOPs). An integer level counts as that many spikes.
    pub ac: f64,
    /// Multiply-accumulates, where the input is a real number.
    pub mac: f64,
    /// Multiply-accumulates of the same layers without spikes, one dense pass
    /// (T = 1).
    pub dense: f64,
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A weighted map.
    Map(Map),
    /// A product of two activations, as in attention.
    Product,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Map(Map::Linear { .. }) => f.write_str("linear"),
            Self::Map(Map::Conv2d { window, groups, .. }) => {
                let depthwise = if *groups > 1 { "grouped " } else { "" };
                write!(f, "{depthwise}conv {0}×{0}", window.size)
            }
            Self::Map(Map::Conv1d { size, .. }) => write!(f, "conv {size}"),
            Self::Product => f.write_str("attention"),
        }
    }
}

/// Operations of one layer for one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerOperations {
    /// Published name.
    pub name: String,
    /// What it computes.
    pub kind: Kind,
    /// Share of its inputs that are not zero, over samples and time steps.
    pub input_density: f64,
    /// Samples that the numbers are means over.
    pub samples: usize,
    /// What it does for one sample.
    pub operations: Operations,
}

/// Counts the operations of every layer, in the order of computation.
///
/// A layer does (input spikes / inputs) times its dense multiply-adds, padding
/// included: SOPs = rate x T x FLOPs, the convention of the field. Real input
/// costs every multiply-add. A static image is counted once, not T times,
/// because it is computed once.
#[derive(Clone, Debug, Default)]
pub struct EnergyMeter {
    layers: Vec<Layer>,
    places: HashMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Layer {
    name: String,
    kind: Kind,
    samples: usize,
    elements: f64,
    nonzero: f64,
    total: Operations,
}

impl EnergyMeter {
    /// A meter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What each layer did for one sample.
    pub fn layers(&self) -> Vec<LayerOperations> {
        self.layers.iter().map(Layer::mean).collect()
    }

    /// What the whole network did for one sample.
    pub fn total(&self) -> Operations {
        self.layers.iter().map(|layer| layer.mean().operations).fold(
            Operations::default(),
            |a, b| Operations { ac: a.ac + b.ac, mac: a.mac + b.mac, dense: a.dense + b.dense },
        )
    }

    fn layer(&mut self, name: &str, kind: Kind) -> &mut Layer {
        let next = self.layers.len();
        let place = *self.places.entry(name.to_owned()).or_insert(next);
        if place == next {
            self.layers.push(Layer {
                name: name.to_owned(),
                kind,
                samples: 0,
                elements: 0.0,
                nonzero: 0.0,
                total: Operations::default(),
            });
        }
        &mut self.layers[place]
    }
}

impl Layer {
    fn mean(&self) -> LayerOperations {
        let per_sample = |x: f64| x / self.samples as f64;
        let Operations { ac, mac, dense } = self.total;
        LayerOperations {
            name: self.name.clone(),
            kind: self.kind,
            input_density: self.nonzero / self.elements,
            samples: self.samples,
            operations: Operations {
                ac: per_sample(ac),
                mac: per_sample(mac),
                dense: per_sample(dense),
            },
        }
    }

    /// `dense` multiply-adds at each of the time steps of `input`.
    fn add<B: Backend>(&mut self, backend: &B, input: Input<'_, B>, dense: f64) {
        let shape = input.shape();
        self.samples += shape[1];
        self.total.dense += dense;
        for step in backend.activity(input) {
            self.elements += step.elements;
            self.nonzero += step.nonzero;
            match input {
                Input::Real(_) => self.total.mac += dense,
                _ => self.total.ac += step.sum / step.elements * dense,
            }
        }
    }
}

impl<B: Backend> Probe<B> for EnergyMeter {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        match event {
            Event::Synapse { name, map, input, .. } => {
                let shape = input.shape();
                let step = map.operations(&[&[1], &shape[1..]].concat());
                self.layer(name, Kind::Map(map)).add(backend, input, step as f64);
            }
            Event::Product { name, left, fan_out } => {
                let step = left.shape()[1..].iter().product::<usize>() * fan_out;
                self.layer(name, Kind::Product).add(backend, left, step as f64);
            }
            _ => {}
        }
    }
}
