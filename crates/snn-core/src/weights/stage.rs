use super::Init;
use crate::{
    map::{Map, Window},
    quant::LogCode,
};

/// One stage of a synapse as a constructor asks for it: a weighted map under
/// its published name, and what follows it.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    pub(super) weight: String,
    pub(super) map: Map,
    pub(super) trailing: usize,
    pub(super) init: Init,
    pub(super) bias: Option<Init>,
    pub(super) norms: Vec<&'a str>,
    pub(super) border: usize,
    pub(super) grid: Option<Grid>,
}

/// The numbers that a weight may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grid {
    Learned { bits: u32 },
    Log(LogCode),
}

impl<'a> Stage<'a> {
    /// The map whose weight is `weight.weight`, drawn from PyTorch's default.
    pub fn new(weight: impl Into<String>, map: Map) -> Self {
        Self {
            weight: weight.into(),
            map,
            trailing: 0,
            init: Init::FanIn(map.fan_in()),
            bias: None,
            norms: Vec::new(),
            border: 0,
            grid: None,
        }
    }

    /// A linear map over channels.
    pub fn linear(weight: impl Into<String>, inputs: usize, outputs: usize) -> Self {
        Self::new(weight, Map::Linear { inputs, outputs })
    }

    /// A convolution over two positions.
    pub fn conv2d(
        weight: impl Into<String>,
        inputs: usize,
        outputs: usize,
        window: Window,
    ) -> Self {
        Self::new(weight, Map::conv2d(inputs, outputs, window))
    }

    /// The published weight carries `axes` axes of length 1 behind the others:
    /// 1 for a 1x1 `Conv1d`, 2 for a 1x1 `Conv2d` that is read as linear.
    pub fn trailing(self, axes: usize) -> Self {
        Self { trailing: axes, ..self }
    }

    /// How its weight starts.
    pub fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    /// It has a bias, which starts like this.
    pub fn bias(self, init: Init) -> Self {
        Self { bias: Some(init), ..self }
    }

    /// A BatchNorm of that name follows; several are applied in turn.
    pub fn norm(mut self, name: &'a str) -> Self {
        self.norms.push(name);
        self
    }

    /// The map is then surrounded by pixels: see
    /// [`StageParts::border`](crate::backend::StageParts::border).
    pub fn border(self, pixels: usize) -> Self {
        Self { border: pixels, ..self }
    }

    /// Its weight is quantised to so many bits: see [`Lsq`](crate::backend::Lsq).
    pub fn quantized(self, bits: u32) -> Self {
        Self { grid: Some(Grid::Learned { bits }), ..self }
    }

    /// Its weight is in a logarithmic code, one scale an output.
    pub fn logarithmic(self, code: LogCode) -> Self {
        Self { grid: Some(Grid::Log(code)), ..self }
    }
}
