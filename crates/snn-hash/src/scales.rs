//! Hashing at several bandwidths: coarse and fine codes of the same tokens.
//!
//! Everything here is our reading of the idea; no paper defines it.

use ndarray::{Array2, Array3, Array4, ArrayView4, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use snn_core::reference::Scalar;

use crate::{
    codes::BitCodes,
    error::HashError,
    rbf::{
        Fit, bandwidth, centred, check_projection, codes, features, labels, mean_of_tokens,
        normalize, positions, project, squared_distances,
    },
};

/// Kernel hashes that share support points and a base bandwidth, one a scale.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiBandwidth<F> {
    support: Array3<F>,
    scales: Vec<Scale<F>>,
}

/// One scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale<F> {
    /// What the base bandwidth is multiplied by: above 1 is coarse, below 1 is fine.
    pub multiplier: F,
    /// Mean features `[H, m]`.
    pub centre: Array2<F>,
    /// Projections to bits `[H, b, m]`.
    pub projection: Array3<F>,
}

/// What several scales made of tokens that share a bandwidth: queries and keys, or both at once.
#[derive(Clone, Debug)]
pub struct SidesHashed<F> {
    /// Mean squared distance over the tokens of all sides and the support points, `[B, H]`.
    pub bandwidth: Array2<F>,
    /// What the signs of each side are taken of, scale by scale `[B, H, N, b]`.
    pub signs: Vec<Vec<Array4<F>>>,
}

impl<F: Scalar> SidesHashed<F> {
    /// Codes of each side, a token after the other as in `[B, H, N]`.
    pub fn codes(&self) -> Vec<MultiCodes> {
        let side = |side: &Vec<Array4<F>>| MultiCodes { scales: side.iter().map(codes).collect() };
        self.signs.iter().map(side).collect()
    }
}

impl<F: Scalar> MultiBandwidth<F> {
    /// Takes stored functions; `support` is `[H, m, D]`.
    ///
    /// # Errors
    /// [`HashError::Shape`] if a scale does not fit the support points, or there is none.
    pub fn new(support: Array3<F>, scales: Vec<Scale<F>>) -> Result<Self, HashError> {
        let (heads, points, _) = support.dim();
        if scales.is_empty() {
            let expected = "at least one".into();
            return Err(HashError::Shape { what: "list of scales", expected, found: vec![0] });
        }
        for scale in &scales {
            check_projection(&scale.projection, heads, points)?;
            if scale.centre.dim() != (heads, points) {
                let expected = format!("[{heads}, {points}]");
                let found = scale.centre.shape().to_vec();
                return Err(HashError::Shape { what: "`centre`", expected, found });
            }
        }
        Ok(Self { support, scales })
    }

    /// Support points `[H, m, D]`.
    pub fn support(&self) -> &Array3<F> {
        &self.support
    }

    /// The scales.
    pub fn scales(&self) -> &[Scale<F>] {
        &self.scales
    }

