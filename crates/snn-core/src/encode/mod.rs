//! Encoders: from numbers to spikes over time.
//!
//! Encoders of intensities take them in any shape, each in `[0, 1]`, and give a
//! tensor with the T time steps in front; the codes of [`ttfs`] take any finite
//! number. The same seed gives the same spikes on any machine and any number of
//! threads.

mod analog;
mod latency;
mod phase;
mod poisson;
pub mod ttfs;

use ndarray::{ArrayD, Axis};

pub use analog::Analog;
pub use latency::{Latency, LatencyCurve};
pub use phase::Phase;
pub use poisson::Poisson;

use crate::tensor::Real;

/// Direct coding: the number itself as a current, at each of `steps` time
/// steps. The first synapse and neuron of the network then make the spikes.
///
/// A network that is handed one step and told to repeat it computes the same
/// with less work: see [`Backend::current`](crate::Backend::current).
pub fn direct<F: Clone>(x: &ArrayD<F>, steps: usize) -> Real<F> {
    let shape = [&[steps], x.shape()].concat();
    let repeated = x.view().insert_axis(Axis(0));
    match repeated.broadcast(shape) {
        Some(view) => view.to_owned(),
        None => unreachable!("an axis of length 1 broadcasts"),
    }
}

/// A number that no encoder takes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("element {index} is {found}, expected an intensity from 0 to 1; scale the input first")]
pub struct EncodeError {
    /// Place in row-major order.
    pub index: usize,
    /// The number.
    pub found: f32,
}

/// All intensities are in `[0, 1]`.
fn check(x: &ArrayD<f32>) -> Result<(), EncodeError> {
    match x.iter().enumerate().find(|(_, v)| !(0.0..=1.0).contains(*v)) {
        Some((index, &found)) => Err(EncodeError { index, found }),
        None => Ok(()),
    }
}
