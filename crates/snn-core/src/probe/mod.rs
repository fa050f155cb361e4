//! Probes: what can be measured while a network runs.

mod agreement;
mod energy;
mod rates;

pub use agreement::{Agreement, Comparison, LayerAgreement, Recording};
pub use energy::{Costs, EnergyMeter, Kind, LayerOperations, Operations};
pub use rates::{LayerRates, Rates};
