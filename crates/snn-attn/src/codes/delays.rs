use ndarray::{Array2, Array5, Axis, s};
use snn_core::reference::Scalar;
use snn_hash::BitCodes;

/// Greatest delay in steps.
const REACH: usize = 4;

/// Learnable delays of spikes, one for each head and bit, in time steps.
///
/// A positive delay moves a spike later; what leaves the steps is lost, and silence enters.
/// Training shifts softly, by a mixture of the two whole steps around the delay, so that there is a
/// gradient; inference shifts hard, and spikes stay spikes. Our reading of the idea; a related
/// published form is the dilated convolution with learnable spacings of arXiv 2306.17670.
#[derive(Clone, Debug, PartialEq)]
pub struct Delays<F> {
    delta: Array2<F>,
}

/// The gradient of a loss to delays and spikes.
#[derive(Clone, Debug)]
pub struct DelayGradients<F> {
    /// To the delays, `[H, b]`.
    pub delta: Array2<F>,
    /// To the spikes, `[T, B, H, N, b]`.
    pub spikes: Array5<F>,
}

impl<F: Scalar> Delays<F> {
    /// Takes delays `[H, b]`; training starts from zeros.
    pub fn new(delta: Array2<F>) -> Self {
        Self { delta }
    }

    /// The delays `[H, b]`.
    pub fn delta(&self) -> &Array2<F> {
        &self.delta
    }

    /// Keeps delays within 4 steps, and within what `steps` time steps hold; with `causal` none
    /// looks ahead. To be called after every step of training.
    pub fn clamped(self, steps: usize, causal: bool) -> Self {
        let (least, most) = Self::range(steps, causal);
        Self { delta: self.delta.mapv_into(|delta| delta.max(F::of(least)).min(F::of(most))) }
    }

    /// Least and greatest delay in steps where there are so many; see [`Delays::clamped`].
    pub fn range(steps: usize, causal: bool) -> (f64, f64) {
        let reach = REACH.min(steps.saturating_sub(1)) as f64;
        (if causal { 0.0 } else { -reach }, reach)
    }

    /// The mean of `|delta|` in steps, what the alignment loss penalises.
    pub fn mean_abs(&self) -> F {
        let sum: F = self.delta.iter().map(|delta| delta.abs()).sum();
        sum / F::of(self.delta.len() as f64)
    }

    /// The soft shift of `[T, B, H, N, b]`: with `n = floor(delta)` and `f = delta - n`, it is
    /// `(1 - f) shift(n) + f shift(n + 1)`.
    ///
    /// # Panics
    /// If heads or bits differ.
    pub fn soft(&self, spikes: &Array5<F>) -> Array5<F> {
        self.for_each_train(spikes, |train, out, n, f| {
            for (t, out) in out.iter_mut().enumerate() {
                *out = (F::one() - f) * at(train, t, n) + f * at(train, t, n + 1);
            }
        })
    }

    /// The gradients of [`Delays::soft`] from that of its output; at whole delays it is that of a
    /// longer delay.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn backward(&self, spikes: &Array5<F>, upstream: &Array5<F>) -> DelayGradients<F> {
        assert_eq!(spikes.dim(), upstream.dim(), "a gradient for every spike");
        let back = Self { delta: self.delta.clone() };
        // The transpose shifts back by the same weights.
        let of_spikes = back.for_each_train(upstream, |train, out, n, f| {
            for (t, out) in out.iter_mut().enumerate() {
                *out = (F::one() - f) * at(train, t, -n) + f * at(train, t, -n - 1);
            }
        });
        let mut of_delta = Array2::zeros(self.delta.dim());
        for ((h, r), of_delta) in of_delta.indexed_iter_mut() {
            let n = self.delta[[h, r]].wide().floor() as i64;
            let [spikes, upstream] = [spikes, upstream].map(|x| x.slice(s![.., .., h, .., r]));
            for (train, upstream) in spikes.lanes(Axis(0)).into_iter().zip(upstream.lanes(Axis(0)))
            {
                let train = train.to_vec();
                for (t, &upstream) in upstream.iter().enumerate() {
                    *of_delta += upstream * (at(&train, t, n + 1) - at(&train, t, n));
                }
            }
        }
        DelayGradients { delta: of_delta, spikes: of_spikes }
    }

    /// Whole steps `[H, b]`, halves rounded to even: what [`Delays::hard`] shifts by.
    pub fn steps(&self) -> Array2<i64> {
        self.delta.mapv(|delta| delta.wide().round_ties_even() as i64)
    }

    /// The hard shift, packed: `spikes[t]` holds the codes of step `t`, a token after the other as
    /// in `[B, H, tokens]`.
    ///
    /// # Panics
    /// If the codes are no whole number of samples, or bits differ.
    pub fn hard(&self, spikes: &[BitCodes], tokens: usize) -> Vec<BitCodes> {
        let (heads, bits) = self.delta.dim();
        let masks = self.masks();
        let shifted = |t: usize| {
            let codes = spikes[t].len();
            assert_eq!(spikes[t].bits(), bits, "a delay for every bit");
            assert!(codes.is_multiple_of((heads * tokens).max(1)), "codes of whole samples");
            let mut out = BitCodes::zeros(codes, bits);
            for (n, masks) in &masks {
                let Some(from) = usize::try_from(t as i64 - n).ok().and_then(|t| spikes.get(t))
                else {
                    continue;
                };
                for i in 0..codes {
                    let mask = masks.code(i / tokens % heads);
                    let words = from.code(i).iter().zip(mask).map(|(word, mask)| word & mask);
                    out.merge(i, words);
                }
            }
            out
        };
        (0..spikes.len()).map(shifted).collect()
    }

    /// For every shift that occurs, the bits of each head that it moves.
    fn masks(&self) -> Vec<(i64, BitCodes)> {
        let steps = self.steps();
        let (heads, bits) = self.delta.dim();
        let mut distinct: Vec<i64> = steps.iter().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mask = |n| (n, BitCodes::from_fn(heads, bits, |h, r| steps[[h, r]] == n));
        distinct.into_iter().map(mask).collect()
    }

    /// Calls `shift(train, out, n, f)` for every train along time, `delta = n + f`.
    fn for_each_train(&self, x: &Array5<F>, shift: impl Fn(&[F], &mut [F], i64, F)) -> Array5<F> {
        let (steps, _, heads, _, bits) = x.dim();
        assert_eq!((heads, bits), self.delta.dim(), "a delay for every head and bit");
        let mut out = Array5::zeros(x.dim());
        let mut shifted = vec![F::zero(); steps];
        for ((h, r), &delta) in self.delta.indexed_iter() {
            let n = delta.floor();
            let from = x.slice(s![.., .., h, .., r]);
            let mut to = out.slice_mut(s![.., .., h, .., r]);
            for (train, mut out) in from.lanes(Axis(0)).into_iter().zip(to.lanes_mut(Axis(0))) {
                shift(&train.to_vec(), &mut shifted, n.wide() as i64, delta - n);
                out.iter_mut().zip(&shifted).for_each(|(out, &value)| *out = value);
            }
        }
        out
    }
}

/// Step `t` of a train that is shifted by `n`.
fn at<F: Scalar>(train: &[F], t: usize, n: i64) -> F {
    let step = usize::try_from(t as i64 - n).ok().and_then(|t| train.get(t));
    step.copied().unwrap_or(F::zero())
}
