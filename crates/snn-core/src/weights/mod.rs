//! Named weights: in memory, in safetensors files, and on their way into a
//! network.

mod builder;
mod error;
mod file;
mod init;
mod stage;

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{ArrayD, IxDyn};

pub use builder::Builder;
pub use error::LoadError;
pub use init::Init;
pub use stage::Stage;

/// One tensor of a checkpoint, shape and layout as published.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Parameters, statistics, inputs, logits.
    F32(ArrayD<f32>),
    /// Counters and labels.
    I64(ArrayD<i64>),
}

impl Tensor {
    /// Floats of one value; zeros take no memory until they are read.
    pub(crate) fn filled(shape: &[usize], value: f64) -> Self {
        if value == 0.0 {
            Self::F32(ArrayD::zeros(shape))
        } else {
            Self::F32(ArrayD::from_elem(shape, value as f32))
        }
    }

    /// Axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(x) => x.shape(),
            Self::I64(x) => x.shape(),
        }
    }

    /// The numbers, as 32-bit floats.
    pub fn to_f32(&self) -> ArrayD<f32> {
        match self {
            Self::F32(x) => x.clone(),
            Self::I64(x) => x.mapv(|v| v as f32),
        }
    }

    /// The first number that is NaN or infinite, and where it lies.
    pub fn not_finite(&self) -> Option<(usize, f32)> {
        match self {
            Self::F32(x) => x.iter().copied().enumerate().find(|(_, v)| !v.is_finite()),
            Self::I64(_) => None,
        }
    }

    /// The same numbers in another shape.
    ///
    /// # Panics
    /// If the numbers of elements differ.
    pub fn reshaped(&self, shape: &[usize]) -> ArrayD<f32> {
        let flat = self.to_f32();
        let (found, expected) = (flat.len(), shape.iter().product::<usize>());
        assert_eq!(found, expected, "{:?} does not reshape to {shape:?}", self.shape());
        ArrayD::from_shape_vec(IxDyn(shape), flat.into_iter().collect())
            .unwrap_or_else(|e| unreachable!("lengths were compared: {e}"))
    }
}

/// Named tensors and the metadata of their file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// Tensors by published name.
    pub tensors: BTreeMap<String, Arc<Tensor>>,
    /// Free text by key, as safetensors files carry it.
    pub metadata: BTreeMap<String, String>,
}

impl Weights {
    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name).map(Arc::as_ref)
    }

    /// Adds or replaces a tensor.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.insert(name.into(), Arc::new(tensor));
    }

    /// Learnable numbers: what PyTorch counts as parameters. Running statistics
    /// and counters are not.
    pub fn parameters(&self) -> usize {
        self.tensors
            .iter()
            .filter(|(name, _)| !is_statistic(name))
            .map(|(_, tensor)| tensor.shape().iter().product::<usize>())
            .sum()
    }
}

/// Whether a published name is that of a buffer: BatchNorm statistics and
/// counters, flags of weight quantisers, what codes are calibrated to.
pub fn is_statistic(name: &str) -> bool {
    const SUFFIXES: [&str; 7] = [
        "running_mean",
        "running_var",
        "num_batches_tracked",
        "init_state",
        "signed",
        "zero_level",
        "mask_level",
    ];
    name.rsplit('.').next().is_some_and(|last| SUFFIXES.contains(&last))
}

/// Batch normalisation over the last axis,
/// `weight (x - mean) / sqrt(var + eps) + bias`; every tensor is `[C]`.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// Published name, without `.weight`.
    pub name: String,
    /// Scale.
    pub weight: Arc<Tensor>,
    /// Shift.
    pub bias: Arc<Tensor>,
    /// Running mean.
    pub mean: Arc<Tensor>,
    /// Running variance (unbiased).
    pub var: Arc<Tensor>,
    /// Training steps seen, `[]`.
    pub tracked: Arc<Tensor>,
}

impl BatchNorm {
    /// Added to the variance.
    pub const EPS: f64 = 1e-5;
    /// Share of the newest batch in the running statistics.
    pub const MOMENTUM: f64 = 0.1;
}
