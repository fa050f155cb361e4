use ndarray::ArrayD;
use snn_core::{
    Backend, Input, Packed,
    packed::{Real, Spikes},
};

use super::TemporalAttend;

/// Real numbers are those of the definition in 64-bit floats.
impl TemporalAttend for Packed {
    fn fuse_forward(&self, x: &Real, theta: &ArrayD<f64>) -> Real {
        self.real_f64(super::fuse_forward(&self.read(Input::Real(x)), theta))
    }

    fn blend(&self, gate: &Real, open: &Real, closed: &Real) -> Real {
        let [gate, open, closed] = [gate, open, closed].map(|x| self.read(Input::Real(x)));
        self.real_f64(super::blend(&gate, &open, &closed))
    }

    fn step(&self, x: &Real, t: usize) -> Real {
        self.real_f64(super::step(&self.read(Input::Real(x)), t))
    }

    fn join(&self, steps: &[Spikes]) -> Spikes {
        let steps: Vec<_> = steps.iter().map(Spikes::unpack).collect();
        Spikes::pack(&super::join(&steps))
    }
}
