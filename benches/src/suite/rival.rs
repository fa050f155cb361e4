use clap::ValueEnum;

use crate::contest::Side;

/// An engine that people use today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rival {
    /// OpenVINO in 32-bit floats, BatchNorm folded
    Openvino,
    /// OpenVINO in 16-bit floats (bfloat16)
    OpenvinoBf16,
    /// ONNX Runtime, BatchNorm folded
    Onnxruntime,
    /// PyTorch, eager, BatchNorm folded
    Torch,
    /// PyTorch, compiled, BatchNorm folded
    TorchCompile,
    /// SpikingJelly, as published
    Spikingjelly,
    /// faiss, `IndexBinaryFlat`
    Faiss,
}

impl Rival {
    /// Its name in commands and tables.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether it reads the network as an ONNX file.
    pub(super) const fn reads_onnx(self) -> bool {
        matches!(self, Self::Openvino | Self::OpenvinoBf16 | Self::Onnxruntime)
    }

    /// How it computes.
    pub(super) const fn side(self) -> Side {
        match self {
            Self::OpenvinoBf16 => Side::RivalBf16,
            _ => Side::Rival,
        }
    }
}
