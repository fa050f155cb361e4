//! How fast the engine is, alone and beside the engines that people use today.
//!
//! A [`Case`] is a network with weights, an input and the answer. Everything
//! that is timed has answered first, and was compared:
//!
//! ```
//! use snn_benches::{Case, agreement::{Recording, agreement}, case::Draw};
//! use snn_core::{Packed, packed::Precision};
//!
//! let config = serde_json::from_str(
//!     r#"{"system": "spikformer", "variant": "cifar", "image": [8, 8], "in_channels": 1,
//!         "classes": 10, "dim": 8, "depth": 1, "heads": 1, "mlp_ratio": 1, "time_steps": 2}"#,
//! )?;
//! let case = Case::draw("tiny", config, Draw { images: 3, ..Draw::default() })?;
//! let recording = Recording::new(&case, 3)?;
//! let (spikes, _) = agreement(&Packed::new(Precision::Exact), &case, &recording)?;
//! assert_eq!(spikes.flipped, 0);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod agreement;
mod calibrate;
pub mod case;
pub mod contest;
pub mod inputs;
pub mod machine;
pub mod report;
pub mod serve;
pub mod suite;
pub mod work;

pub use case::Case;
