//! Probes: what can be measured while a network runs.

mod agreement;
mod coding;
mod energy;
mod rates;

pub use agreement::{Agreement, Comparison, LayerAgreement, Recording};
pub use coding::{Code, CodeActivity, CodedOperations, CodingMeter, SpikeCosts};
pub use energy::{Costs, EnergyMeter, Kind, LayerOperations, Operations};
pub use rates::{LayerRates, Rates};
