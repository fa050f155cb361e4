//! What a report is made of. Rates and accuracies are fractions (0 to 1); the page shows percent.

use serde::{Deserialize, Deserializer, Serialize};
use snn_core::probe::{Costs, Operations};

/// Everything that a report can show. An empty list or `None` leaves its section out.
///
/// JSON has no NaN: a number that is not finite is written as `null`, and `null` is read as NaN.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What was run, and where.
    pub run: Run,
    /// Measurements after each epoch, oldest first.
    pub epochs: Vec<Epoch>,
    /// Confusion matrix on the test set.
    pub confusion: Option<Confusion>,
    /// Firing rate of each spiking layer at each time step.
    pub firing_rates: Option<FiringRates>,
    /// Spikes of one sample.
    pub raster: Option<SpikeRaster>,
    /// Attention maps of a few samples; about eight read well.
    pub attention: Vec<AttentionSample>,
    /// Operations and energy of each layer.
    pub energy: Option<Energy>,
}

/// Conditions of the run, enough to repeat it. An empty string is not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// System, such as `Spikformer`.
    pub system: String,
    /// Preset of the system, such as `4-384`.
    pub preset: String,
    /// Data set, such as `CIFAR-10`.
    pub dataset: String,
    /// How training and test samples were told apart.
    pub split: String,
    /// Training samples.
    pub train_samples: usize,
    /// Test samples.
    pub test_samples: usize,
    /// Time steps T.
    pub time_steps: usize,
    /// Trainable parameters.
    pub parameters: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Number format of weights and membranes, such as `f32`.
    pub precision: String,
    /// Device, such as `CPU`.
    pub device: String,
    /// Threads.
    pub threads: usize,
    /// Command line.
    pub command: String,
    /// Versions of the programs and libraries that made the run.
    pub versions: Vec<Version>,
    /// Date as the caller wants it read; a report without one does not depend on the day.
    pub date: Option<String>,
}

/// A program or library and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Name, such as `libtorch`.
    pub name: String,
    /// Version, such as `2.11.0`.
    pub version: String,
}

/// Measurements of one epoch. What was not measured is NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Number of the epoch.
    pub epoch: usize,
    /// Mean loss over the training set.
    #[serde(deserialize_with = "number")]
    pub train_loss: f64,
    /// Share of training samples that were classified right, under augmentation if any.
    #[serde(deserialize_with = "number")]
    pub train_accuracy: f64,
    /// Mean loss over the test set.
    #[serde(deserialize_with = "number")]
    pub test_loss: f64,
    /// Share of test samples that were classified right.
    #[serde(deserialize_with = "number")]
    pub test_accuracy: f64,
    /// Spikes per neuron and time step, over all spiking layers on the test set.
    #[serde(deserialize_with = "number")]
    pub firing_rate: f64,
    /// Training images per second.
    #[serde(deserialize_with = "number")]
    pub images_per_s: f64,
    /// Wall-clock time of the epoch, test included, in seconds.
    #[serde(deserialize_with = "number")]
    pub seconds: f64,
}

/// Confusion matrix over K classes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// Class names, `[K]`; a class without one is called by its number.
    pub classes: Vec<String>,
    /// Samples, `[K][K]`: the row is the true class, the column the predicted one.
    pub counts: Vec<Vec<u64>>,
}

/// Firing rates of the spiking layers, in the order of the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FiringRates {
    /// Samples that the rates are means over.
    pub samples: usize,
    /// The layers.
    pub layers: Vec<LayerRates>,
}

/// Firing rate of one layer over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRates {
    /// Name of the layer, such as `block.0.attn.q_lif`.
    pub name: String,
    /// Spikes per neuron at each time step, `[T]`; an integer neuron may exceed 1.
    #[serde(deserialize_with = "numbers")]
    pub rates: Vec<f64>,
}

/// An input image, or event frame, of 8-bit values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Height H.
    pub height: usize,
    /// Width W.
    pub width: usize,
    /// Channels C: 1 is grey, 2 is OFF and ON events, 3 is RGB. Others are not drawn.
    pub channels: usize,
    /// Values, `[H, W, C]` row-major. An image of another length is not drawn.
    pub pixels: Vec<u8>,
}

