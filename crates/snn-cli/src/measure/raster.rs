use ndarray::Axis;
use snn_core::{Backend, Event, Probe};

use crate::report::LayerSpikes;

/// Records the spikes of every layer of neurons, for the first sample of a pass.
#[derive(Clone, Debug, Default)]
pub struct Raster {
    /// The layers, in the order of computation.
    pub layers: Vec<LayerSpikes>,
}

/// Neurons of a layer that are shown: about as many as a reader can tell apart.
const SHOWN: usize = 96;

impl<B: Backend> Probe<B> for Raster {
    fn observe(&mut self, backend: &B, event: Event<'_, B>) {
        let Event::Neuron { name, output, .. } = event else { return };
        let spikes = backend.read(output); // [T, B, ...]
        let sample = spikes.index_axis(Axis(1), 0);
        let steps: Vec<Vec<f64>> =
            sample.outer_iter().map(|step| step.iter().copied().collect()).collect();
        let neurons = steps.first().map_or(0, Vec::len);
        // Evenly over the layer, so that every part of the image has its say.
        let shown = (0..neurons.min(SHOWN)).map(|i| i * neurons / neurons.min(SHOWN));
        let row = |neuron: usize| steps.iter().map(|step| step[neuron] as u8).collect();
        let spikes = shown.map(row).collect();
        self.layers.push(LayerSpikes { name: name.to_owned(), neurons, spikes });
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};
    use snn_core::Reference;

    use super::*;

    #[test]
    fn rows_are_neurons_and_columns_are_steps() {
        let backend = Reference::<f32>::new();
        // Three steps, two samples, two positions, 100 channels; neuron n of sample 0 fires at
        // step n % 3.
        let spikes = ArrayD::from_shape_fn(IxDyn(&[3, 2, 2, 100]), |i| {
            i[1] == 0 && (i[2] * 100 + i[3]) % 3 == i[0]
        });
        let mut raster = Raster::default();
        let output = snn_core::Input::Spikes(&spikes);
        raster.observe(&backend, Event::Neuron { name: "lif", output, unit: 1.0 });
        let layer = &raster.layers[0];
        assert_eq!((layer.name.as_str(), layer.neurons, layer.spikes.len()), ("lif", 200, SHOWN));
        for (i, row) in layer.spikes.iter().enumerate() {
            let neuron = i * 200 / SHOWN;
            let expected: Vec<u8> = (0..3).map(|t| u8::from(neuron % 3 == t)).collect();
            assert_eq!(*row, expected);
        }
    }
}
