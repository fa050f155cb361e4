//! Which network tensors belong to, told by their names and shapes.
//!
//! Nothing here knows any system. A system's configuration is a table of numbers, and what it
//! does to names and shapes is found by trying: [`Config::outline`] builds a network without
//! numbers in no time. A number that scales an axis is read from that axis of the checkpoint
//! ([`solve`]); one that changes no shape, as the number of time steps does, is told by a person,
//! by the arguments that the training script left in the file, or by the published networks of
//! that shape ([`choose`]).
//!
//! [`Config::outline`]: snn_models::Config::outline

mod choose;
mod differences;
mod facts;
mod family;
mod fields;
mod outline;
mod solve;

pub(crate) use choose::{Choice, choose, published};
pub use choose::{Field, Origin};
pub use differences::Differences;
pub(crate) use differences::{compare, harmless};
pub(crate) use family::{Family, families};
pub(crate) use fields::apply;
pub(crate) use outline::{Shapes, outline};
pub(crate) use solve::{Solved, solve};

#[cfg(test)]
mod tests;
