//! Short binary codes: learning them, packing them, finding the nearest.
//!
//! [`BitCodes`] holds codes of any width in 64-bit words; [`top_k`], [`Scan`] and [`MultiIndex`]
//! find the exact nearest among millions. Codes come from [`KernelHash`], learned from tokens by
//! [`Fit`]; from several bandwidths or resolutions at once ([`MultiBandwidth`], [`Grid`],
//! [`window_mean`], [`temporal_difference`]); or from random hyperplanes ([`lsh`]).
//!
//! ```
//! use snn_hash::{BitCodes, Neighbor, top_k};
//!
//! // Three codes of five bits, bit 0 first.
//! let codes = BitCodes::from_bytes(5, &[0b00111, 0b10000, 0b00110])?;
//! let query = BitCodes::from_bytes(5, &[0b00010])?;
//! let nearest = top_k(&query, &codes, 2);
//! assert_eq!(nearest[[0, 0]], Neighbor { index: 2, distance: 1 });
//! assert_eq!(nearest[[0, 1]], Neighbor { index: 0, distance: 2 });
//! # Ok::<(), snn_hash::CodesError>(())
//! ```
//!
//! Tokens become codes by learned functions:
//!
//! ```
//! use ndarray::Array4;
//! use snn_hash::Fit;
//!
//! // One sample, one head, eight tokens of four channels.
//! let x = Array4::from_shape_fn((1, 1, 8, 4), |(_, _, n, c)| ((n * 7 + c * 3) % 5) as f32 - 2.0);
//! let hash = Fit { neighbours: 2, ..Fit::default() }.learn(x.view(), 3, 16, 0)?;
//! let codes = hash.hash(x.view()).codes();
//! assert_eq!((codes.len(), codes.bits()), (8, 16));
//! # Ok::<(), snn_hash::HashError>(())
//! ```
#![warn(missing_docs)]

mod codes;
mod error;
pub mod lsh;
pub mod rbf;
mod resolution;
mod scales;
mod search;

pub use codes::{BitCodes, CodesError, hamming, overlap};
pub use error::HashError;
pub use rbf::{Fit, Hashed, KernelHash, straight_through};
pub use resolution::{Grid, temporal_difference, window_mean};
pub use scales::{Fusion, MultiBandwidth, MultiCodes, Scale, SidesHashed, softmax};
pub use search::{IndexError, MultiIndex, Neighbor, Scan, top_k};
pub use snn_core::packed::Isa;
