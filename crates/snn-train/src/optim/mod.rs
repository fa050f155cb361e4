//! Optimisers, gradient clipping and learning rate schedules.
//!
//! The update rules are PyTorch's. The learning rate is an argument of every
//! step, so an optimiser holds nothing but its moments.

mod adamw;
mod clip;
mod lamb;
pub mod schedule;
mod sgd;
mod slots;

use snn_core::{LoadError, Weights};

pub use adamw::{AdamW, AdamWOptions};
pub use clip::clip_grad_norm;
pub use lamb::{Lamb, LambOptions};
pub use schedule::Cosine;
pub use sgd::{Sgd, SgdOptions};

/// Moves parameters down their gradients.
pub trait Optimizer {
    /// One update with learning rate `lr` of every parameter that has a
    /// gradient.
    fn step(&mut self, lr: f64);

    /// Forgets the gradients: the next backward pass makes new ones.
    fn zero_grad(&mut self);

    /// Everything that the next steps depend on besides the parameters, as
    /// `<parameter>.<moment>`: what [`Optimizer::restore`] needs to go on bit
    /// for bit. Exact for parameters in 32 bits.
    fn state(&self) -> Weights;

    /// Goes on from `state`.
    ///
    /// # Errors
    /// [`LoadError`] if it is of other parameters or another optimiser; then
    /// nothing has changed.
    fn restore(&mut self, state: &Weights) -> Result<(), LoadError>;
}
