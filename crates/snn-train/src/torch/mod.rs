//! The backend that learns: libtorch tensors with gradients.

mod attend;
mod coder;
mod convert;
mod device;
mod fire;
mod frames;
mod hashed;
mod noise;
mod norm;
mod operations;
mod pool;
mod quantizer;
mod signal;
mod store;
mod synapse;
mod temporal;

use std::cell::{Cell, RefCell};

use snn_core::{Mode, Weights};
use tch::{Device, Kind, Tensor};

pub use coder::TorchCoder;
pub use device::{DeviceError, device};
pub use noise::Disturbance;
pub use signal::{Counts, Real, Spikes};
pub use synapse::TorchSynapse;

pub(crate) use convert::{publish, shape, to_torch};
pub(crate) use signal::tensor_of;

use store::Store;

/// Runs every operation on libtorch, on a CPU or a GPU, with gradients.
///
/// It also owns the tensors of the one network that is built on it: what a
/// [`Builder`](snn_core::Builder) hands over stays here under its published
/// name. Passes in [`Mode::Train`] update BatchNorm
/// statistics in place, an optimiser updates the parameters in place, and
/// [`Torch::weights`] gives everything back.
///
/// Gradients are recorded for every pass; wrap one that evaluates in
/// [`tch::no_grad`].
///
/// # Panics
/// Besides what [`Backend`](snn_core::Backend) says, operations panic with the
/// message of libtorch where it runs out of memory or loses its device.
#[derive(Debug)]
pub struct Torch {
    device: Device,
    precision: Precision,
    store: RefCell<Store>,
    disturbance: Cell<Option<Disturbance>>,
}

/// The float type that everything is computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: for training.
    #[default]
    Single,
    /// 64 bits: for comparing gradients.
    Double,
}

impl Precision {
    /// The element type of tensors.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Single => Kind::Float,
            Self::Double => Kind::Double,
        }
    }
}

impl Torch {
    /// The backend on `device`, with no network yet. From then on this process
    /// keeps the memory that it frees, for the next step.
    ///
    /// # Errors
    /// [`DeviceError`] if the device is not there.
    pub fn new(device: Device, precision: Precision) -> Result<Self, DeviceError> {
        device::check(device)?;
        crate::shim::keep_memory();
        Ok(Self { device, precision, store: RefCell::default(), disturbance: Cell::default() })
    }

    /// What is wrong with the devices of passes in [`Mode::Train`] from now
    /// on; nothing, unless this was called.
    pub fn disturb(&self, by: Option<Disturbance>) {
        self.disturbance.set(by);
    }

    /// What a pass of this mode suffers.
    fn disturbance(&self, mode: Mode) -> Option<Disturbance> {
        self.disturbance.get().filter(|_| mode == Mode::Train)
    }

    /// Where its tensors live.
    pub const fn device(&self) -> Device {
        self.device
    }

    /// The float type that it computes in.
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// The learnable tensors with their published names, in the order of the
    /// names. They share memory with those of the network.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        self.store.borrow().parameters()
    }

    /// Everything that the network was built of as it now is, under the
    /// published names: parameters, statistics, and what it only carries along.
    /// Exact from [`Precision::Single`], rounded from [`Precision::Double`].
    pub fn weights(&self) -> Weights {
        self.store.borrow().weights()
    }
}
