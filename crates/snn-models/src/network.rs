//! What every system of the zoo has in common.

use ndarray::{ArrayD, Axis};
use snn_core::{Backend, Pass, Signal, layer::Synapse};

/// A spiking network that classifies.
pub trait Network<B: Backend> {
    /// Logits `[B, classes]`, or `[T, B, classes]` where the system is trained
    /// on every time step (TET); [`mean_logits`] makes one of both.
    ///
    /// # Panics
    /// If the frames are not shaped as the configuration says.
    fn forward(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> B::Real;

    /// The logits of the classifier and, where the network has a second one that
    /// learns from a teacher, those of the second. Then [`Network::forward`]
    /// gives the first in training and the mean of both in evaluation.
    fn heads(&self, pass: &mut Pass<'_, B>, input: &Frames<B>) -> (B::Real, Option<B::Real>) {
        (self.forward(pass, input), None)
    }
}

/// One row of logits a sample, `[B, classes]`: the mean over time where a
/// network gives logits for every step.
pub fn mean_logits<B: Backend>(backend: &B, logits: &B::Real) -> B::Real {
    if logits.shape().len() == 3 { backend.mean_time(logits) } else { logits.clone() }
}

/// What a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputShape {
    /// Time steps T.
    pub time_steps: usize,
    /// Height H.
    pub height: usize,
    /// Width W.
    pub width: usize,
    /// Channels C.
    pub channels: usize,
    /// Whether every step has a frame of its own; else one image serves all.
    pub events: bool,
}

impl InputShape {
    /// Frames of a sample: one for each time step, or the one that serves all.
    pub const fn frames(&self) -> usize {
        if self.events { self.time_steps } else { 1 }
    }
}

/// A batch of input: one image for all time steps, or a frame for each.
pub struct Frames<B: Backend> {
    x: B::Real,
}

impl<B: Backend> Frames<B> {
    /// `values` is `[T, B, H, W, C]`; `T` is 1 for a static image.
    pub fn new(backend: &B, values: &ArrayD<f32>) -> Self {
        Self { x: backend.real(values) }
    }

    /// From PyTorch's layout: images `[B, C, H, W]` or event frames
    /// `[B, T, C, H, W]`.
    ///
    /// # Panics
    /// If there are other than four or five axes.
    pub fn from_torch_layout(backend: &B, values: &ArrayD<f32>) -> Self {
        let x = match values.ndim() {
            4 => values.view().permuted_axes(vec![0, 2, 3, 1]).insert_axis(Axis(0)),
            5 => values.view().permuted_axes(vec![1, 0, 3, 4, 2]),
            n => panic!("input is [B, C, H, W] or [B, T, C, H, W], found {n} axes"),
        };
        Self::new(backend, &x.as_standard_layout().into_owned())
    }

    /// The current of the first synapse at `time_steps` steps: a static image
    /// is convolved once.
    pub fn current(
        &self,
        pass: &mut Pass<'_, B>,
        synapse: &Synapse<B>,
        time_steps: usize,
    ) -> B::Real {
        let steps = self.x.shape()[0];
        let repeats = if steps == 1 { time_steps } else { 1 };
        synapse.forward_repeated(pass, &self.x, repeats)
    }
}
