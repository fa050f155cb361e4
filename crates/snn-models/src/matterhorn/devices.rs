use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};
use snn_core::{
    Backend, Devices, LoadError, Signal, Tensor, Weights,
    analog::{AnalogError, Converter, Noise},
    weights::BatchNorm,
};

use crate::wta_spikingformer::Config;

/// What is wrong with the devices of a study. Default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Imperfections {
    /// Of devices and thresholds.
    pub noise: Noise,
    /// What a line carries: as many inputs at the greatest level through the greatest weight of
    /// the layer. None carries all.
    pub saturation: Option<f64>,
    /// Bits of the converter behind each line; it needs a saturation.
    pub converter_bits: Option<u32>,
}

/// The synapses of the blocks as analog memory holds and reads them.
///
/// A line carries `sum W (q - m)`, the difference to silence, in units of one level; it is read
/// with noise, saturates and is converted. Norms are digital and come after. Embeddings, queries,
/// keys, values and the head are not analog.
#[derive(Clone, Debug)]
pub struct AnalogDevices {
    imperfections: Imperfections,
    seed: u64,
    lines: BTreeMap<String, Lines>,
    readings: u64,
}

/// The outputs of one synapse.
#[derive(Clone, Debug)]
struct Lines {
    /// Greatest weight of each row.
    greatest: Vec<f32>,
    /// What the norm makes of a current of 1, and of silence.
    gain: Vec<f64>,
    silence: Vec<f64>,
    converter: Option<Converter>,
}

/// The weights of the blocks after programming noise, with the configuration that takes them as
/// they are: what devices hold is on no grid.
///
/// # Errors
/// [`LoadError`] if the weights are not those of the configuration.
pub fn program(
    config: &Config,
    weights: &Weights,
    noise: &Noise,
    seed: u64,
) -> Result<(Config, Weights), LoadError> {
    let code = config.coding.as_ref().and_then(|coding| coding.weights);
    let mut programmed = weights.clone();
    for (name, _) in synapses(config) {
        let name = format!("{name}.weight");
        let weight = tensor(weights, &name)?.to_f32();
        let quantized = code.map(|code| code.quantize(&weight));
        let held = match quantized {
            Some(Ok(codes)) => codes.dequantize(),
            _ => weight,
        };
        programmed.insert(&*name, Tensor::F32(noise.program(&held, seed, &name)));
    }
    let mut config = config.clone();
    if let Some(coding) = &mut config.coding {
        coding.weights = None;
    }
    Ok((config, programmed))
}

/// The synapses that memory holds, each with the code that it reads.
fn synapses(config: &Config) -> Vec<(String, String)> {
    let of_block = |i: usize| {
        let name = move |part: &str| format!("blocks.{i}.{part}");
        [
            ("attention.q", "attention.neurons"),
            ("attention.k", "attention.neurons"),
            ("attention.v", "attention.neurons"),
            ("attention.out", "attention.out_neurons"),
            ("mlp.fc1", "mlp.fc1_neurons"),
            ("mlp.fc2", "mlp.fc2_neurons"),
        ]
        .map(|(synapse, neurons)| (name(synapse), name(neurons)))
    };
    (0..config.depth).flat_map(of_block).collect()
}

fn tensor<'a>(weights: &'a Weights, name: &str) -> Result<&'a Tensor, LoadError> {
    let missing = || LoadError::Missing { name: name.into(), expected: Vec::new(), near: None };
    weights.get(name).ok_or_else(missing)
}

