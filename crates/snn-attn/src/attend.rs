use ndarray::ArrayD;
use snn_core::{Backend, Outline, Packed, Signal, outline, reference::Scalar};

use crate::{
    hashed::HashAttend,
    ssa, statten,
    temporal::TemporalAttend,
    visible::Visible,
    window::{self, DilatedWindows},
    wta::{self, WinnerTakeAll},
    xnor,
    xnor::ZeroWeight,
};

/// What the attention mechanisms need of a backend. The methods have generic
/// forms; a backend overrides those that it can do better.
pub trait Attend: HashAttend + TemporalAttend {
    /// `scale Q (K^T V)` per time step, sample and head: without a softmax the
    /// order of the products is free, and this one costs `N d^2`.
    ///
    /// `q`: `[T, B, positions..., C]`, `k`: `[T, B, positions..., C]`, `v`:
    /// `[T, B, positions..., Cv]`; the positions of `k` and `v` are as many,
    /// `heads` divides the channels. Gives currents at the positions of `q`,
    /// `[T, B, positions..., Cv]`. Source: Zhou et al., *Spikformer*, ICLR
    /// 2023, eq. 6.
    fn ssa(
        &self,
        q: &Self::Counts,
        k: &Self::Counts,
        v: &Self::Counts,
        heads: usize,
        scale: f64,
    ) -> Self::Real {
        ssa::ssa(self, q, k, v, heads, scale)
    }

    /// As [`Attend::ssa`], with the a-XNOR similarity instead of the dot
    /// product: a channel where query and key are both silent counts `a`,
    /// `scale (Q (K^T V) + a (1 - Q) ((1 - K)^T V))`. Source: the a-XNOR
    /// similarity of CVPR 2025; what its source leaves open is our reading.
    fn xnor(
        &self,
        q: &Self::Spikes,
        k: &Self::Spikes,
        v: &Self::Counts,
        heads: usize,
        scale: f64,
        a: &ZeroWeight<Self>,
    ) -> Self::Real {
        xnor::xnor(self, q, k, v, heads, scale, a)
    }

    /// `Q (scale K^T V)` over blocks of `chunk` consecutive time steps: every
    /// token sees the tokens of all steps of its block, later ones too.
    ///
    /// Shapes as [`Attend::ssa`]; `chunk` divides `T`. The scale goes in before
    /// the second product, as in the authors' code, so that rounding is theirs.
    /// Source: Lee et al., *Spiking Transformer with Spatial-Temporal
    /// Attention*, CVPR 2025, arXiv 2409.19764.
    fn statten(
        &self,
        q: &Self::Counts,
        k: &Self::Counts,
        v: &Self::Counts,
        heads: usize,
        chunk: usize,
        scale: f64,
    ) -> Self::Real {
        statten::statten(self, q, k, v, heads, chunk, scale)
    }

    /// Winner-take-all attention: every query gets the values of the keys that it has most in
    /// common with, added up unchanged; with [`Visible::causal`] the CWSSA of language models.
    ///
    /// Shapes as [`Attend::ssa`]; gives counts `[T, B, positions..., Cv]`. `scale` is what makes
    /// real scores of counts: it moves no winner, and the gradient needs it. Source: Zhou et al.,
    /// arXiv 2604.11321; see [`WinnerTakeAll`] for what is our reading.
    fn winner_take_all(
        &self,
        qkv: [&Self::Counts; 3],
        heads: usize,
        scale: f64,
        wta: &WinnerTakeAll,
        visible: &Visible,
    ) -> Self::Counts {
        wta::winner_take_all(self, qkv, heads, scale, wta, visible)
    }

    /// The winners of every row of scores `[T, B, heads, N, M]`. A backend that learns passes back
    /// the gradient of `softmax(scale scores / tau)` over the visible keys, and nothing for rows
    /// without a winner.
    fn winners(
        &self,
        scores: &Self::Counts,
        _scale: f64,
        wta: &WinnerTakeAll,
        visible: &Visible,
    ) -> Self::Spikes {
        self.spikes(&wta::winners(&self.read(scores.input()), wta, visible))
    }

    /// The attention that winner-take-all is compared with: `softmax(scale Q K^T) V` over the
    /// visible keys. Shapes as [`Attend::ssa`].
    fn softmax_attention(
        &self,
        qkv: [&Self::Counts; 3],
        heads: usize,
        scale: f64,
        visible: &Visible,
    ) -> Self::Real {
        wta::softmax_attention(self, qkv, heads, scale, visible)
    }

    /// Softmax of every row of scores `[T, B, heads, N, M]` over the visible keys; zeros where
    /// none is visible.
    fn softmax(&self, scores: &Self::Real, visible: &Visible) -> Self::Real {
        bring(self, &wta::softmax(&self.read(scores.input()), visible))
    }

    /// `scale Q K^T V` over the keys of the window around each query: the LS-SSA of LSFormer.
    ///
    /// Shapes as [`Attend::ssa`], with as many positions for queries as for keys; windows are
    /// squares where positions have two axes, lines where they have one. Source: Li, Zhang and Yu,
    /// arXiv 2605.13887; see [`DilatedWindows`] for what is our reading.
    fn window_attention(
        &self,
        qkv: [&Self::Counts; 3],
        heads: usize,
        scale: f64,
        windows: &DilatedWindows,
    ) -> Self::Real {
        let [q, k, v] = qkv.map(|x| self.read(x.input()).mapv(|level| level as u32));
        let sums = window::attend([&q, &k, &v], heads, windows);
        self.scale(&self.counts(&sums), scale)
    }

