use snn_core::{
    Outline, Signal,
    outline::{Real, Spikes},
};

use super::TemporalAttend;

impl TemporalAttend for Outline {
    fn fuse_forward(&self, x: &Real, theta: &Vec<usize>) -> Real {
        assert_eq!(theta.iter().product::<usize>(), 1, "fusion has one learned number");
        x.clone()
    }

    fn blend(&self, gate: &Real, open: &Real, closed: &Real) -> Real {
        assert!(gate == open && gate == closed, "blends {open:?} and {closed:?} by {gate:?}");
        gate.clone()
    }

    fn step(&self, x: &Real, t: usize) -> Real {
        let mut shape = x.shape();
        assert!(t < shape[0], "step {t} of {}", shape[0]);
        shape[0] = 1;
        Real::new(&shape)
    }

    fn join(&self, steps: &[Spikes]) -> Spikes {
        let mut shape = steps[0].shape();
        assert!(steps.iter().all(|step| step.shape()[1..] == shape[1..]), "steps of other shapes");
        shape[0] = steps.iter().map(|step| step.shape()[0]).sum();
        Spikes::new(&shape)
    }
}
