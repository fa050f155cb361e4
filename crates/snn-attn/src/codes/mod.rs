//! Attention on packed binary codes, and spikes that meet in time.
//!
//! Queries and keys are [`BitCodes`], one code a token, of one head; values are `[tokens, width]`.
//! [`each_head`] runs over samples and heads.
//!
//! ```
//! use ndarray::array;
//! use snn_attn::codes::{HammingAttention, Measure};
//! use snn_hash::BitCodes;
//!
//! // One query of four bits, three keys that agree with it in 1, 4 and 3 bits.
//! let query = BitCodes::from_bytes(4, &[0b0011])?;
//! let keys = BitCodes::from_bytes(4, &[0b1101, 0b0011, 0b0111])?;
//! let values = array![[10.0], [1.0], [8.0]];
//! let two = HammingAttention {
//!     measure: Measure::Match { offset: 0 },
//!     keep: 2.try_into().ok(),
//!     causal: false,
//! };
//! assert_eq!(two.attend(&query, &keys, values.view()), array![[(4.0 * 1.0 + 3.0 * 8.0) / 7.0]]);
//! # Ok::<(), snn_hash::CodesError>(())
//! ```

mod delays;
mod hamming;
mod heaviest;
mod kernel_hash;
mod linear;
mod lsh;
mod measure;
mod multi_scale;
mod running;
mod scores;
mod sync;
mod window;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;
use snn_core::reference::Scalar;
use snn_hash::BitCodes;

pub(crate) use heaviest::heaviest;
pub(crate) use linear::{Sums, means};
pub(crate) use measure::{PerBit, ones};
pub(crate) use scores::{Scores, Scratch};

pub use delays::{DelayGradients, Delays};
pub use hamming::HammingAttention;
pub use kernel_hash::{Bias, KernelHashAttention};
pub use lsh::{LshCache, LshConfig, Part};
pub use measure::Measure;
pub use multi_scale::MultiScaleAttention;
pub use running::Running;
pub use sync::Synchrony;
pub use window::{Late, Side, SpikeWindow};

/// Runs an attention over samples and heads: codes are a token after the other as in
/// `[heads, N]` and `[heads, M]`, values `[heads, M, width]`; samples are further heads. Gives
/// `[heads, N, width]`.
///
/// # Panics
/// If the codes are no whole number of heads.
pub fn each_head<F: Scalar>(
    queries: &BitCodes,
    keys: &BitCodes,
    values: ArrayView3<'_, F>,
    attend: impl Fn(&BitCodes, &BitCodes, ArrayView2<'_, F>) -> Array2<F> + Sync,
) -> Array3<F> {
    let (heads, m, width) = values.dim();
    assert_eq!(keys.len(), heads * m, "a key for every value");
    assert!(queries.len().is_multiple_of(heads.max(1)), "queries of whole heads");
    let n = queries.len() / heads.max(1);
    let mut out = Array3::zeros((heads, n, width));
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(h, mut out)| {
        let (queries, keys) = (queries.rows(h * n..(h + 1) * n), keys.rows(h * m..(h + 1) * m));
        out.assign(&attend(&queries, &keys, values.index_axis(Axis(0), h)));
    });
    out
}
