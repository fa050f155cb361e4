//! Runs that learn from text: the same folder, the same files, one more for the vocabulary.
//!
//! `vocabulary.txt` holds the tokens as [`Vocabulary::write`](snn_data::text::Vocabulary::write)
//! puts them. In [`Metrics`](super::Metrics) an image is a window of text, or a whole text where
//! texts have classes; accuracy is that of tokens, or of texts.

mod config;
mod train;

pub use config::{Config, preset, preset_names};
pub use train::Trainer;

/// Name of the file of the vocabulary in a run folder.
pub const VOCABULARY: &str = "vocabulary.txt";
