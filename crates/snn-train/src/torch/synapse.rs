use snn_core::{
    Map, Mode,
    backend::{StageParts, SynapseParts},
};
use tch::Tensor;

use super::{
    Disturbance, Torch,
    convert::{length, lengths, shape},
    frames::{join, split},
    norm::Norm,
    quantizer::Quantizer,
};

/// Weighted maps and their BatchNorms, side by side, each with its gradients.
#[derive(Debug)]
pub struct TorchSynapse {
    unit: f64,
    stages: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    name: String,
    map: Map,
    /// Shaped as published.
    weight: Tensor,
    quantizer: Option<Quantizer>,
    bias: Option<Tensor>,
    norms: Vec<Norm>,
    border: usize,
}

impl TorchSynapse {
    pub(super) fn new(backend: &Torch, parts: &SynapseParts) -> Self {
        let stages = parts.stages.iter().map(|stage| Stage::new(backend, stage)).collect();
        Self { unit: parts.unit(), stages }
    }

    /// The current of an input that stands for `repeats` equal ones, once.
    pub(super) fn current(
        &self,
        x: &Tensor,
        repeats: usize,
        how: (Mode, Option<Disturbance>),
    ) -> Tensor {
        let x = if self.unit == 1.0 { x.shallow_clone() } else { x * self.unit };
        self.stages.iter().fold(x, |x, stage| stage.current(&x, repeats, how))
    }
}

impl Stage {
    fn new(backend: &Torch, parts: &StageParts) -> Self {
        let name = |part: &str| format!("{}.{part}", parts.name);
        Self {
            name: parts.name.clone(),
            map: parts.map,
            weight: backend.learn(&name("weight"), &parts.weight),
            quantizer: parts.quantizer.as_ref().map(|q| Quantizer::new(backend, q)),
            bias: parts.bias.as_ref().map(|bias| backend.learn(&name("bias"), bias)),
            norms: parts.norms.iter().map(|norm| Norm::new(backend, norm)).collect(),
            border: parts.border,
        }
    }

    fn current(
        &self,
        x: &Tensor,
        repeats: usize,
        (mode, disturbance): (Mode, Option<Disturbance>),
    ) -> Tensor {
        let out = lengths(&self.map.output_shape(&shape(x)));
        let disturbance = disturbance.filter(|_| matches!(self.quantizer, Some(Quantizer::Log(_))));
        let mut weight = self.weight();
        if let Some(by) = disturbance {
            weight = by.program(&self.name, &weight);
        }
        let mut rows = self.apply(x, &weight).reshape([-1, length(self.map.outputs())]);
        if let Some(by) = disturbance {
            rows = by.read(&self.name, &weight, &rows);
        }
        for norm in &self.norms {
            rows = norm.forward(&rows, repeats, mode);
        }
        let current = rows.reshape(out);
        if self.border == 0 {
            return current;
        }
        surround(&current, length(self.border), self.norms.last().map(Norm::of_zero).as_ref())
    }

    /// The weight as the map takes it.
    fn weight(&self) -> Tensor {
        let weight = self.weight.view(lengths(&self.map.weight_shape()).as_slice());
        match &self.quantizer {
            Some(quantizer) => quantizer.quantize(&weight),
            None => weight,
        }
    }

    fn apply(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        match self.map {
            Map::Linear { inputs, .. } => {
                x.reshape([-1, length(inputs)]).linear(weight, self.bias.as_ref())
            }
            Map::Conv2d { window, groups, .. } => {
                let side = |n: usize| [length(n); 2];
                let (frames, time) = split(x);
                let out = frames.conv2d(
                    weight,
                    self.bias.as_ref(),
                    side(window.stride),
                    side(window.padding),
                    side(window.dilation),
                    length(groups),
                );
                join(&out, time)
            }
            Map::Conv1d { inputs, size, .. } => {
                let shape = x.size();
                let frames = x.reshape([shape[0] * shape[1], -1, length(inputs)]).transpose(1, 2);
                let half = length(size / 2);
                frames.conv1d(weight, self.bias.as_ref(), 1, half, 1, 1).transpose(1, 2)
            }
        }
    }
}

/// `[T, B, H, W, C]` with `pixels` more on each side, all of them `value`
/// (`[C]`; zero if `None`).
fn surround(x: &Tensor, pixels: i64, value: Option<&Tensor>) -> Tensor {
    let sides = [0, 0, pixels, pixels, pixels, pixels];
    let wide = x.constant_pad_nd(sides);
    let Some(value) = value else { return wide };
    let size = x.size();
    let inside = Tensor::zeros([size[2], size[3], 1], (x.kind(), x.device()));
    wide + inside.pad(sides, "constant", 1.0) * value
}