/// One input with its true and its predicted class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The input, before normalisation.
    pub image: Image,
    /// Name of the true class.
    pub label: String,
    /// Name of the predicted class.
    pub prediction: String,
}

/// Spikes of chosen layers for one sample.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpikeRaster {
    /// The sample.
    pub sample: Sample,
    /// The layers, in the order of the network.
    pub layers: Vec<LayerSpikes>,
}

/// Spikes of some neurons of one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpikes {
    /// Name of the layer.
    pub name: String,
    /// Neurons that the layer has; `spikes` may hold fewer.
    pub neurons: usize,
    /// Spikes, `[neurons shown][T]`: 0 or 1, more for integer neurons. About 128 rows read well.
    pub spikes: Vec<Vec<u8>>,
}

/// Attention of every block for one sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionSample {
    /// The sample.
    pub sample: Sample,
    /// One map per block, in the order of the network.
    pub maps: Vec<AttentionMap>,
}

/// Attention that each position of the image receives in one block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionMap {
    /// Name of the block, such as `block.0`.
    pub block: String,
    /// Attention received, `[h][w]`: mean over queries, heads and time steps.
    #[serde(deserialize_with = "number_rows")]
    pub received: Vec<Vec<f64>>,
}

/// Operations of every layer for one image, and what an operation costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    /// Energy of one operation.
    pub costs: Costs,
    /// Where the costs come from.
    pub source: String,
    /// Samples that the operation counts are means over.
    pub samples: usize,
    /// The layers, in the order of the network.
    pub layers: Vec<LayerEnergy>,
    /// What the estimate leaves out, a phrase each, such as `memory traffic`.
    pub excluded: Vec<String>,
}

impl Energy {
    /// Energy of `layer` for one image over all time steps, in pJ.
    pub fn spiking_pj(&self, layer: &LayerEnergy) -> f64 {
        let &LayerEnergy { ac, mac, dense, .. } = layer;
        self.costs.energy_pj(&Operations { ac, mac, dense })
    }

    /// Energy of `layer` in the same network without spikes, in pJ: every dense operation once
    /// (T = 1), as a multiply-accumulate.
    pub fn dense_pj(&self, layer: &LayerEnergy) -> f64 {
        self.costs.energy_pj(&Operations { mac: layer.dense, ..Operations::default() })
    }
}

/// Operations of one layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerEnergy {
    /// Name of the layer.
    pub name: String,
    /// Kind of the layer, such as `conv 3×3` or `attention`.
    pub kind: String,
    /// Share of the layer's inputs that are not zero, mean over samples and time steps.
    #[serde(deserialize_with = "number")]
    pub input_density: f64,
    /// Multiply-accumulates of one dense pass over one image (T = 1).
    #[serde(deserialize_with = "number")]
    pub dense: f64,
    /// Accumulates per image, summed over the T time steps.
    #[serde(deserialize_with = "number")]
    pub ac: f64,
    /// Multiply-accumulates per image, summed over the T time steps.
    #[serde(deserialize_with = "number")]
    pub mac: f64,
}

/// A number as it stands in JSON, where `null` is what became of NaN.
#[derive(Deserialize)]
struct Number(Option<f64>);

impl From<Number> for f64 {
    fn from(Number(value): Number) -> f64 {
        value.unwrap_or(f64::NAN)
    }
}

fn number<'de, D: Deserializer<'de>>(json: D) -> Result<f64, D::Error> {
    Number::deserialize(json).map(f64::from)
}

fn numbers<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<f64>, D::Error> {
    let row = Vec::<Number>::deserialize(json)?;
    Ok(row.into_iter().map(f64::from).collect())
}

fn number_rows<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<Vec<f64>>, D::Error> {
    let rows = Vec::<Vec<Number>>::deserialize(json)?;
    let row = |r: Vec<Number>| r.into_iter().map(f64::from).collect();
    Ok(rows.into_iter().map(row).collect())
}
