use serde::{Deserialize, Serialize};
use snn_core::{Event, Probe};
use tch::Tensor;

use crate::{
    loss::temporal_alignment,
    torch::{Torch, tensor_of},
};

/// What it costs that time steps of the last block look as they should not:
/// [`temporal_alignment`] of its mean over the positions. It is of no paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlignmentConfig {
    /// Weight beside the other losses.
    pub weight: f64,
    /// Weight of the distant steps beside the neighbouring ones.
    pub lambda: f64,
    /// Steps from which on two are distant.
    pub distance: usize,
    /// Cosine that distant steps should stay below.
    pub margin: f64,
}

impl Default for AlignmentConfig {
    fn default() -> Self {
        Self { weight: 0.1, lambda: 0.5, distance: 2, margin: 0.5 }
    }
}

/// The last output of a pass.
pub(super) struct Alignment {
    config: AlignmentConfig,
    last: Option<Tensor>,
}

impl Alignment {
    pub fn new(config: AlignmentConfig) -> Self {
        Self { config, last: None }
    }

    /// `loss` with that of the steps.
    pub fn correct(self, loss: &Tensor) -> Tensor {
        let Some(last) = self.last else { return loss.shallow_clone() };
        let AlignmentConfig { weight, lambda, distance, margin } = self.config;
        let positions: Vec<i64> = (2..last.dim() as i64 - 1).collect();
        let steps = match positions[..] {
            [] => last, // the mean over no axis would be that over all
            _ => last.mean_dim(positions, false, None),
        };
        loss + temporal_alignment(&steps, lambda, distance, margin) * weight
    }
}

impl Probe<Torch> for Alignment {
    fn observe(&mut self, _: &Torch, event: Event<'_, Torch>) {
        if let Event::Output { x, .. } = event {
            self.last = Some(tensor_of(x).shallow_clone());
        }
    }
}
