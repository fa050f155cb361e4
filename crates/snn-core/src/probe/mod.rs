//! Probes: what can be measured while a network runs.

mod energy;
mod rates;

pub use energy::{Costs, EnergyMeter, Kind, LayerOperations, Operations};
pub use rates::{LayerRates, Rates};
