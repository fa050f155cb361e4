//! Learning the functions from tokens alone, bit after bit.

use ndarray::{Array1, Array2, Array3, Array4, ArrayView4, Axis, s};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use snn_core::reference::Scalar;

use super::{
    KernelHash, bandwidth, centred, check_projection, features, normalize, squared_distances,
};
use crate::error::HashError;

/// How functions are learned: gradient descent with Nesterov momentum on each bit in turn, towards
/// codes that agree for similar tokens and disagree for dissimilar ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Most similar and least similar tokens that a token is labelled with.
    pub neighbours: usize,
    /// Learning rate.
    pub rate: f64,
    /// Momentum.
    pub momentum: f64,
    /// Steps for each bit.
    pub iterations: usize,
}

impl Default for Fit {
    /// What the authors use.
    fn default() -> Self {
        Self { neighbours: 10, rate: 5e-4, momentum: 0.9, iterations: 100 }
    }
}

impl Fit {
    /// Learns functions of `bits` bits and `points` support points from tokens `[B, H, N, D]`. The
    /// points are tokens of the first sample; they and the projections that the fit starts from are
    /// drawn from `seed`.
    ///
    /// # Errors
    /// [`HashError`] if a sample has fewer tokens than `points`, there are no bits or no points,
    /// or the fit diverges.
    pub fn learn<F: Scalar>(
        &self,
        x: ArrayView4<'_, F>,
        points: usize,
        bits: usize,
        seed: u64,
    ) -> Result<KernelHash<F>, HashError> {
        let (_, heads, tokens, _) = x.dim();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let positions = positions(tokens, points, &mut rng)?;
        let start = Array3::from_shape_simple_fn((heads, bits, points), || {
            let number: f64 = StandardNormal.sample(&mut rng);
            F::of(number)
        });
        self.learn_from(x, &positions, start)
    }

    /// As [`Fit::learn`], with given positions of the support points in the first sample and given
    /// projections `[H, b, m]` to start from.
    ///
    /// # Errors
    /// [`HashError`] if the projections do not fit the tokens and positions, or the fit diverges.
    ///
    /// # Panics
    /// If there is no sample, or a position is no token.
    pub fn learn_from<F: Scalar>(
        &self,
        x: ArrayView4<'_, F>,
        positions: &[usize],
        start: Array3<F>,
    ) -> Result<KernelHash<F>, HashError> {
        let (units, _) = normalize(x);
        let support = units.index_axis(Axis(0), 0).select(Axis(1), positions);
        check_projection(&start, units.dim().1, positions.len())?;
        let distances = squared_distances(&units, &support);
        let features = features(&distances, &bandwidth(&[&distances]));
        let (centre, projection) =
            self.centre_and_project(features, &labels(&units, self.neighbours), start)?;
        KernelHash::new(support, centre, projection)
    }

    /// The centre of features `[B, H, N, m]` and the projections learned from them.
    pub(crate) fn centre_and_project<F: Scalar>(
        &self,
        features: Array4<F>,
        labels: &Array4<i8>,
        start: Array3<F>,
    ) -> Result<(Array2<F>, Array3<F>), HashError> {
        let centre = mean_of_tokens(&features);
        let projection = self.projections(&centred(features, &centre), labels, start)?;
        Ok((centre, projection))
    }

    /// Greedy: each bit sees what the bits before it left of the labels.
    fn projections<F: Scalar>(
        &self,
        g: &Array4<F>,
        labels: &Array4<i8>,
        mut rows: Array3<F>,
    ) -> Result<Array3<F>, HashError> {
        let bits = rows.dim().1;
        let mut s = labels.mapv(|label| F::of(f64::from(label) * bits as f64));
        for r in 0..bits {
            let old = rows.slice(s![.., r, ..]).to_owned();
            let new = self.descend(g, &s, old.clone(), bits);
            if new.iter().any(|a| a.is_nan()) {
                return Err(HashError::Diverged { bit: r });
            }
            let hard = |a: &Array2<F>| {
                per_head(g, a).mapv(|y| if y > F::zero() { F::one() } else { -F::one() })
            };
            let better = loss(&hard(&new), &s, bits) < loss(&hard(&old), &s, bits);
            let kept = if better { new } else { old };
            let y = hard(&kept);
            for (mut s, y) in s.outer_iter_mut().zip(y.outer_iter()) {
                for (mut s, y) in s.outer_iter_mut().zip(y.outer_iter()) {
                    let (column, row) = (y.insert_axis(Axis(1)), y.insert_axis(Axis(0)));
                    s.zip_mut_with(&column.dot(&row), |s, &both| *s = *s - both);
                }
            }
            rows.slice_mut(s![.., r, ..]).assign(&kept);
        }
        Ok(rows)
    }

