//! Attention mechanisms of spiking transformers, generic over the backend.
//!
//! [`Attend`] says what they need of a backend beyond [`Backend`](snn_core::Backend); the
//! mechanisms whose neuron sits in their middle are functions that take it:
//! [`sdsa1`], [`token_attention`], [`channel_attention`].
//!
//! ```
//! use ndarray::ArrayD;
//! use snn_attn::Attend;
//! use snn_core::{Backend, Reference};
//!
//! let backend = Reference::<f32>::new();
//! // One time step, one sample, two tokens of four channels: [T, B, N, C].
//! let spikes = |bits: [u8; 8]| {
//!     let bits = bits.map(|b| b == 1).to_vec();
//!     let spikes = ArrayD::from_shape_vec(vec![1, 1, 2, 4], bits).unwrap();
//!     backend.widen(&backend.spikes(&spikes))
//! };
//! let q = spikes([1, 1, 0, 0, 0, 0, 1, 0]);
//! let k = spikes([1, 0, 0, 0, 1, 1, 0, 0]);
//! let v = spikes([1, 0, 0, 1, 1, 0, 1, 0]);
//! let y = backend.ssa(&q, &k, &v, 1, 0.125);
//! // The first query shares 1 channel with the first key and 2 with the second.
//! assert_eq!(y.as_slice().unwrap(), [0.375, 0.0, 0.25, 0.125, 0.0, 0.0, 0.0, 0.0]);
//! ```
#![warn(missing_docs)]

mod attend;
pub mod codes;
mod compiled;
mod hashed;
pub mod heads;
mod levels;
mod qk;
mod sdsa;
mod similarity;
mod ssa;
mod statten;
mod temporal;
mod visible;
mod window;
mod wta;
mod xnor;

pub use attend::Attend;
pub use hashed::{CodeSimilarity, HashAttend, HashFunctions, HashScale, RelativeDelays};
pub use levels::Levels;
pub use qk::{channel_attention, token_attention};
pub use sdsa::{pool_head_planes, sdsa1};
pub use similarity::{Agreement, Granularity, Parameterisation, Similarity};
pub use temporal::{
    TemporalAttend, alpha, bidirectional_temporal_fusion, forward_kernel, token_value_attention,
};
pub use visible::Visible;
pub use window::{DilatedWindows, Reach};
pub use wta::{KeyValueCache, WinnerTakeAll, Winners};
pub use xnor::ZeroWeight;
