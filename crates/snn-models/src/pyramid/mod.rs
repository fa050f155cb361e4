//! What Meta-SpikeFormer and its descendants are built of: a trunk of four
//! stages, each at half the resolution of the one before, whose modules add
//! currents to membranes.
//!
//! The systems differ in the neuron, in what a convolution block and an
//! attention block are made of, and in the words of their tensor names: they
//! say so in [`Cells`] and in two functions that build the blocks.

mod attention;
mod cells;
mod head;
mod rep_conv;
mod residual;
mod sequence;
mod shape;
mod trunk;

pub(crate) use attention::Attention;
pub(crate) use cells::{Cells, Kind};
pub(crate) use head::{Head, mean_of_heads};
pub(crate) use rep_conv::{SepConv, rep_conv};
pub(crate) use residual::Residual;
pub(crate) use sequence::{Firing, Sequence, channel_conv, mlp};
pub(crate) use shape::Shape;
pub(crate) use trunk::{Module, Trunk};
