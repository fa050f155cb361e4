use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    backend::Backend,
    pass::{Event, Probe},
};

/// Energy of what spikes do, in pJ: unlike [`Costs`](super::Costs), with the movement of data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpikeCosts {
    /// Routing a spike to a layer.
    pub spike_pj: f64,
    /// Adding a weight.
    pub accumulate_pj: f64,
    /// Fetching a weight; nothing where memory computes.
    pub weight_pj: f64,
    /// Reading and writing a membrane.
    pub membrane_pj: f64,
}

impl SpikeCosts {
    /// Digital, 45 nm: a spike is an address of 32 bits through 8 KB of SRAM (5 pJ), an
    /// accumulate 0.1 pJ (32-bit integers), a weight of 4 bits 0.625 pJ and a membrane of 32 bits
    /// twice 5 pJ of the same memory. Numbers of memory and sums: Horowitz, ISSCC 2014 (10 pJ for
    /// 64 bits); what passes through it is our reading. The paper has constants of its own.
    pub const DIGITAL: Self =
        Self { spike_pj: 5.0, accumulate_pj: 0.1, weight_pj: 0.625, membrane_pj: 10.0 };
    /// A memristive synapse unit: currents add on a wire in the memory that holds the weights.
    /// Published: no weight is fetched, and integration takes 57 % less than the digital one. That
    /// this is said of the accumulate, and that each membrane is written once, is our reading.
    pub const ANALOG: Self = Self { accumulate_pj: 0.043, weight_pj: 0.0, ..Self::DIGITAL };

    /// Energy of `activity`, in pJ. Digital membranes are written for every accumulate; analog
    /// ones, where weights are not fetched, once.
    pub fn energy_pj(&self, activity: &CodeActivity) -> f64 {
        let CodeActivity { spikes, accumulates, outputs } = *activity;
        let membranes = if self.weight_pj > 0.0 { accumulates } else { outputs };
        spikes * self.spike_pj
            + accumulates * (self.accumulate_pj + self.weight_pj)
            + membranes * self.membrane_pj
    }
}

/// What spikes of one code do for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CodeActivity {
    /// Spikes that are routed, once for each layer that reads them.
    pub spikes: f64,
    /// Weights that they meet.
    pub accumulates: f64,
    /// Membranes that take them in.
    pub outputs: f64,
}

impl CodeActivity {
    /// The same, so many times.
    pub fn scaled(self, by: f64) -> Self {
        let Self { spikes, accumulates, outputs } = self;
        Self { spikes: spikes * by, accumulates: accumulates * by, outputs: outputs * by }
    }
}

/// How the same levels would be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// As many spikes as the level.
    Rate,
    /// One spike unless it is the lowest level (TTFS).
    FirstSpike,
    /// One spike unless it is the mask level or in the dead zone (M-TTFS).
    MaskedFirstSpike,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rate, Self::FirstSpike, Self::MaskedFirstSpike];

    /// Its usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::FirstSpike => "TTFS",
            Self::MaskedFirstSpike => "M-TTFS",
        }
    }
}

/// Counts what the inputs of coded layers cost in each of three codes, side by side: the same
/// levels, sent in different ways.
#[derive(Clone, Debug, Default)]
pub struct CodingMeter {
    layers: Vec<Layer>,
    places: HashMap<String, usize>,
}

#[derive(Clone, Debug, Default)]
struct Layer {
    name: String,
    samples: f64,
    inputs: f64,
    spikes: [f64; 3],
    fan_out: f64,
    outputs: f64,
}

/// What one layer reads.
#[derive(Clone, Debug, PartialEq)]
pub struct CodedOperations {
    /// Published name.
    pub name: String,
    /// Share of inputs that do not spike in the masked code.
    pub silent: f64,
    /// For one sample, in the order of [`Code::ALL`].
    pub activity: [CodeActivity; 3],
}

impl CodingMeter {
    /// A meter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What each layer read, in the order of computation.
    pub fn layers(&self) -> Vec<CodedOperations> {
        let operations = |layer: &Layer| CodedOperations {
            name: layer.name.clone(),
            silent: 1.0 - layer.spikes[2] / layer.inputs,
            activity: layer.spikes.map(|spikes| CodeActivity {
                spikes: spikes / layer.samples,
                accumulates: spikes * layer.fan_out / layer.samples,
                outputs: layer.outputs / layer.samples,
            }),
        };
        self.layers.iter().map(operations).collect()
    }

    /// What all layers together cost for one sample in one code.
    pub fn total(&self, code: Code) -> CodeActivity {
        let of = |layer: CodedOperations| layer.activity[code as usize];
        self.layers().into_iter().map(of).fold(CodeActivity::default(), |a, b| CodeActivity {
            spikes: a.spikes + b.spikes,
            accumulates: a.accumulates + b.accumulates,
            outputs: a.outputs + b.outputs,
        })
    }

    /// Share of all inputs that do not spike in a code that sends at most one; NaN if there were
    /// none.
    pub fn silent(&self, code: Code) -> f64 {
        let sum = |of: &dyn Fn(&Layer) -> f64| self.layers.iter().map(of).sum::<f64>();
        1.0 - sum(&|layer| layer.spikes[code as usize]) / sum(&|layer| layer.inputs)
    }
}

impl<B: Backend> Probe<B> for CodingMeter {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        let Event::Coded { name, map, levels, spikes } = event else { return };
        let next = self.layers.len();
        let place = *self.places.entry(name.to_owned()).or_insert(next);
        if place == next {
            self.layers.push(Layer { name: name.to_owned(), ..Layer::default() });
        }
        let layer = &mut self.layers[place];
        let shape = levels.shape();
        layer.samples += shape[1] as f64;
        layer.outputs += map.output_shape(&shape).iter().product::<usize>() as f64;
        layer.fan_out = map.operations(&shape) as f64 / shape.iter().product::<usize>() as f64;
        for (levels, spikes) in backend.activity(levels).iter().zip(backend.activity(spikes)) {
            layer.inputs += levels.elements;
            for (sum, seen) in layer.spikes.iter_mut().zip([levels.sum, levels.nonzero, spikes.sum])
            {
                *sum += seen;
            }
        }
    }
}
