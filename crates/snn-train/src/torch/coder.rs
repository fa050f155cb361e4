use snn_core::{
    Mode,
    backend::{CoderConfig, CoderParts},
    encode::ttfs::{Histogram, Quantizer},
};
use tch::{Kind, Tensor};

use super::{Disturbance, Torch, operations::straight_through};

/// A masked time-to-first-spike code that is learned: its step by gradients, its zero point and
/// mask level from what it sees.
#[derive(Debug)]
pub struct TorchCoder {
    name: String,
    config: CoderConfig,
    step: Tensor,
    zero_point: Tensor,
    mask: Tensor,
    tracked: Tensor,
}

/// Below it a step would divide by nothing.
const LEAST_STEP: f64 = f32::MIN_POSITIVE as f64;

impl TorchCoder {
    pub(super) fn new(backend: &Torch, parts: &CoderParts) -> Self {
        let name = |part: &str| format!("{}.{part}", parts.name);
        Self {
            name: parts.name.clone(),
            config: parts.config,
            step: backend.learn(&name("step"), &parts.step),
            zero_point: backend.track(&name("zero_level"), &parts.zero_point),
            mask: backend.track(&name("mask_level"), &parts.mask),
            tracked: backend.track(&name("num_batches_tracked"), &parts.tracked),
        }
    }

    /// Levels after the dead zone, and who spikes. Backwards, rounding and the dead zone pass
    /// straight through where the level is not clamped; the gradient of the step is scaled by
    /// `1 / sqrt(numbers * T)`, as in LSQ (Esser et al., section 2.2). The term of LSQ that comes
    /// from what a level is worth is left out: the norm behind the synapse makes it zero.
    pub(super) fn code(
        &self,
        x: &Tensor,
        mode: Mode,
        disturbance: Option<Disturbance>,
    ) -> (Tensor, Tensor) {
        if mode == Mode::Train {
            tch::no_grad(|| self.calibrate(x));
        }
        let x = &disturbance.map_or_else(|| x.shallow_clone(), |by| by.thresholds(&self.name, x));
        let top = self.top();
        let gain = 1.0 / (x.numel() as f64 * top).sqrt();
        let magnitude = self.step.abs().clamp_min(LEAST_STEP);
        let step = magnitude.detach() + (&magnitude - magnitude.detach()) * gain;
        let steps = x / step;
        let level = steps.detach().round() + self.zero_point.to_kind(x.kind());
        let inside = level.ge(0.0).logical_and(&level.le(top)).to_kind(x.kind());
        let level = level.clamp(0.0, top);
        let mask = self.mask.to_kind(x.kind());
        let zone = self.config.zone(self.passes());
        let spikes = (&level - &mask).abs().gt(f64::from(zone)).to_kind(x.kind());
        let settled = &level * &spikes + mask * (1.0 - &spikes);
        (straight_through(&settled, &(steps * inside)), spikes)
    }

    fn top(&self) -> f64 {
        f64::from(self.config.levels - 1)
    }

    fn passes(&self) -> u64 {
        self.tracked.int64_value(&[]).max(0) as u64
    }

    /// Counts a training pass. The first sets step and zero point from `x`; it and every so many
    /// set the mask level.
    ///
    /// What is never negative gets the zero point 0, all else the middle, and a step of
    /// `2 mean |x| / sqrt(n)` for the n levels above it, as LSQ begins; our reading.
    fn calibrate(&self, x: &Tensor) {
        let passes = self.passes();
        if passes == 0 {
            let top = self.config.levels - 1;
            let signed = x.min().double_value(&[]) < 0.0;
            let zero_point = if signed { top / 2 } else { 0 };
            let above = f64::from(top - zero_point).max(1.0);
            let mean = x.abs().mean(Kind::Double).double_value(&[]);
            let step = 2.0 * mean / above.sqrt();
            let step = if step.is_finite() && step > LEAST_STEP { step } else { 1.0 };
            let _ = self.zero_point.shallow_clone().fill_(i64::from(zero_point));
            let _ = self.step.shallow_clone().fill_(step);
        }
        if passes == 0 || passes.is_multiple_of(self.config.refresh_every.max(1)) {
            self.refresh(x);
        }
        let _ = self.tracked.shallow_clone().g_add_scalar_(1);
    }

    /// The mask level becomes the most frequent level of `x`.
    fn refresh(&self, x: &Tensor) {
        let zero_point = self.zero_point.int64_value(&[]);
        let step = self.step.abs().clamp_min(LEAST_STEP);
        let levels = ((x / &step).round() + zero_point as f64).clamp(0.0, self.top());
        let counts = levels.nan_to_num(0.0, None, None).to_kind(Kind::Int64).flatten(0, -1);
        let counts = counts.bincount(None::<Tensor>, i64::from(self.config.levels));
        let counts = Vec::<i64>::try_from(&counts).unwrap_or_default();
        let histogram = Histogram::from_counts(counts.into_iter().map(|n| n as u64).collect());
        let quantizer = Quantizer::new(
            self.config.levels,
            step.double_value(&[]) as f32,
            zero_point.try_into().unwrap_or(0),
        );
        // An empty batch, or numbers that have diverged, say nothing.
        if let Ok(mask) = quantizer.and_then(|quantizer| histogram.mode(&quantizer)) {
            let _ = self.mask.shallow_clone().fill_(i64::from(mask));
        }
    }
}
