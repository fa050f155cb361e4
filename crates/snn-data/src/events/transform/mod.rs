//! Changes of recordings and of frames: filters of noise, cuts, mirrors, and random augmentation.
//!
//! What bears the name of a tonic transform follows it; where tonic draws random numbers, the law
//! is the same and the numbers are our own streams.

mod augment;
mod filter;
mod geometry;
mod random;

pub use augment::{FrameAugment, FramePolicy};
pub use filter::{denoise, drop_pixels, hot_pixels, refractory};
pub use geometry::{between, crop, flip_polarity, flip_x, flip_y, reverse_time};
pub use random::{
    drop_area, drop_interval, drop_share, jitter_space, jitter_time, random_crop, skew_time,
    uniform_noise,
};
