use ndarray::ArrayD;
use snn_core::{Reference, reference::Scalar, tensor::Spikes};

use super::TemporalAttend;

impl<F: Scalar> TemporalAttend for Reference<F> {
    fn fuse_forward(&self, x: &ArrayD<F>, theta: &ArrayD<F>) -> ArrayD<F> {
        super::fuse_forward(x, theta)
    }

    fn blend(&self, gate: &ArrayD<F>, open: &ArrayD<F>, closed: &ArrayD<F>) -> ArrayD<F> {
        super::blend(gate, open, closed)
    }

    fn step(&self, x: &ArrayD<F>, t: usize) -> ArrayD<F> {
        super::step(x, t)
    }

    fn join(&self, steps: &[Spikes]) -> Spikes {
        super::join(steps)
    }
}
