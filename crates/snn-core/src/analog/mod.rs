//! What analog memory does to a synapse: a weight becomes the difference of two conductances,
//! which are not quite what was asked for, and a sum of currents is read by a converter.
//!
//! Published (Yan et al., *Matterhorn*, arXiv 2601.22876, abstract and summary): a memristive
//! synapse unit sums in the analog domain inside the memory, so no weight is fetched. The models
//! and their default numbers are our reading. Every draw has a seed, and depends on it, a name
//! and a shape alone.

mod converter;
mod noise;

pub use converter::Converter;
pub use noise::{DifferentialPair, Noise};

/// A device that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {found}, expected {expected}")]
pub struct AnalogError {
    /// The number.
    pub field: &'static str,
    /// Its value.
    pub found: f64,
    /// What is allowed.
    pub expected: &'static str,
}
