//! Real numbers as input of a synapse, as the first layer of a network reads
//! them: in 64-bit floats, with rows in vector lanes.

use std::borrow::Cow;

use super::{
    layout::{GROUP, LANES},
    panel::Sight,
    real::Real,
};
use crate::map::Map;

/// Packs what the rows of a block see, `[T][taps][channels]`, channels filled
/// up to whole groups.
pub(super) struct Panels<'a> {
    values: Cow<'a, [f64]>,
    steps: usize,
    channels: usize,
    unit: f64,
    sight: Sight,
}

impl<'a> Panels<'a> {
    /// For numbers `[T, B, positions..., C]`, worth `unit` each.
    pub(super) fn new(map: Map, input: &'a Real, unit: f64) -> Self {
        let values = input.exact();
        let values = match values.as_slice() {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(values.iter().copied().collect()),
        };
        let sight = Sight::new(map, &input.0.shape);
        Self { values, steps: input.0.shape[0], channels: map.inputs(), unit, sight }
    }

    /// The panels of the rows of output block `block`, one a step.
    pub(super) fn pack(&self, block: usize) -> Vec<Vec<[f64; LANES]>> {
        let padded = self.channels.next_multiple_of(GROUP);
        let mut panels = vec![vec![[0.0; LANES]; self.sight.taps() * padded]; self.steps];
        let step = (self.values.len() / self.steps.max(1)).max(1);
        for tap in 0..self.sight.taps() {
            for lane in 0..LANES {
                let Some(row) = self.sight.source(block * LANES + lane, tap) else { continue };
                for (panel, step) in panels.iter_mut().zip(self.values.chunks_exact(step)) {
                    let numbers = step.chunks_exact(self.channels).nth(row).unwrap_or_default();
                    for (seen, x) in panel[tap * padded..].iter_mut().zip(numbers) {
                        seen[lane] = x * self.unit;
                    }
                }
            }
        }
        panels
    }
}
