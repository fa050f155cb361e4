//! Sound: wave files, spoken words, log-mel features.

mod error;
mod mel;
mod sets;
mod source;
mod wav;

pub use error::SoundError;
pub use mel::{LogMel, MelScale, Spectrogram};
pub use sets::{Recording, SoundSet};
pub use source::MelFrames;
pub use wav::Sound;