impl AnalogDevices {
    /// The devices of a network of `config` with these weights, as [`program`] gave both.
    ///
    /// # Errors
    /// [`LoadError`] if the weights are not those of the configuration;
    /// [`LoadError::Config`] for imperfections that cannot be.
    pub fn new(
        config: &Config,
        weights: &Weights,
        imperfections: Imperfections,
        seed: u64,
    ) -> Result<Self, LoadError> {
        let Imperfections { noise, saturation, converter_bits } = imperfections;
        let impossible = |AnalogError { field, found, expected }| LoadError::Config {
            field,
            found: found.to_string(),
            expected: expected.into(),
        };
        noise.validate().map_err(impossible)?;
        let top = config.coding.as_ref().map_or(1, |coding| coding.coder().levels - 1);
        let mut lines = BTreeMap::new();
        for (name, neurons) in synapses(config) {
            let weight = tensor(weights, &format!("{name}.weight"))?.to_f32();
            let norm = |part: &str| -> Result<Vec<f64>, LoadError> {
                let values = tensor(weights, &format!("{name}_norm.{part}"))?.to_f32();
                Ok(values.iter().map(|&x| f64::from(x)).collect())
            };
            let (scale, shift) = (norm("weight")?, norm("bias")?);
            let (mean, var) = (norm("running_mean")?, norm("running_var")?);
            let mask = tensor(weights, &format!("{neurons}.mask_level"))?.to_f32();
            let mask = mask.first().map_or(0.0, |&m| f64::from(m));
            let rows = weight.axis_iter(Axis(0)).zip(scale.iter().zip(&shift));
            let mut of_layer =
                Lines { greatest: vec![], gain: vec![], silence: vec![], converter: None };
            for ((row, (scale, shift)), (mean, var)) in rows.zip(mean.iter().zip(&var)) {
                let gain = scale / (var + BatchNorm::EPS).sqrt();
                let sum: f64 = row.iter().map(|&w| f64::from(w)).sum();
                of_layer.greatest.push(row.iter().fold(0f32, |a, w| a.max(w.abs())));
                of_layer.gain.push(gain);
                of_layer.silence.push(gain * (mask * sum - mean) + shift);
            }
            let greatest = of_layer.greatest.iter().copied().fold(0f32, f32::max);
            if let (Some(share), true) = (saturation, greatest > 0.0) {
                let limit = share * f64::from(top) * f64::from(greatest);
                let converter = Converter::new(limit, converter_bits).map_err(impossible)?;
                of_layer.converter = Some(converter);
            }
            lines.insert(name, of_layer);
        }
        Ok(Self { imperfections, seed, lines, readings: 0 })
    }
}

impl<B: Backend> Devices<B> for AnalogDevices {
    fn current(&mut self, backend: &B, name: &str, current: B::Real) -> B::Real {
        let Some(lines) = self.lines.get(name) else { return current };
        let noise = &self.imperfections.noise;
        let mut y = current;
        if noise.read > 0.0 {
            self.readings += 1;
            let greatest: Vec<f32> = lines
                .greatest
                .iter()
                .zip(&lines.gain)
                .map(|(&w, &gain)| (f64::from(w) * gain) as f32)
                .collect();
            let drawn = noise.reading(&y.shape(), &greatest, (self.seed, self.readings), name);
            y = backend.add_real(&y, &backend.real(&drawn));
        }
        let Some(converter) = lines.converter else { return y };
        let mut values = backend.read(y.input());
        for mut row in values.rows_mut() {
            for ((y, gain), silence) in row.iter_mut().zip(&lines.gain).zip(&lines.silence) {
                if *gain != 0.0 {
                    *y = converter.convert((*y - silence) / gain) * gain + silence;
                }
            }
        }
        backend.real(&values.mapv(|y| y as f32))
    }

    fn membrane(&mut self, backend: &B, name: &str, membrane: B::Real) -> B::Real {
        let noise = &self.imperfections.noise;
        if noise.threshold == 0.0 {
            return membrane;
        }
        let values = backend.read(membrane.input());
        let channels = values.shape().last().copied().unwrap_or(0);
        let thresholds = noise.thresholds(channels, self.seed, name);
        // A neuron whose staircase is higher sees a membrane that is lower; one without a
        // staircase would see none.
        let share = |threshold: f32| 1.0 / threshold.max(f32::EPSILON);
        let shares: ArrayD<f32> =
            thresholds.into_iter().map(share).collect::<ndarray::Array1<_>>().into_dyn();
        backend.real(&(values.mapv(|v| v as f32) * shares))
    }
}