    /// How many positions spike, channel by channel:
    /// `[T, B, positions..., C]` to `[T, B, 1..., C]`.
    fn channel_sums(&self, x: &Self::Spikes) -> Self::Counts {
        let positions = 2..x.shape().len() - 1;
        positions.fold(self.widen(x), |sum, axis| self.sum_axis(&sum, axis))
    }

    /// How many channels of each head spike, position by position:
    /// `[T, B, positions..., C]` to `[T, B, positions..., heads]`.
    fn head_sums(&self, x: &Self::Spikes, heads: usize) -> Self::Counts {
        head_sums(self, x, heads)
    }

    /// Lets pass the heads whose gate is open, position by position:
    /// `[T, B, positions..., C]` under `[T, B, positions..., heads]`.
    fn mask_heads(&self, x: &Self::Spikes, gate: &Self::Spikes) -> Self::Spikes {
        mask_heads(self, x, gate)
    }
}

impl<F: Scalar> Attend for snn_core::Reference<F> {}

impl Attend for Packed {
    fn ssa(
        &self,
        q: &Self::Counts,
        k: &Self::Counts,
        v: &Self::Counts,
        heads: usize,
        scale: f64,
    ) -> Self::Real {
        self.linear_attention([q, k, v], heads, scale)
            .unwrap_or_else(|| ssa::ssa(self, q, k, v, heads, scale))
    }

    fn winner_take_all(
        &self,
        qkv: [&Self::Counts; 3],
        heads: usize,
        _scale: f64,
        wta: &WinnerTakeAll,
        visible: &Visible,
    ) -> Self::Counts {
        wta::packed(self, qkv, heads, wta, visible)
    }

    fn window_attention(
        &self,
        qkv: [&Self::Counts; 3],
        heads: usize,
        scale: f64,
        windows: &DilatedWindows,
    ) -> Self::Real {
        let [q, k, v] = &qkv.map(|x| x.unpack());
        self.scale(&self.counts(&window::packed(self.isa(), [q, k, v], heads, windows)), scale)
    }

    fn channel_sums(&self, x: &Self::Spikes) -> Self::Counts {
        Packed::channel_sums(self, x)
    }

    fn head_sums(&self, x: &Self::Spikes, heads: usize) -> Self::Counts {
        Packed::head_sums(self, x, heads).unwrap_or_else(|| head_sums(self, x, heads))
    }

    fn mask_heads(&self, x: &Self::Spikes, gate: &Self::Spikes) -> Self::Spikes {
        Packed::mask_heads(self, x, gate).unwrap_or_else(|| mask_heads(self, x, gate))
    }
}

fn head_sums<B: Backend>(backend: &B, x: &B::Spikes, heads: usize) -> B::Counts {
    let shape = x.shape();
    let (channels, outer) = (shape[shape.len() - 1], &shape[..shape.len() - 1]);
    let split = [outer, &[heads, channels / heads]].concat();
    let sums = backend.sum_axis(&backend.widen(&x.reshape(&split)), shape.len());
    sums.reshape(&[outer, &[heads]].concat())
}

fn mask_heads<B: Backend>(backend: &B, x: &B::Spikes, gate: &B::Spikes) -> B::Spikes {
    let (shape, heads) = (x.shape(), gate.shape().last().copied().unwrap_or(1));
    let (channels, outer) = (shape[shape.len() - 1], &shape[..shape.len() - 1]);
    let x = x.reshape(&[outer, &[heads, channels / heads]].concat());
    backend.mask(&x, &gate.reshape(&[outer, &[heads, 1]].concat())).reshape(&shape)
}

impl Attend for Outline {
    fn winners(
        &self,
        scores: &outline::Counts,
        _scale: f64,
        _wta: &WinnerTakeAll,
        _visible: &Visible,
    ) -> outline::Spikes {
        outline::Spikes::new(&scores.shape())
    }

    fn softmax(&self, scores: &outline::Real, _visible: &Visible) -> outline::Real {
        scores.clone()
    }

    fn window_attention(
        &self,
        [q, k, v]: [&outline::Counts; 3],
        heads: usize,
        _scale: f64,
        _windows: &DilatedWindows,
    ) -> outline::Real {
        let (mut shape, values) = (q.shape(), v.shape());
        let (last, channels) = (shape.len() - 1, values[values.len() - 1]);
        assert_eq!(shape, k.shape(), "queries beside keys");
        assert!(shape[last].is_multiple_of(heads), "{heads} heads of {} channels", shape[last]);
        assert_eq!(shape[..last], values[..last], "queries beside values");
        shape[last] = channels;
        outline::Real::new(&shape)
    }
}

impl<B: HashAttend + TemporalAttend> Attend for snn_core::Unfolded<B> {}

/// Brings 64-bit floats in; a border takes 32-bit ones, so in two parts.
fn bring<B: Backend>(backend: &B, values: &ArrayD<f64>) -> B::Real {
    let high = values.mapv(|x| x as f32);
    let low = ndarray::Zip::from(values).and(&high).map_collect(|&x, &h| (x - f64::from(h)) as f32);
    backend.add_real(&backend.real(&high), &backend.real(&low))
}
