//! For who writes a kernel: layers to try it on, and the laws that it obeys.
//! Feature `proptest`.
//!
//! [`layers`] draws a synapse, its weights, a neuron and spikes; a law takes the
//! kernel as a function and fails with the first thing that is not as
//! [`Reference`](crate::Reference) in 64-bit floats has it.
//!
//! ```
//! use ndarray::ArrayD;
//! use proptest::prelude::*;
//! use snn_core::{laws::{self, Layer}, tensor::Spikes};
//!
//! /// A kernel of yours: the weights of the inputs that spike, added up.
//! fn kernel(layer: &Layer, x: &Spikes) -> ArrayD<f64> {
//!     let (w, bias) = layer.folded();
//!     let (rows, inputs) = (x.len() / layer.map.inputs(), layer.map.inputs());
//!     let x = x.to_shape((rows, inputs)).unwrap();
//!     let current = ndarray::Array2::from_shape_fn((rows, bias.len()), |(row, o)| {
//!         let events = (0..inputs).filter(|&i| x[[row, i]]);
//!         bias[o] + events.map(|i| w[[o, i]]).sum::<f64>()
//!     });
//!     current.into_shape_with_order(layer.output_shape()).unwrap()
//! }
//!
//! proptest!(ProptestConfig::with_cases(32), |(layer in laws::linear_layers())| {
//!     laws::currents_are_those_of_the_reference(&layer, kernel, 1e-9)?;
//!     laws::currents_add_up(&layer, kernel, 1e-9)?;
//! });
//! ```

mod draw;
mod kernel;
mod layer;

pub use draw::{CHANNELS, layers, linear_layers, maps, neurons, spikes};
pub use kernel::{
    backend_is_the_reference, currents_add_up, currents_are_those_of_the_reference,
    samples_stand_alone, spikes_are_those_of_the_reference, spikes_go_on,
};
pub use layer::Layer;
