use snn_core::{
    Unfolded,
    unfold::{Real, Spikes},
};

use super::TemporalAttend;

/// What looks along time has no levels to unfold.
impl<B: TemporalAttend> TemporalAttend for Unfolded<B> {
    fn fuse_forward(&self, x: &Real<B>, theta: &B::Param) -> Real<B> {
        Real::new(self.below().fuse_forward(x.below(), theta))
    }

    fn blend(&self, gate: &Real<B>, open: &Real<B>, closed: &Real<B>) -> Real<B> {
        Real::new(self.below().blend(gate.below(), open.below(), closed.below()))
    }

    fn step(&self, x: &Real<B>, t: usize) -> Real<B> {
        Real::new(self.below().step(x.below(), t))
    }

    fn join(&self, steps: &[Spikes<B>]) -> Spikes<B> {
        let steps: Vec<B::Spikes> = steps.iter().map(|step| step.below().clone()).collect();
        Spikes::new(self.below().join(&steps))
    }
}