    /// Descends on `mean over samples and heads of -y^T S y / (N b)`, `y = 2 sigmoid(g a) - 1`.
    fn descend<F: Scalar>(
        &self,
        g: &Array4<F>,
        s: &Array4<F>,
        mut a: Array2<F>,
        bits: usize,
    ) -> Array2<F> {
        let (samples, heads, tokens, _) = g.dim();
        let scale = F::of(-1.0 / (samples * heads * tokens * bits) as f64);
        let (rate, momentum) = (F::of(self.rate), F::of(self.momentum));
        let half = F::of(0.5);
        let mut velocity = Array2::<F>::zeros(a.dim());
        for _ in 0..self.iterations {
            let y = per_head(g, &a).mapv(|z| F::of(2.0) / (F::one() + (-z).exp()) - F::one());
            let mut gradient = Array2::<F>::zeros(a.dim());
            // Heads do not meet, so sums do not depend on the number of threads.
            gradient.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(h, mut row)| {
                for b in 0..samples {
                    let (y, s) = (y.slice(s![b, h, ..]), s.slice(s![b, h, .., ..]));
                    let of_y: Array1<F> = s.dot(&y) + s.t().dot(&y);
                    let of_z = of_y * y.mapv(|y| (F::one() - y * y) * half * scale);
                    row += &g.slice(s![b, h, .., ..]).t().dot(&of_z);
                }
            });
            velocity = velocity * momentum + &gradient;
            a = a - (gradient + &velocity * momentum) * rate;
        }
        a
    }
}

/// The positions of `points` of so many tokens, drawn without repetition.
pub(crate) fn positions(
    tokens: usize,
    points: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<usize>, HashError> {
    if points > tokens {
        return Err(HashError::Tokens { points, tokens });
    }
    let mut positions: Vec<usize> = (0..tokens).collect();
    positions.shuffle(rng);
    positions.truncate(points);
    Ok(positions)
}

/// Labels `[B, H, N, N]` of normalised tokens `[B, H, N, D]`: in each row +1 for the most similar
/// tokens by dot product, -1 for the least similar, 0 for the rest; ties by lowest index. Where
/// both claim a token, it is -1.
pub fn labels<F: Scalar>(units: &Array4<F>, neighbours: usize) -> Array4<i8> {
    let (b, h, n, _) = units.dim();
    let count = neighbours.min(n);
    let mut labels = Array4::zeros((b, h, n, n));
    for (mut labels, units) in labels.outer_iter_mut().zip(units.outer_iter()) {
        for (mut labels, units) in labels.outer_iter_mut().zip(units.outer_iter()) {
            let similarities = units.dot(&units.t());
            for (mut labels, row) in labels.outer_iter_mut().zip(similarities.outer_iter()) {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|&i, &j| row[j].wide().total_cmp(&row[i].wide()));
                order[..count].iter().for_each(|&i| labels[i] = 1);
                order.sort_by(|&i, &j| row[i].wide().total_cmp(&row[j].wide()).then(i.cmp(&j)));
                order[..count].iter().for_each(|&i| labels[i] = -1);
            }
        }
    }
    labels
}

/// The mean `[H, m]` of `[B, H, N, m]` over samples and tokens.
pub(crate) fn mean_of_tokens<F: Scalar>(features: &Array4<F>) -> Array2<F> {
    let (b, _, n, _) = features.dim();
    features.sum_axis(Axis(2)).sum_axis(Axis(0)) / F::of((b * n) as f64)
}

/// `g a` `[B, H, N]` of features `[B, H, N, m]` and one row a head `[H, m]`.
fn per_head<F: Scalar>(g: &Array4<F>, a: &Array2<F>) -> Array3<F> {
    let (b, h, n, _) = g.dim();
    let mut z = Array3::zeros((b, h, n));
    for (mut z, g) in z.outer_iter_mut().zip(g.outer_iter()) {
        for h in 0..h {
            z.row_mut(h).assign(&g.index_axis(Axis(0), h).dot(&a.row(h)));
        }
    }
    z
}

/// `mean over samples and heads of -y^T S y / (N b)`.
fn loss<F: Scalar>(y: &Array3<F>, s: &Array4<F>, bits: usize) -> F {
    let (samples, heads, tokens) = y.dim();
    let mut sum = F::zero();
    for (y, s) in y.outer_iter().zip(s.outer_iter()) {
        for (y, s) in y.outer_iter().zip(s.outer_iter()) {
            sum += y.dot(&s.dot(&y));
        }
    }
    -sum / F::of((samples * heads * tokens * bits) as f64)
}
