//! Tensors whose type says what they mean.
//!
//! These are the dense forms, plain `ndarray` arrays: what the
//! [`Reference`](crate::Reference) backend computes on, what encoders make and
//! what every backend can be asked for. Axes are `[T, B, positions..., C]`:
//! time first, channels last.

use ndarray::ArrayD;

/// Membrane potentials, currents, logits: any number.
pub type Real<F> = ArrayD<F>;

/// Spikes: `true` where a neuron fired. The element type admits nothing else.
pub type Spikes = ArrayD<bool>;

/// Sums of spikes: small integers, never negative.
pub type Counts = ArrayD<u32>;