    /// Hashes sides such as queries `[B, H, N, D]` and keys `[B, H, M, D]` with one bandwidth for
    /// all, so that their codes can be compared.
    ///
    /// # Panics
    /// If heads or channels differ from those of the support points.
    pub fn hash(&self, sides: &[ArrayView4<'_, F>]) -> SidesHashed<F> {
        let distances = self.distances(sides);
        let bandwidth = bandwidth(&distances.iter().collect::<Vec<_>>());
        let signs = |distances: &Array4<F>| {
            let y = |scale: &Scale<F>| {
                let features = features(distances, &bandwidth.mapv(|s| s * scale.multiplier));
                project(&centred(features, &scale.centre), &scale.projection)
            };
            self.scales.iter().map(y).collect()
        };
        let signs = distances.iter().map(signs).collect();
        SidesHashed { bandwidth, signs }
    }

    /// Centres every scale on the mean feature of these keys.
    ///
    /// # Panics
    /// If heads or channels differ from those of the support points.
    pub fn centre_on(mut self, queries: ArrayView4<'_, F>, keys: ArrayView4<'_, F>) -> Self {
        let distances = self.distances(&[queries, keys]);
        let bandwidth = bandwidth(&distances.iter().collect::<Vec<_>>());
        for scale in &mut self.scales {
            let of_keys = features(&distances[1], &bandwidth.mapv(|s| s * scale.multiplier));
            scale.centre = mean_of_tokens(&of_keys);
        }
        self
    }

    /// Support points and functions learned from tokens `[B, H, N, D]`, queries and keys one after
    /// the other: see [`Fit`]. The points are tokens of the first sample, drawn from `seed`;
    /// projections start from those that are there.
    ///
    /// # Errors
    /// [`HashError`] if a sample has fewer tokens than points, or a fit diverges.
    ///
    /// # Panics
    /// If there is no sample, or heads or channels differ from those of the support points.
    pub fn fitted(mut self, fit: &Fit, x: ArrayView4<'_, F>, seed: u64) -> Result<Self, HashError> {
        let (units, _) = normalize(x);
        let positions =
            positions(x.dim().2, self.support.dim().1, &mut ChaCha8Rng::seed_from_u64(seed))?;
        self.support = units.index_axis(Axis(0), 0).select(Axis(1), &positions);
        let distances = squared_distances(&units, &self.support);
        let (bandwidth, labels) = (bandwidth(&[&distances]), labels(&units, fit.neighbours));
        for scale in &mut self.scales {
            let features = features(&distances, &bandwidth.mapv(|s| s * scale.multiplier));
            let start = scale.projection.clone();
            (scale.centre, scale.projection) = fit.centre_and_project(features, &labels, start)?;
        }
        Ok(self)
    }

    fn distances(&self, sides: &[ArrayView4<'_, F>]) -> Vec<Array4<F>> {
        sides.iter().map(|x| squared_distances(&normalize(x.view()).0, &self.support)).collect()
    }
}

/// Codes of the same items at several scales; each scale begins on a fresh word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiCodes {
    scales: Vec<BitCodes>,
}

/// How the similarities of the scales become one.
#[derive(Clone, Debug, PartialEq)]
pub enum Fusion {
    /// The sum with these weights, one a scale. Weights that sum to 1 (see [`softmax`]) keep it
    /// between -1 and 1.
    Weighted(Vec<f64>),
    /// As one long code: every bit weighs the same.
    Concat,
    /// The greatest.
    Max,
}

impl MultiCodes {
    /// Takes the codes of every scale.
    ///
    /// # Panics
    /// If there is no scale, or they are of different lengths.
    pub fn new(scales: Vec<BitCodes>) -> Self {
        assert!(!scales.is_empty(), "at least one scale");
        assert!(scales.iter().all(|s| s.len() == scales[0].len()), "codes of the same items");
        Self { scales }
    }

    /// The codes, scale by scale.
    pub fn scales(&self) -> &[BitCodes] {
        &self.scales
    }

    /// How many items.
    pub fn len(&self) -> usize {
        self.scales[0].len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All scales as one code.
    pub fn concat(&self) -> BitCodes {
        BitCodes::concat(&self.scales.iter().collect::<Vec<_>>())
    }

    /// How similar item `i` is to item `j` of `other`, -1 to 1: at one scale of `b` bits and
    /// Hamming distance `d` it is `(b - 2 d) / b`, and `fusion` makes one of all scales.
    ///
    /// # Panics
    /// If there is no such item, or scales or weights do not match.
    pub fn similarity(&self, i: usize, other: &Self, j: usize, fusion: &Fusion) -> f64 {
        assert_eq!(self.scales.len(), other.scales.len(), "the same scales");
        let pairs = self.scales.iter().zip(&other.scales);
        // Bits and dot product of each scale.
        let dots = pairs.map(|(a, b)| {
            let bits = a.bits() as f64;
            (bits, bits - 2.0 * f64::from(a.distance(i, b, j)))
        });
        match fusion {
            Fusion::Weighted(weights) => {
                assert_eq!(weights.len(), self.scales.len(), "a weight for every scale");
                dots.zip(weights).map(|((bits, dot), weight)| weight * dot / bits).sum()
            }
            Fusion::Concat => {
                let (bits, dot) = dots.fold((0.0, 0.0), |(b, d), (bits, dot)| (b + bits, d + dot));
                dot / bits
            }
            Fusion::Max => dots.map(|(bits, dot)| dot / bits).fold(-1.0, f64::max),
        }
    }

    /// All similarities to `other`, `[items, items of other]`.
    ///
    /// # Panics
    /// If scales or weights do not match.
    pub fn similarities(&self, other: &Self, fusion: &Fusion) -> Array2<f64> {
        Array2::from_shape_fn((self.len(), other.len()), |(i, j)| {
            self.similarity(i, other, j, fusion)
        })
    }
}

/// Weights that sum to one: `exp(x) / sum exp(x)`.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let terms: Vec<f64> = logits.iter().map(|x| (x - greatest).exp()).collect();
    let sum: f64 = terms.iter().sum();
    terms.iter().map(|term| term / sum).collect()
}
