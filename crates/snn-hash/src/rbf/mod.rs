//! Hash functions of radial basis functions (RBF): the kernel hash of EcoFormer.
//!
//! Source: Liu et al., *EcoFormer: Energy-Saving Attention with Linear Complexity*, NeurIPS 2022,
//! arXiv 2209.09004. Tokens are `[B, H, N, D]`: sample, head, token, channel.

mod features;
mod fit;
mod gradient;

use ndarray::{Array2, Array3, Array4, ArrayView4};
use snn_core::reference::Scalar;

pub use features::{bandwidth, centred, features, normalize, project, squared_distances};
pub use fit::{Fit, labels};
pub(crate) use fit::{mean_of_tokens, positions};
pub use gradient::{TokenGradients, straight_through};

use crate::{codes::BitCodes, error::HashError};

/// Learned hash functions, `b` bits a head from `m` support points.
///
/// A token is normalised, compared with the support points by an RBF, centred, projected, and each
/// sign is a bit: `sign(A (exp(-|x - P|^2 / (2 sigma)) - centre))`.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelHash<F> {
    support: Array3<F>,
    centre: Array2<F>,
    projection: Array3<F>,
}

/// What a hash made of tokens, with all that the backward pass needs.
#[derive(Clone, Debug)]
pub struct Hashed<F> {
    /// Tokens of length one, `[B, H, N, D]`.
    pub units: Array4<F>,
    /// Their lengths before, `[B, H, N]`.
    pub norms: Array3<F>,
    /// Squared distances to the support points, `[B, H, N, m]`.
    pub distances: Array4<F>,
    /// Mean squared distance `sigma`, `[B, H]`.
    pub bandwidth: Array2<F>,
    /// Centred features, `[B, H, N, m]`.
    pub features: Array4<F>,
    /// What the signs are taken of, `[B, H, N, b]`.
    pub y: Array4<F>,
}

impl<F: Scalar> Hashed<F> {
    /// The codes, a token after the other as in `[B, H, N]`: bit `r` is 1 where `y_r > 0`.
    ///
    /// The authors' `sign` gives 0 for `y = 0`, here it is bit 0; with real tokens this does not
    /// occur.
    pub fn codes(&self) -> BitCodes {
        codes(&self.y)
    }
}

/// The signs of `[B, H, N, b]`, a token after the other.
pub(crate) fn codes<F: Scalar>(y: &Array4<F>) -> BitCodes {
    let (b, h, n, bits) = y.dim();
    let mut rows = y.rows().into_iter();
    let mut codes = BitCodes::zeros(b * h * n, bits);
    for i in 0..codes.len() {
        let Some(row) = rows.next() else { unreachable!("a row for every token") };
        for (r, &y) in row.iter().enumerate() {
            codes.set(i, r, y > F::zero());
        }
    }
    codes
}

impl<F: Scalar> KernelHash<F> {
    /// Takes stored functions: `support` `[H, m, D]` (published as `anchor`), `centre` `[H, m]`
    /// (published as `mvec`), `projection` `[H, b, m]` (published as `A`).
    ///
    /// # Errors
    /// [`HashError::Shape`] if they do not fit each other, or there are no bits or no points.
    pub fn new(
        support: Array3<F>,
        centre: Array2<F>,
        projection: Array3<F>,
    ) -> Result<Self, HashError> {
        let (heads, points, _) = support.dim();
        if points == 0 || support.is_empty() {
            let (expected, found) = ("[H, m, D] without a zero".into(), support.shape().to_vec());
            return Err(HashError::Shape { what: "`support`", expected, found });
        }
        if centre.dim() != (heads, points) {
            let (expected, found) = (format!("[{heads}, {points}]"), centre.shape().to_vec());
            return Err(HashError::Shape { what: "`centre`", expected, found });
        }
        check_projection(&projection, heads, points)?;
        Ok(Self { support, centre, projection })
    }

    /// Heads, each with functions of its own.
    pub fn heads(&self) -> usize {
        self.support.dim().0
    }

    /// Bits of a code.
    pub fn bits(&self) -> usize {
        self.projection.dim().1
    }

    /// Support points `[H, m, D]`.
    pub fn support(&self) -> &Array3<F> {
        &self.support
    }

    /// Mean features `[H, m]`.
    pub fn centre(&self) -> &Array2<F> {
        &self.centre
    }

    /// Projections to bits `[H, b, m]`.
    pub fn projection(&self) -> &Array3<F> {
        &self.projection
    }

    /// Hashes tokens `[B, H, N, D]`; the bandwidth is that of these tokens, sample by sample and
    /// head by head.
    ///
    /// # Panics
    /// If heads or channels differ from those of the support points.
    pub fn hash(&self, x: ArrayView4<'_, F>) -> Hashed<F> {
        let (units, norms) = normalize(x);
        let distances = squared_distances(&units, &self.support);
        let bandwidth = bandwidth(&[&distances]);
        let features = centred(features(&distances, &bandwidth), &self.centre);
        let y = project(&features, &self.projection);
        Hashed { units, norms, distances, bandwidth, features, y }
    }
}

pub(crate) fn check_projection<F>(
    projection: &Array3<F>,
    heads: usize,
    points: usize,
) -> Result<(), HashError> {
    let (h, bits, m) = projection.dim();
    if (h, m) != (heads, points) || bits == 0 {
        let expected = format!("[{heads}, b, {points}] with b above 0");
        let found = projection.shape().to_vec();
        return Err(HashError::Shape { what: "`projection`", expected, found });
    }
    Ok(())
}
