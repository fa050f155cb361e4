//! The program `snn` as a library: what its commands do, and the report of a run.
//!
//! Measuring is generic over the backend:
//!
//! ```
//! use snn_cli::measure;
//! use snn_core::Reference;
//! use snn_data::Settings;
//! use snn_models::Config;
//!
//! let model: Config = serde_json::from_str(
//!     r#"{"system": "spikformer", "variant": "cifar", "image": [8, 8], "in_channels": 1,
//!         "classes": 10, "dim": 8, "depth": 1, "heads": 1, "mlp_ratio": 1, "time_steps": 1}"#,
//! )?;
//! let digits = snn_cli::data::open("digits", None, &model, &Settings::default())?;
//! let backend = Reference::<f32>::new();
//! let (network, _) = model.draw(&backend, 1)?;
//! let found = measure::evaluate(&backend, &*network, &digits.test, 32, |_| ())?;
//! assert_eq!(found.samples(), 360);
//! assert!(found.energy.total().mac > 0.0);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod backend;
pub mod commands;
pub mod data;
pub mod measure;
pub mod report;
pub mod run_folder;
pub mod text;
