use snn_core::{Input, Signal};
use tch::Tensor;

use super::{
    Torch,
    convert::{lengths, shape},
};

macro_rules! signal {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub(super) Tensor);

        impl $name {
            /// The tensor itself, floats `[T, B, positions..., C]`.
            pub const fn tensor(&self) -> &Tensor {
                &self.0
            }
        }

        impl Clone for $name {
            /// The same memory.
            fn clone(&self) -> Self {
                Self(self.0.shallow_clone())
            }
        }

        impl Signal<Torch> for $name {
            fn input(&self) -> Input<'_, Torch> {
                Input::$name(self)
            }
            fn shape(&self) -> Vec<usize> {
                shape(&self.0)
            }
            fn reshape(&self, shape: &[usize]) -> Self {
                Self(self.0.reshape(lengths(shape)))
            }
            fn permute(&self, axes: &[usize]) -> Self {
                Self(self.0.permute(lengths(axes)))
            }
        }
    };
}

signal! {
    /// Currents, membranes, logits.
    Real
}
signal! {
    /// Spikes, held as floats that are exactly 0 or 1, so that they carry gradients.
    Spikes
}
signal! {
    /// Counts, held as floats that are whole numbers, so that they carry gradients.
    Counts
}

/// The tensor of an input, whatever it means.
pub(crate) fn tensor_of<'a>(x: Input<'a, Torch>) -> &'a Tensor {
    match x {
        Input::Real(x) => &x.0,
        Input::Spikes(x) => &x.0,
        Input::Counts(x) => &x.0,
    }
}
